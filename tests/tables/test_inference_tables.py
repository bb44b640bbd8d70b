"""The tables of the inference: what the functions give, all models, refusals as notes."""

import csv
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mmfit import inference
from mmfit.engine import fit_both
from mmfit.errors import DataError
from mmfit.formula import build_matrices, parse
from mmfit.inference.fitted_model import FittedModel
from mmfit.selection import Candidate, NullSettings, ranova
from mmfit.spec import BootstrapSpec, InferenceSpec, PredictionSpec
from mmfit.tables.frames import empty_tables, read_tables, write_tables
from mmfit.tables.inference_pieces import Wanted
from mmfit.tables.inference_tables import inference_tables
from mmfit.tables.schema import TABLES, tables_of

FORMULAS = {
    "plain": "y ~ x + (1 | g)",
    "factors": "y ~ x * a + b + a:b + (x | g)",
    "none": "y ~ a",
}
ALL = InferenceSpec(
    intervals=("profile", "wald", "bootstrap"),
    level=0.9,
    means=("a", "a:b"),
    slopes={"x": ("a",)},
    predictions=PredictionSpec(file="new.csv"),
)
NOTHING = InferenceSpec(
    intervals=(),
    term_tests=False,
    random_term_tests=False,
    measures=False,
    means=(),
    influence=False,
    diagnosis=False,
)


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(3)
    rows = 144
    g = np.repeat(np.arange(12), 12)
    x = rng.normal(size=rows)
    a, b = np.tile(["p", "q", "r"], rows // 3), np.repeat(np.tile(["s", "t"], 24), 3)
    slope = rng.normal(size=(12, 2)) * (2, 1)
    y = 5 + x * (1 + slope[g, 1]) + slope[g, 0] + (a == "q") + rng.normal(size=rows)
    labels = pd.Categorical.from_codes(g, [f"g{i}" for i in range(12)])
    return pd.DataFrame({"y": y, "x": x, "a": a, "b": b, "g": labels})


@pytest.fixture(scope="module")
def candidates(frame):
    made = []
    for name, formula in FORMULAS.items():
        matrices = build_matrices(parse(formula), frame)
        made.append(Candidate(name, matrices, fit_both(matrices)))
    return tuple(made)


@pytest.fixture(scope="module")
def wanted(frame):
    rows = frame.iloc[[0, 20, 40, 60]].drop(columns="y").reset_index(drop=True)
    rows.index += 1
    rows["g"] = rows["g"].astype(object)
    rows.loc[2, "g"] = "unseen"
    rows.loc[3, "x"] = np.nan
    return Wanted(ALL, BootstrapSpec(replicates=39, seed=5), "satterthwaite", rows)


@pytest.fixture(scope="module")
def tables(candidates, wanted):
    return inference_tables(candidates, wanted)


def of(tables, name, model):
    table = tables[name]
    return table[table["model"] == model].drop(columns="model").reset_index(drop=True)


def same(found, expected, columns):
    """The columns of two tables, to the last bit."""
    for column in columns.split():
        left, right = (pd.Series(list(table[column])) for table in (found, expected))
        pd.testing.assert_series_equal(left, right, check_dtype=False, check_exact=True)


INFERENCE = [table.name for table in tables_of("inference")]


def write_inference(folder, candidates, wanted):
    write_tables(folder, "inference", inference_tables(candidates, wanted))


def test_every_table_is_there_with_its_columns(tables):
    assert list(tables) == INFERENCE
    for name, table in tables.items():
        assert list(table) == list(TABLES[name].header)


def test_rows_stand_in_the_order_of_the_models(tables):
    for name in ("intervals", "term_tests", "measures", "means", "diagnosis", "predictions"):
        found = list(dict.fromkeys(tables[name]["model"]))
        assert found == [model for model in FORMULAS if model in found]


def test_intervals_by_each_method(tables, candidates):
    fits, matrices = candidates[0].fits, candidates[0].matrices
    found = of(tables, "intervals", "plain")
    assert list(dict.fromkeys(found["method"])) == ["profile", "wald", "bootstrap"]
    assert set(found["level"]) == {0.9}
    parts = {method: part.reset_index(drop=True) for method, part in found.groupby("method")}
    profile = inference.profile_likelihood(FittedModel(fits["ML"], matrices), level=0.99)
    same(parts["profile"], profile.interval(0.9), "parameter estimate conf_low conf_high")
    tidy = inference.tidy(candidates[0].reported_model, level=0.9)
    same(parts["wald"], tidy.rename(columns={"term": "parameter"}), "parameter conf_low conf_high")
    bootstrap = inference.confint(
        FittedModel(fits["REML"], matrices), method="bootstrap", level=0.9, replicates=39, seed=5
    )
    same(parts["bootstrap"], bootstrap, "parameter conf_low conf_high")
    known = {"sigma": fits["REML"].sigma} | dict(
        zip(fits["REML"].fixed_names, fits["REML"].fixef, strict=True)
    )
    estimates = parts["bootstrap"].set_index("parameter")["estimate"]
    assert {name: estimates[name] for name in known} == known
    same(of(tables, "profiles", "plain"), profile.curves, "parameter value zeta deviance_increase")


def test_term_tests_and_random_term_tests(tables, candidates):
    candidate = candidates[1]
    fit, matrices = candidate.fits["REML"], candidate.matrices
    expected = inference.drop1(FittedModel(fit, matrices))
    same(of(tables, "term_tests", "factors"), expected, "term sum_sq num_df den_df p_value")
    assert expected["term"].tolist() == ["x:a", "a:b"]
    found = of(tables, "random_term_tests", "factors")
    own = NullSettings(replicates=39)
    expected = ranova(FittedModel(fit, matrices), own).astype({"npar": float, "df": float})
    same(found, expected, "term npar log_lik aic chisq df p_value p_value_chi2 p_value_boundary")
    assert not len(of(tables, "random_term_tests", "none"))


def test_measures(tables, candidates):
    candidate = candidates[1]
    found = of(tables, "measures", "factors")
    fits, matrices = candidate.fits, candidate.matrices
    r_squared = inference.r_squared(FittedModel(fits["REML"], matrices))
    icc = inference.icc(FittedModel(fits["REML"], matrices))
    caic = inference.conditional_aic(FittedModel(fits["ML"], matrices))
    expected = {
        "r2_marginal": r_squared.marginal,
        "r2_conditional": r_squared.conditional,
        "icc_adjusted": icc.adjusted,
        "icc_unadjusted": icc.unadjusted,
        "icc": icc.by_group["g"],
        "caic": caic.caic,
        "caic_df": caic.df,
        "caic_log_lik": caic.log_lik,
    }
    assert dict(zip(found["measure"], found["value"], strict=True)) == expected
    assert dict(zip(found["measure"], found["group"], strict=True))["icc"] == "g"


def test_means_contrasts_and_slopes(tables, candidates):
    fit, matrices = candidates[1].fits["REML"], candidates[1].matrices
    means = of(tables, "means", "factors")
    cells = means[means["factor"] == "a:b"]
    assert cells["level"].tolist() == ["p:s", "q:s", "r:s", "p:t", "q:t", "r:t"]
    expected = inference.means(FittedModel(fit, matrices), "a:b", level=0.9)
    same(cells, expected, "estimate std_error df conf_low conf_high")
    contrasts = of(tables, "contrasts", "factors")
    assert set(contrasts["adjust"]) == {"tukey"}
    first = contrasts[contrasts["factor"] == "a"]
    assert first["contrast"].tolist() == ["p - q", "p - r", "q - r"]
    expected = inference.contrasts(FittedModel(fit, matrices), "a", adjust="tukey", level=0.9)
    same(first, expected, "estimate std_error df statistic p_value conf_low conf_high")
    slopes = of(tables, "slopes", "factors")
    assert slopes["by"].tolist() == ["a"] * 3
    assert slopes["level"].tolist() == ["p", "q", "r"]
    expected = inference.slopes(FittedModel(fit, matrices), "x", "a", level=0.9)
    same(slopes, expected, "estimate std_error df statistic p_value conf_low conf_high")


def test_means_within_the_levels_of_another_factor(candidates, wanted):
    asked = NOTHING.model_copy(update={"means": ("a | b",)})
    found = inference_tables(candidates[1:2], replace(wanted, inference=asked))
    fit, matrices = candidates[1].fits["REML"], candidates[1].matrices
    means, contrasts = found["means"], found["contrasts"]
    assert set(means["factor"]) == set(contrasts["factor"]) == {"a | b"}
    assert means["level"].tolist() == ["p:s", "q:s", "r:s", "p:t", "q:t", "r:t"]
    expected = inference.means(FittedModel(fit, matrices), "a | b")
    same(means, expected, "estimate std_error df conf_low conf_high")
    within = [f"{pair} ({b})" for b in "st" for pair in ("p - q", "p - r", "q - r")]
    assert contrasts["contrast"].tolist() == within
    expected = inference.contrasts(FittedModel(fit, matrices), "a | b")
    same(contrasts, expected, "estimate std_error df statistic p_value conf_low conf_high")


def test_all_factors_of_the_fixed_part_have_means_unless_others_are_asked_for(candidates, wanted):
    asked = NOTHING.model_copy(update={"means": "all"})
    found = inference_tables(candidates, replace(wanted, inference=asked))
    factors = found["means"].groupby("model", sort=False)["factor"].unique()
    assert {model: list(names) for model, names in factors.items()} == {
        "factors": ["a", "b"],
        "none": ["a"],
    }
    assert not found["inference_notes"]["text"].str.contains("not a column").any()


def test_an_overall_slope_has_no_level(candidates, wanted):
    asked = NOTHING.model_copy(update={"slopes": {"x": ()}})
    found = inference_tables(candidates[:1], replace(wanted, inference=asked))["slopes"]
    assert found[["by", "level"]].to_numpy().tolist() == [[None, None]]
    assert found["estimate"][0] == pytest.approx(candidates[0].fits["REML"].fixef[1], rel=1e-9)


def test_influence_has_a_row_per_level_and_fixed_effect(tables, candidates):
    fit = candidates[0].fits["REML"]
    found = of(tables, "influence", "plain")
    assert len(found) == 12 * 2
    assert found["term"].tolist() == list(fit.fixed_names) * 12
    expected = inference.influence(FittedModel(fit, candidates[0].matrices))
    same(found, expected.coefficients, "group level term estimate_without change change_se")
    distance = expected.groups.set_index("level")["cooks_distance"]
    assert found["cooks_distance"].tolist() == distance[found["level"]].tolist()


def test_predictions_keep_the_rows_of_the_file(tables, candidates, wanted):
    found = of(tables, "predictions", "plain")
    assert found["row"].tolist() == [1, 2, 3, 4]
    assert found["estimate"].isna().tolist() == [False, False, True, False]
    fit, matrices = candidates[0].fits["REML"], candidates[0].matrices
    complete = wanted.new_rows.drop(index=3)
    expected = inference.predict(
        FittedModel(fit, matrices), complete, interval="prediction", level=0.9
    )
    same(found.drop(index=2), expected, "estimate std_error df conf_low conf_high")
    # The level that the fit has not seen is predicted by the fixed effects.
    fixed = fit.fixef @ (1, complete.loc[2, "x"])
    assert found["estimate"][1] == pytest.approx(fixed, rel=1e-12)
    notes = of(tables, "inference_notes", "plain")
    said = notes.loc[notes["table"] == "predictions", "text"].tolist()
    unseen, absent = said
    assert unseen.startswith("predictions: 1 row has a level of g that the fit did not see")
    assert absent == "predictions: 1 of 4 rows lack a variable of the model and have no prediction."
    # The model without x has every row.
    assert of(tables, "predictions", "none")["estimate"].notna().all()


def test_rows_that_lack_what_varies_or_weighs_are_left_out(frame, wanted):
    """A slope's covariate, the weights and the offset count as variables of the model."""
    data = frame.assign(w=1.0 + (frame["x"] > 0), o=0.5)
    matrices = build_matrices("y ~ a + (x | g)", data, weights="w", offset="o")
    candidate = Candidate("slope", matrices, fit_both(matrices))
    rows = data.iloc[:5].drop(columns="y").set_axis(range(1, 6))
    rows.loc[2, "x"], rows.loc[3, "w"], rows.loc[4, "o"] = np.nan, np.nan, np.nan
    rows["g"] = rows["g"].where(rows.index != 5)
    for effects, missing in ((True, [2, 3, 4, 5]), (False, [2, 3, 4])):
        spec = PredictionSpec(file="new.csv", random_effects=effects)
        asked = NOTHING.model_copy(update={"predictions": spec})
        made = inference_tables([candidate], replace(wanted, inference=asked, new_rows=rows))
        found = made["predictions"]
        assert found.loc[found["estimate"].isna(), "row"].tolist() == missing
    spec = PredictionSpec(file="new.csv", random_effects=False, interval="confidence")
    asked = NOTHING.model_copy(update={"predictions": spec})
    found = inference_tables([candidate], replace(wanted, inference=asked, new_rows=rows))
    missing = found["predictions"]["estimate"].isna()
    # The mean of the population needs the fixed part and the offset.
    assert found["predictions"].loc[missing, "row"].tolist() == [4]


def test_what_cannot_be_computed_is_a_note_and_stops_nothing(tables):
    notes = of(tables, "inference_notes", "plain")
    said = dict(zip(notes["table"], notes["text"], strict=False))
    assert said["means"].startswith("means by a:b: 'a' is not a column of the fixed part")
    assert said["slopes"].startswith("slope of x: 'a' is not a column of the fixed part")
    assert not len(of(tables, "means", "plain"))
    assert len(of(tables, "diagnosis", "plain"))


def test_a_fit_that_did_not_converge_has_no_profile_and_the_others_do(candidates, wanted):
    first = candidates[0]
    failed = replace(first.fits["ML"].optimizer, converged=False, message="went astray")
    fits = {**first.fits, "ML": replace(first.fits["ML"], optimizer=failed)}
    asked = NOTHING.model_copy(update={"intervals": ("profile", "wald")})
    found = inference_tables(
        [replace(first, fits=fits), candidates[1]], replace(wanted, inference=asked)
    )
    assert set(of(found, "intervals", "plain")["method"]) == {"wald"}
    assert set(of(found, "intervals", "factors")["method"]) == {"profile", "wald"}
    (note,) = of(found, "inference_notes", "plain").to_dict("records")
    assert note["table"] == "intervals"
    assert note["text"].startswith("profile intervals: ")


def test_nothing_asked_for_leaves_headers(candidates, wanted, tmp_path):
    asked = replace(wanted, inference=NOTHING)
    write_inference(tmp_path, candidates, asked)
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(INFERENCE)
    for name in INFERENCE:
        header = ",".join(TABLES[name].header)
        assert (tmp_path / f"{name}.csv").read_text() == header + "\n"


def test_tables_come_back_to_the_last_bit(tables, candidates, wanted, tmp_path):
    write_inference(tmp_path, candidates, wanted)
    found = read_tables(tmp_path, INFERENCE)
    assert list(found) == INFERENCE
    for name, table in tables.items():
        assert len(table)
        pd.testing.assert_frame_equal(found[name], table, check_exact=True)


def test_whole_numbers_are_written_as_such(candidates, wanted, tmp_path):
    write_inference(tmp_path, candidates, wanted)
    with open(tmp_path / "random_term_tests.csv", newline="") as file:
        rows = [*csv.DictReader(file)]
    assert {row["npar"] for row in rows} <= {str(number) for number in range(20)}
    assert {row["df"] for row in rows} == {"", "1", "2"}


def test_a_failure_leaves_no_file(candidates, wanted, tmp_path, monkeypatch):
    monkeypatch.setattr(inference, "influence", lambda *_: 1 / 0, raising=False)
    with pytest.raises(ZeroDivisionError):
        write_inference(tmp_path, candidates, wanted)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("old", "new"), [("model,row", "model,line"), ("plain,1,", "plain,first,"), (",2,", ",")]
)
def test_another_table_is_refused(candidates, wanted, tmp_path, old, new):
    asked = ALL.model_copy(update={"intervals": (), "influence": False})
    write_inference(tmp_path, candidates, replace(wanted, inference=asked))
    path = tmp_path / "predictions.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(DataError, match=r"predictions\.csv: not a table written by this version"):
        read_tables(tmp_path, ("predictions",))


def test_a_report_without_tables_has_them_all_empty():
    tables = empty_tables()
    assert list(tables) == list(TABLES)
    assert {len(table) for table in tables.values()} == {0}
    assert tables["null_distributions"]["holds"].dtype == bool
    assert tables["predictions"]["row"].dtype == np.int64
