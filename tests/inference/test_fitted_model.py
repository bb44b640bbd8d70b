"""The fitted model owns what its questions share: each once, and none that is stale."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mmfit
from mmfit.engine import fit_both
from mmfit.inference import anova, conditional_aic, diagnose, influence, tidy
from mmfit.inference.fitted_model import FittedModel, ModelSystem
from mmfit.selection.records import Candidate
from tests.reference_cases import data, fits, matrices


@pytest.fixture
def model():
    return FittedModel(fits("sleep_slope")["REML"], matrices("sleep_slope"))


def test_each_quantity_is_computed_once(model, monkeypatch):
    prepared, whole, known = model.prepared, model.system.with_rows, model.precision()
    for name in ("prepare", "build_system"):
        monkeypatch.setattr(f"mmfit.inference.fitted_model.{name}", None)
    for ask in (tidy, anova, diagnose, influence, conditional_aic):
        ask(model)
    assert model.prepared is prepared
    assert model.system.with_rows is whole
    assert model.precision("satterthwaite") is known


def test_fits_by_both_criteria_share_what_the_matrices_tell(model):
    other = model.with_fit(fits("sleep_slope")["ML"])
    assert other.prepared is model.prepared
    assert other.precision() is not model.precision()
    assert (other.fit.criterion, model.fit.criterion) == ("ML", "REML")


def test_a_refit_prepares_nothing_anew(monkeypatch):
    fit = mmfit.lmer("Reaction ~ Days + (Days | Subject)", data("sleepstudy"))
    expected = fit.refit(reml=False).record
    again = mmfit.lmer("Reaction ~ Days + (Days | Subject)", data("sleepstudy"))
    prepared = again.model.prepared
    monkeypatch.setattr("mmfit.engine.fit.prepare", None)
    other = again.refit(reml=False)
    assert other.model.prepared is prepared
    np.testing.assert_array_equal(other.record.theta, expected.theta)
    assert other.record.objective == expected.objective


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_a_copy_holds_the_fit_and_the_matrices_alone(model, again):
    table = tidy(model, df="kenward-roger")
    conditional_aic(model)
    other = again(model)
    assert vars(other).keys() == {"fit", "matrices", "system", "_precisions"}
    assert vars(other.system).keys() == {"matrices"}
    pd.testing.assert_frame_equal(tidy(other, df="kenward-roger"), table)


def test_an_unknown_method_is_refused_each_time(model):
    for _ in range(2):
        with pytest.raises(mmfit.MmfitError, match="df='z' is not known"):
            model.precision("z")
        with pytest.raises(mmfit.MmfitError, match="by REML"):
            model.with_fit(fits("sleep_slope")["ML"]).precision("kenward-roger")


def test_a_candidate_has_one_model_for_each_criterion():
    m = matrices("pastes")
    candidate = Candidate("pastes", m, fit_both(m))
    assert candidate.model("ML") is candidate.model("ML")
    assert candidate.reported_model is candidate.model("REML")
    assert candidate.model("ML").system is candidate.model("REML").system is candidate.system
    with pytest.raises(mmfit.MmfitError, match="has no X fit"):
        candidate.model("X")


def test_a_changed_candidate_forgets_what_it_had():
    m = matrices("pastes")
    candidate = Candidate("pastes", m, fit_both(m), ModelSystem(m))
    old = candidate.model("ML")
    fitted = replace(candidate, fits={"ML": replace(old.fit, sigma=1.0)})
    assert fitted.model("ML").fit.sigma == 1.0
    assert fitted.system is candidate.system
    other = replace(candidate, matrices=matrices("dyestuff"))
    assert other.system.matrices is other.matrices is other.model("ML").matrices
