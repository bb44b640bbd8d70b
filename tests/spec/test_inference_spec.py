"""What an analysis asks for: defaults, short and long forms, searches."""

import pytest

from mmfit.selection.records import METHODS
from mmfit.selection.search.search import CRITERIA, SEARCHES
from mmfit.selection.search.stability import METHODS as STABILITY_METHODS
from mmfit.spec import (
    NULL_DISTRIBUTIONS,
    BootstrapSpec,
    InferenceSpec,
    Scope,
    StabilitySpec,
    load_analysis,
    search,
)
from tests.spec.files import DATA, MODELS, write

SEARCH = DATA + "selection: {search: backward, scope: y ~ x + z + (x | g)}\n"


def loaded(folder, content):
    return load_analysis(write(folder, content))


def test_what_is_not_said_has_its_default(tmp_path):
    analysis = loaded(tmp_path, DATA + MODELS)
    assert analysis.null_distribution == "auto"
    assert analysis.pair_methods == {}
    assert analysis.bootstrap == BootstrapSpec(replicates=999, seed=1, chunks=1, stop=True)
    assert analysis.inference == InferenceSpec(
        level=0.95,
        intervals=("profile",),
        term_tests=True,
        random_term_tests=True,
        measures=True,
        means="all",
        adjust="tukey",
        slopes={},
        influence=True,
        diagnosis=True,
        predictions=None,
    )
    selection = analysis.selection
    assert (selection.search, selection.scope, selection.criterion) == (None, None, None)
    assert selection.stability is None
    assert analysis.candidate_names == ("m1", "m2")
    assert analysis.scope_model is None


def test_everything_that_can_be_said(tmp_path):
    analysis = loaded(
        tmp_path,
        DATA
        + """\
models: {m1: y ~ x + (1 | g), m2: "y ~ x + a + (x | g)", m3: y ~ a + b + (1 | g)}
null_distribution: chibar2
comparisons:
  - [m1, m2]
  - {null: m1, alternative: m3, null_distribution: bootstrap}
  - {null: m3, alternative: m2}
bootstrap: {replicates: 199, seed: 7, chunks: 4, stop: false}
inference:
  level: 0.9
  intervals: [bootstrap, wald]
  term_tests: false
  random_term_tests: false
  measures: false
  means: [a, "a:b", "a | b"]
  adjust: holm
  slopes: {x: a, b: [], a: [x, b]}
  influence: false
  diagnosis: false
  predictions: {file: new.csv, interval: confidence, random_effects: false}
selection: {stability: {samples: 20, method: cluster, seed: 3}}
df: kenward-roger
""",
    )
    assert analysis.comparisons == (("m1", "m2"), ("m1", "m3"), ("m3", "m2"))
    assert analysis.pair_methods == {("m1", "m3"): "bootstrap"}
    assert analysis.bootstrap == BootstrapSpec(replicates=199, seed=7, chunks=4, stop=False)
    asked = analysis.inference
    assert (asked.level, asked.intervals, asked.adjust) == (0.9, ("bootstrap", "wald"), "holm")
    assert asked.means == ("a", "a:b", "a | b")
    assert asked.slopes == {"x": ("a",), "b": (), "a": ("x", "b")}
    told = asked.term_tests, asked.random_term_tests, asked.measures, asked.influence
    assert (*told, asked.diagnosis) == (False,) * 5
    predictions = asked.predictions
    assert (predictions.file, predictions.interval) == ("new.csv", "confidence")
    assert predictions.random_effects is False
    stability = StabilitySpec(samples=20, method="cluster", seed=3)
    assert analysis.selection.stability == stability


def test_a_search_needs_no_models_and_adds_one(tmp_path):
    analysis = loaded(tmp_path, SEARCH + "weights: w\ncontrasts: {z: sum}\n")
    assert analysis.models == {}
    assert analysis.selection.scope == Scope(maximal="y ~ x + z + (x | g)", minimal=None)
    assert analysis.candidate_names == ("selected",)
    assert list(analysis.specs) == ["selection.scope"]
    assert analysis.scope_model.variables == ("y", "x", "z", "g", "w")
    ended = analysis.with_selected("y ~ z + (1 | g)")
    assert list(ended.models) == ["selected"]
    assert ended.models["selected"].formula == "y ~ z + (1 | g)"
    assert ended.models["selected"].weights == "w"
    assert ended.models["selected"].contrasts == {"z": "sum"}


def test_a_search_stands_beside_models(tmp_path):
    analysis = loaded(tmp_path, SEARCH + MODELS)
    assert analysis.candidate_names == ("m1", "m2", "selected")
    assert list(analysis.specs) == ["models.m1", "models.m2", "selection.scope"]


def test_models_of_several_responses_stand_beside_a_search_of_one(tmp_path):
    models = "models: {m1: y ~ x + (1 | g), m2: log(y) ~ x + (1 | g)}\n"
    analysis = loaded(tmp_path, SEARCH + models)
    assert analysis.candidate_names == ("m1", "m2", "selected")


def test_a_minimal_model_is_kept(tmp_path):
    scope = "{maximal: y ~ x + z + (x | g), minimal: y ~ x}"
    analysis = loaded(tmp_path, DATA + f"selection: {{search: forward, scope: {scope}}}\n")
    assert analysis.selection.scope == Scope(maximal="y ~ x + z + (x | g)", minimal="y ~ x")


@pytest.mark.parametrize(
    ("said", "criterion"),
    [
        ("search: backward", "lrt"),
        ("search: forward", "lrt"),
        ("search: exhaustive", "aic"),
        ("search: exhaustive, criterion: caic", "caic"),
        ("search: forward, criterion: bic", "bic"),
    ],
)
def test_the_criterion_goes_with_the_search(tmp_path, said, criterion):
    content = DATA + f"selection: {{{said}, scope: y ~ x + (x | g)}}\n"
    assert loaded(tmp_path, content).selection.criterion == criterion


def test_a_model_may_be_called_selected_where_nothing_is_searched(tmp_path):
    analysis = loaded(tmp_path, DATA + "models: {selected: y ~ x + (1 | g)}\n")
    assert analysis.candidate_names == ("selected",)


def test_the_words_are_those_of_the_computation():
    assert NULL_DISTRIBUTIONS == METHODS
    assert search.SEARCHES == SEARCHES
    assert search.CRITERIA == CRITERIA
    assert search.STABILITY_METHODS == STABILITY_METHODS
