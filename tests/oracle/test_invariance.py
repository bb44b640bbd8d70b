"""What must not change a criterion, on random designs as ugly as people's data are.

Each change has a known effect on -2 log (restricted) likelihood: none by ML; by REML that of the
change of X, log|X'WX| of the one less that of the other. A pair is left out where one of the two
fits says itself that it has not converged.
"""

import numpy as np
import pytest

import mmfit
from mmfit.engine.criterion import ML, REML
from mmfit.engine.evaluation import EstimationProblem
from mmfit.engine.solvers import choose_solver
from mmfit.engine.system.whitened_system import build_system
from mmfit.errors import MmfitError
from mmfit.formula import build_matrices
from tests.oracle.designs import Design, accepted

SEEDS = range(1000, 1026)
# Of the criterion, which is some hundreds.
TOLERANCE = 1e-9


def _fit(design: Design, data, formula=None, reml=True, **more):
    return mmfit.lmer(formula or design.formula, data, reml=reml, **(design.given | more))


def _volume(m) -> float:
    """log|X'WX|, which REML takes off."""
    if not m.X.shape[1]:
        return 0.0
    rows = m.X if m.weights is None else m.X * np.sqrt(m.weights)[:, None]
    lengths = np.sqrt((rows**2).sum(axis=0))
    return 2 * np.log(np.abs(np.diag(np.linalg.qr(rows / lengths, "r"))) * lengths).sum()


def _assert_same(one, other, design, what):
    if not (one.converged and other.converged):
        return 0
    more = _volume(other.matrices) - _volume(one.matrices) if one.criterion == "REML" else 0.0
    difference = one.objective + more - other.objective
    size = max(abs(one.objective), abs(other.objective), 100.0)
    assert abs(difference) <= TOLERANCE * size, (design.seed, design.formula, what, difference)
    return 1


def _permuted(design, rng):
    return design.data.sample(frac=1, random_state=int(rng.integers(1 << 31))), design.formula


def _renamed(design, rng):
    data = design.data.copy()
    for name in ("g", "h", "i"):
        labels = np.unique(data[name])
        new = [f"n{k}" for k in rng.permutation(len(labels))]
        data[name] = data[name].map(dict(zip(labels, new, strict=True)))
    return data, design.formula


def _rescaled(design, rng):
    """Other units, where no power or other function of a covariate is in the model."""
    data, factors = design.data.copy(), 10.0 ** rng.integers(-4, 5, 3)
    for name, factor in zip(("x", "z", "u"), factors, strict=True):
        data[name] = data[name] * factor
    return data, design.formula


def _shifted(design, rng):
    """Another origin, where every term in a covariate has its intercept beside it."""
    data = design.data.copy()
    spans = [np.ptp(data[name]) or 1.0 for name in ("x", "z", "u")]
    for name, span, by in zip(("x", "z", "u"), spans, rng.uniform(-20, 20, 3), strict=True):
        data[name] = data[name] + by * span
    return data, design.formula


def _reordered(design, rng):
    """The effects of unstructured terms in the other order."""
    swaps = {
        "(x + z | g)": "(z + x | g)",
        "(x + f | g)": "(f + x | g)",
        "(0 + x + z | g)": "(0 + z + x | g)",
        "(x | g)": "(0 + x + 1 | g)",
    }
    formula = design.formula
    for one, other in swaps.items():
        formula = formula.replace(one, other)
    return design.data, formula


CHANGES = {
    "order of rows": _permuted,
    "names and order of levels": _renamed,
    "scale": _rescaled,
    "origin": _shifted,
    "order of effects": _reordered,
}


def _can_change(design: Design, what: str) -> bool:
    formula = design.formula
    if what == "scale":
        return "I(" not in formula
    if what == "origin":
        return not any(part in formula for part in ("I(", "||", "0 +", "y ~ 0"))
    if what == "order of effects":
        return any(
            part in formula for part in ("(x + z | g)", "(x + f | g)", "(x | g)", "+ z | g)")
        )
    return True


@pytest.mark.parametrize("what", CHANGES)
def test_the_criterion_does_not_depend_on(what):
    compared = 0
    for design, _ in accepted(SEEDS):
        if not _can_change(design, what):
            continue
        rng = np.random.default_rng(design.seed)
        data, formula = CHANGES[what](design, rng)
        for reml in (True, False):
            try:
                one, other = _fit(design, design.data, reml=reml), _fit(design, data, formula, reml)
            except MmfitError:
                continue
            compared += _assert_same(one, other, design, what)
    assert compared > 10


def test_nor_on_contrasts():
    """At the same covariances, those of one fit: a search need not end where another does."""
    compared = 0
    for design, _ in accepted(SEEDS):
        if " f" not in design.formula.split("(")[0]:
            continue
        for reml in (True, False):
            try:
                fit = _fit(design, design.data, reml=reml)
            except MmfitError:
                continue
            if not fit.converged:
                continue
            for name in ("sum", "helmert"):
                given = design.given | {"contrasts": {"f": name}}
                m = build_matrices(design.formula, design.data, **given)
                system = build_system(m)
                white = np.linalg.solve(system.theta_jacobian(), fit.theta)
                found = (
                    EstimationProblem(system, choose_solver(system), REML if reml else ML)
                    .at(white)
                    .objective[0]
                )
                more = _volume(m) - _volume(fit.matrices) if reml else 0.0
                size = max(abs(fit.objective), abs(found), 100.0)
                assert abs(found - more - fit.objective) <= TOLERANCE * size, (design, name)
                compared += 1
    assert compared > 20


def test_nor_on_the_unit_of_weights():
    compared = 0
    for design, _ in accepted(SEEDS):
        data = design.data.assign(v=design.data["w"] * 1e-5)
        for reml in (True, False):
            try:
                one = _fit(design, data, reml=reml, weights="w")
                other = _fit(design, data, reml=reml, weights="v")
            except MmfitError:
                continue
            if not (one.converged and other.converged):
                continue
            size = max(abs(one.objective), 100.0)
            assert abs(one.objective - other.objective) <= TOLERANCE * size, design
            compared += 1
    assert compared > 40


def test_nor_on_company():
    """A response in a batch, and on its own."""
    compared = 0
    for design, m in accepted(SEEDS):
        rng = np.random.default_rng(design.seed)
        noise = rng.normal(size=(len(m.y), 3))
        Y = m.y[:, None] + np.ptp(m.y) * np.column_stack([np.zeros(len(m.y)), noise])
        for reml in (True, False):
            try:
                alone = _fit(design, design.data, reml=reml)
                many = mmfit.lmer_many(design.right, design.data, Y, reml=reml, **design.given)
            except MmfitError:
                continue
            if not (alone.converged and many.converged.iloc[0]):
                continue
            size = max(abs(alone.objective), 100.0)
            difference = many.objective.iloc[0] - alone.objective
            assert abs(difference) <= TOLERANCE * size, (design, difference)
            compared += 1
    assert compared > 40
