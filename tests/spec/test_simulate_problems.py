"""Every kind of mistake in a ``simulate`` block, by its message."""

import pytest
import yaml

from mmfit.spec import load_analysis
from tests.spec.files import problems, write

GOOD = {
    "seed": 1,
    "design": {"region": 4, "clinic": {"levels": 3, "within": "region"}, "doctor": 6},
    "per_cell": 2,
    "fraction": 0.5,
    "covariates": {"x": {"distribution": "normal"}},
    "formula": "y ~ x + (1 | region/clinic) + (x | doctor)",
    "fixed": {"(Intercept)": 100, "x": 0.3},
    "random": {
        "region": {"sd": [50]},
        "region:clinic": {"sd": [20]},
        "doctor": {"sd": [5, 1], "correlation": [[1, 0.2], [0.2, 1]]},
    },
    "residual_sd": 7,
}
FORMULA = "y ~ x + (x | doctor)"
FIXED = {"(Intercept)": 100, "x": 0.3}


def doctor(**effects):
    """A model with one grouping factor and these parameters of its random effects."""
    return {"formula": FORMULA, "random": {"doctor": effects}}


def covariate(**value):
    return {"covariates": {"x": value}}


# By kind: what is changed, the key that is named, what was found, what is allowed.
MISTAKES = {
    "seed_negative": ({"seed": -1}, "seed", "found -1", "a number of at least 0"),
    "seed_fraction": ({"seed": 1.5}, "seed", "found 1.5", "a whole number"),
    "seed_truth": ({"seed": True}, "seed", "found true", "a whole number"),
    "levels_one": (
        {"design": {**GOOD["design"], "doctor": 1}},
        "design.doctor",
        "found 1",
        "a number of at least 2",
    ),
    "levels_text": (
        {"design": {**GOOD["design"], "doctor": "six"}},
        "design.doctor",
        "found the text 'six'",
        "a number of levels, or a mapping with `levels` and `within`",
    ),
    "within_unknown": (
        {"design": {**GOOD["design"], "clinic": {"levels": 3, "within": "regoin"}}},
        "design.clinic.within",
        "unknown factor 'regoin' (did you mean 'region'?)",
        "factors of the design: region, clinic, doctor",
    ),
    "within_itself": (
        {"design": {**GOOD["design"], "doctor": {"levels": 3, "within": "doctor"}}},
        "design.doctor.within",
        "the nesting goes in a circle: doctor lies within doctor",
        "one factor is outermost",
    ),
    "labels_reused_without_within": (
        {"design": {**GOOD["design"], "doctor": {"levels": 3, "labels": "reused"}}},
        "design.doctor.labels",
        "labels are reused in a factor that lies within no other",
        "`within` is needed",
    ),
    "too_many_rows": (
        {"design": {**GOOD["design"], "doctor": 9_000_000}},
        "design",
        "the design has 216,000,000 rows",
        "at most 50,000,000 are allowed",
    ),
    "per_cell": ({"per_cell": 0}, "per_cell", "found 0", "a number of at least 1"),
    "fraction_zero": ({"fraction": 0}, "fraction", "found 0", "a number greater than 0"),
    "fraction_above_one": ({"fraction": 1.1}, "fraction", "found 1.1", "a number of at most 1"),
    "distribution_unknown": (
        covariate(distribution="nromal"),
        "covariates.x",
        "unknown distribution 'nromal' (did you mean 'normal'?)",
        "allowed: normal, lognormal, uniform",
    ),
    "distribution_missing": (
        covariate(mean=0),
        "covariates.x",
        "found a mapping",
        "a mapping with `distribution`",
    ),
    "distribution_parameter": (
        covariate(distribution="normal", rate=2),
        "covariates.x.rate",
        "unknown key",
        "allowed keys here: per, distribution, mean, sd",
    ),
    "normal_sd": (
        covariate(distribution="normal", sd=-1),
        "covariates.x.sd",
        "found -1",
        "a number greater than 0",
    ),
    "uniform_order": (
        covariate(distribution="uniform", low=3, high=1),
        "covariates.x",
        "low is 3 and high is 1",
        "low must be less than high",
    ),
    "poisson_mean": (
        covariate(distribution="poisson"),
        "covariates.x.mean",
        "missing",
        "the key `mean` is needed here",
    ),
    "bernoulli_probability": (
        covariate(distribution="bernoulli", probability=1),
        "covariates.x.probability",
        "found 1",
        "a number less than 1",
    ),
    "categorical_level_twice": (
        covariate(distribution="categorical", levels=["a", "a"]),
        "covariates.x",
        "the level 'a' stands twice",
        "each level is named once",
    ),
    "categorical_count": (
        covariate(distribution="categorical", levels=["a", "b"], probabilities=[1.0]),
        "covariates.x",
        "1 probabilities for 2 levels",
        "give one per level",
    ),
    "categorical_sum": (
        covariate(distribution="categorical", levels=["a", "b"], probabilities=[0.5, 0.6]),
        "covariates.x",
        "the probabilities sum to 1.1",
        "they must sum to 1",
    ),
    "sequence_step": (
        covariate(distribution="sequence", step=0),
        "covariates.x",
        "step is 0",
        "give another step",
    ),
    "sequence_per": (
        covariate(distribution="sequence", per="region"),
        "covariates.x",
        "`per` is given, but a sequence counts the rows of a cell",
        "remove `per`",
    ),
    "per_unknown": (
        covariate(distribution="normal", per="clinics"),
        "covariates.x.per",
        "unknown factor 'clinics' (did you mean 'clinic'?)",
        "factors of the design",
    ),
    "covariate_is_factor": (
        {"covariates": {**GOOD["covariates"], "region": {"distribution": "normal"}}},
        "covariates.region",
        "'region' is a factor of the design already",
        "another name",
    ),
    "formula": (
        {"formula": "y ~ x + (1 | region"},
        "formula",
        "the '(' that is opened here is never closed",
        "a formula as in lme4",
    ),
    "formula_column": (
        {"formula": "y ~ x + (1 | region) + (1 | docter)"},
        "formula",
        "the design has no column 'docter' (did you mean 'doctor'?)",
        "factors and covariates: region, clinic, doctor, x",
    ),
    "response_is_expression": (
        {"formula": "log(y) ~ x + (x | doctor)"},
        "formula",
        "the response is 'log(y)'",
        "the name of a new column",
    ),
    "response_is_factor": (
        {"formula": "region ~ x + (x | doctor)"},
        "formula",
        "the response is 'region'",
        "the name of a new column",
    ),
    "fixed_missing": (
        {"fixed": {"(Intercept)": 1}},
        "fixed",
        "no value for x",
        "every fixed effect of the formula needs one",
    ),
    "fixed_unknown": (
        {"fixed": {**FIXED, "(Intercpt)": 1}},
        "fixed.(Intercpt)",
        "the formula has no fixed effect '(Intercpt)' (did you mean '(Intercept)'?)",
        "fixed effects: (Intercept), x",
    ),
    "fixed_text": (
        {"fixed": {**FIXED, "x": "one"}},
        "fixed.x",
        "found the text 'one'",
        "a number is allowed here",
    ),
    "random_missing": (
        {"random": {k: v for k, v in GOOD["random"].items() if k != "doctor"}},
        "random",
        "no standard deviations for doctor",
        "every grouping factor of the formula needs them",
    ),
    "random_unknown": (
        {"random": {**GOOD["random"], "docter": {"sd": [1]}}},
        "random.docter",
        "the formula has no grouping factor 'docter' (did you mean 'doctor'?)",
        "grouping factors: clinic:region",
    ),
    "random_twice": (
        {"random": {**GOOD["random"], "clinic:region": {"sd": [1]}}},
        "random.clinic:region",
        "'region:clinic' is the same grouping factor",
        "each is allowed once",
    ),
    "sd_negative": (doctor(sd=[5, -1]), "random.doctor.sd[2]", "found -1", "at least 0"),
    "sd_infinite": (doctor(sd=[5, float("inf")]), "random.doctor.sd[2]", "found inf", "a finite"),
    "sd_count": (
        doctor(sd=[5]),
        "random.doctor.sd",
        "found 1 numbers",
        "2 are needed, for (Intercept), x",
    ),
    "correlation_size": (
        doctor(sd=[5, 1], correlation=[[1, 0.2]]),
        "random.doctor.correlation",
        "found 1 rows of 2 numbers",
        "2 rows of 2 are needed, one per sd",
    ),
    "correlation_diagonal": (
        doctor(sd=[5, 1], correlation=[[2, 0.2], [0.2, 1]]),
        "random.doctor.correlation",
        "found 2 in row 1, column 1",
        "the diagonal is 1",
    ),
    "correlation_asymmetric": (
        doctor(sd=[5, 1], correlation=[[1, 0.2], [0.3, 1]]),
        "random.doctor.correlation",
        "found 0.3 in row 2, column 1, but 0.2 across the diagonal",
        "a correlation matrix is symmetric",
    ),
    "correlation_range": (
        doctor(sd=[5, 1], correlation=[[1, 1.2], [1.2, 1]]),
        "random.doctor.correlation",
        "found 1.2 in row 2, column 1",
        "-1 to 1 is allowed",
    ),
    "correlation_not_positive_definite": (
        {
            "formula": "y ~ x + (x + I(x^2) | doctor)",
            "random": {
                "doctor": {"sd": [1, 1, 1], "correlation": [[1, 1, 0], [1, 1, 1], [0, 1, 1]]}
            },
        },
        "random.doctor.correlation",
        "the matrix is not positive definite (smallest eigenvalue -0.414)",
        "the correlations must be possible together",
    ),
    "correlation_kept_apart": (
        {
            "formula": "y ~ x + (x || doctor)",
            "random": {"doctor": {"sd": [1, 1], "correlation": [[1, 0.5], [0.5, 1]]}},
        },
        "random.doctor.correlation",
        "a correlation between effects that the formula keeps apart",
        "0 is allowed there",
    ),
    "residual_sd": ({"residual_sd": 0}, "residual_sd", "found 0", "a number greater than 0"),
    "replicates_zero": ({"replicates": 0}, "replicates", "found 0", "a number of at least 1"),
    "replicates_many": (
        {"replicates": 100},
        "replicates",
        "found 100",
        "only 1 is allowed so far: simulation studies of several data sets are not offered yet",
    ),
}


def content(changes, **rest):
    models = {"m1": "y ~ 1 + (1 | doctor)"}
    analysis = {"data": {"simulate": {**GOOD, **changes}}, "models": models, **rest}
    return yaml.safe_dump(analysis, sort_keys=False)


def test_the_block_without_mistakes(tmp_path):
    simulation = load_analysis(write(tmp_path, content({}))).data.simulate
    assert simulation.factors["clinic"].within == "region"
    assert simulation.factors["doctor"].levels == 6


@pytest.mark.parametrize(
    ("changes", "key", "found", "allowed"), MISTAKES.values(), ids=MISTAKES.keys()
)
def test_a_mistake_is_told_with_key_and_what_is_allowed(tmp_path, changes, key, found, allowed):
    (problem,) = problems(tmp_path, content(changes))
    head, _, tail = problem.partition(f" data.simulate.{key}: {found}")
    assert head.startswith("trial.yaml:")
    assert allowed in tail


def test_a_circle_of_nesting_is_told_for_each_factor_in_it(tmp_path):
    design = {
        "region": {"levels": 2, "within": "clinic"},
        "clinic": {"levels": 3, "within": "region"},
        "doctor": 6,
    }
    first, second = problems(tmp_path, content({"design": design}))
    assert "region lies within clinic and clinic lies within region" in first
    assert "clinic lies within region and region lies within clinic" in second


def test_a_semidefinite_correlation_is_allowed(tmp_path):
    perfect = doctor(sd=[5, 1], correlation=[[1, 1], [1, 1]])
    loaded = load_analysis(write(tmp_path, content(perfect)))
    assert loaded.data.simulate.random["doctor"].sd == (5, 1)


def test_columns_of_the_candidates_must_be_simulated(tmp_path):
    text = content(
        {},
        weights="w",
        models={
            "m1": "y ~ z + (1 | doctor)",
            "m2": {"formula": "y ~ x2 + (1 | doctor)", "offset": "docter"},
        },
    )
    text = text.replace("data:\n", "data:\n  derive: {x2: x / q, x3: x2}\n  where: xx > 0\n")
    found = problems(tmp_path, text)
    names = [problem.partition("have no column ")[2].partition(";")[0] for problem in found]
    assert sorted(names) == [
        "'docter' (did you mean 'doctor'?)",
        "'q'",
        "'w'",
        "'xx' (did you mean 'x'?)",
        "'z'",
    ]


def test_a_mistake_elsewhere_does_not_hide_those_of_the_block(tmp_path):
    text = content(doctor(sd=[5]), df="exact", comparisons=[["m1", "m9"]])
    assert len(problems(tmp_path, text)) == 3
