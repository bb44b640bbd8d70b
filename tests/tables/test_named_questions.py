"""What an analysis asks for by name: a mistake where every model refuses it, else a note."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mmfit import inference
from mmfit.engine import fit_both
from mmfit.errors import ComputationError, DataError, MmfitError
from mmfit.formula import build_matrices
from mmfit.selection import Candidate
from mmfit.spec import BootstrapSpec, PredictionSpec
from mmfit.tables.inference_pieces import Wanted
from mmfit.tables.inference_tables import inference_tables
from tests.tables.test_inference_tables import NOTHING, write_inference

FORMULAS = {"plain": "y ~ x + (1 | g)", "factors": "y ~ x + a + b + (1 | g)", "none": "y ~ a"}


@pytest.fixture(scope="module")
def candidates():
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(8), 6)
    y, x = rng.normal(size=(2, 48)) + rng.normal(size=8)[g]
    columns = {"y": y, "x": x, "a": np.tile(["p", "q", "r"], 16), "b": np.tile(["s", "t"], 24)}
    frame = pd.DataFrame(columns | {"g": [f"g{k}" for k in g]})
    made = {name: build_matrices(formula, frame) for name, formula in FORMULAS.items()}
    return [Candidate(name, matrices, fit_both(matrices)) for name, matrices in made.items()]


@pytest.fixture
def wanted():
    return Wanted(NOTHING, BootstrapSpec(), "satterthwaite")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"means": ("a", "x")}, "inference.means: means by x: no model .* x is a covariate"),
        (
            {"slopes": {"a": ()}},
            "inference.slopes: slope of a: .* plain: 'a' is not .*; factors: a",
        ),
        ({"slopes": {"a": ("b",)}}, "inference.slopes: slope of a by b: no model"),
        (
            {"predictions": PredictionSpec(file="new.csv")},
            "inference.predictions: new.csv: .* plain: there is no column 'x'; .*; none: .* 'a'",
        ),
    ],
)
def test_what_no_model_can_answer_is_a_mistake(candidates, wanted, tmp_path, asked, message):
    rows = pd.DataFrame({"g": ["g1"]}, index=[1])
    inference_asked = NOTHING.model_copy(update=asked)
    with pytest.raises(DataError, match=f"^{message}") as caught:
        write_inference(
            tmp_path, candidates, replace(wanted, inference=inference_asked, new_rows=rows)
        )
    assert str(caught.value).count("\n") == 0
    assert not any(tmp_path.iterdir())


def test_every_mistake_is_told_before_anything_takes_long(candidates, wanted, monkeypatch):
    def never(*_, **__):
        raise AssertionError("computed before the mistakes were told")

    monkeypatch.setattr(inference, "profile_likelihood", never, raising=False)
    asked = NOTHING.model_copy(
        update={"intervals": ("profile",), "means": ("x",), "slopes": {"x": (), "b": ()}}
    )
    with pytest.raises(DataError) as caught:
        inference_tables(candidates, replace(wanted, inference=asked))
    told = [line.split(": no model")[0] for line in str(caught.value).split("\n")]
    assert told == ["inference.means: means by x", "inference.slopes: slope of b"]


def test_means_without_their_differences_are_an_answer(candidates, wanted, monkeypatch):
    def nothing(*_, **__):
        raise MmfitError("there is nothing to compare")

    monkeypatch.setattr(inference, "contrasts", nothing, raising=False)
    asked = NOTHING.model_copy(update={"means": ("a",)})
    found = inference_tables(candidates, replace(wanted, inference=asked))
    assert len(found["means"])
    assert not len(found["contrasts"])


def test_what_a_search_has_dropped_is_no_mistake(candidates, wanted):
    selected = replace(candidates[0], name="selected")
    asked = NOTHING.model_copy(update={"means": ("a",), "slopes": {"x": ("b",)}})
    found = inference_tables([selected], replace(wanted, inference=asked, searched=True))
    assert found["inference_notes"]["table"].tolist() == ["means", "contrasts", "slopes"]
    with pytest.raises(DataError, match=r"inference\.means.*\ninference\.slopes"):
        inference_tables([selected], replace(wanted, inference=asked))
    asked = asked.model_copy(update={"means": ("x",)})
    with pytest.raises(DataError, match="x is a covariate"):
        inference_tables([selected], replace(wanted, inference=asked, searched=True))


def test_a_computation_that_failed_is_no_mistake(candidates, wanted, monkeypatch):
    def failing(*_, **__):
        raise ComputationError("went astray")

    monkeypatch.setattr(inference, "slopes", failing, raising=False)
    asked = NOTHING.model_copy(update={"slopes": {"x": ()}})
    found = inference_tables(candidates, replace(wanted, inference=asked))
    assert set(found["inference_notes"]["text"]) == {"slope of x: went astray"}
