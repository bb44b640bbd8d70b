"""The minimum that a fit ends in is the lowest: cases, random designs, batches, invariances."""

from io import StringIO

import numpy as np
import pandas as pd
import pytest

import mmfit
from mmfit.engine.criterion import ML, REML
from mmfit.engine.evaluation import EstimationProblem
from mmfit.engine.fit import fit_model
from mmfit.engine.optimize.minque_start import starting_theta
from mmfit.engine.optimize.optimizer import optimize
from mmfit.engine.preparation import prepare
from mmfit.formula import build_matrices
from tests.oracle.designs import accepted, random_design
from tests.oracle.minimum import minimum
from tests.oracle.trial import trials

# Whole numbers far from zero, no intercept.
NO_INTERCEPT = """
y,x,g
9,6,1
10,5,1
9,3,1
9,5,2
9,6,2
8,3,2
11,3,3
11,3,3
11,7,3
12,3,4
12,6,4
12,4,4
12,4,5
12,7,5
12,3,5
"""
TWELVE_ROWS = """
y,x1,x2,ff
9.10308545337502,2.6,7,a
10.184849184646742,2,4.5,a
11.587845331208824,4.8,7.5,b
8.869624325753716,0.7,6.4,b
9.91974824344901,3.9,7.8,c
10.132420284381094,3,7.3,c
10.707954729271734,4,7.7,a
9.76030197582816,3.4,7.3,a
11.984473936652927,5.1,8.1,b
9.861212987880336,1.8,6.7,b
10.417650750792555,4.6,6.2,c
10.981752777463662,5,6.4,c
"""
# Years beside an intercept as terms of their own: MINQUE's estimates are absurd.
YEARS = """
y,x,t,g
-1.7,2001.0,4.0,0
-1.09,2001.0,2.0,0
0.32,2002.0,2.0,0
0.98,1997.0,0.0,0
0.57,2003.0,0.0,1
-0.76,1998.0,2.0,1
0.84,2005.0,0.0,1
-0.95,2007.0,4.0,2
0.92,2002.0,2.0,2
-0.21,1997.0,0.0,2
0.35,1997.0,0.0,2
-0.92,2000.0,1.0,3
-1.85,1994.0,1.0,3
-0.18,2001.0,2.0,3
0.9,1998.0,3.0,4
0.39,1998.0,0.0,4
-0.2,1994.0,3.0,4
-2.04,1999.0,1.0,4
1.13,1999.0,3.0,5
-0.4,1999.0,4.0,5
0.33,1995.0,4.0,5
2.02,2000.0,1.0,5
-1.14,1997.0,1.0,6
-0.36,2005.0,4.0,6
-1.4,2000.0,2.0,7
1.13,1992.0,4.0,7
0.34,2005.0,0.0,8
0.13,2002.0,4.0,8
"""


def _frame(text: str) -> pd.DataFrame:
    return pd.read_csv(StringIO(text))


@pytest.mark.parametrize(
    ("reml", "lowest"), [(True, 54.11709944564398), (False, 50.38898924242652)]
)
def test_the_basin_of_zero_is_not_the_lowest(reml, lowest):
    fit = mmfit.lmer("y ~ 0 + x + (1 | g)", _frame(NO_INTERCEPT), reml=reml)
    assert fit.objective == pytest.approx(lowest, abs=1e-9)
    assert fit.converged
    assert "the first search ended higher" in fit.optimizer.message


def test_a_covariance_of_rank_two_in_few_rows():
    fit = mmfit.lmer("y ~ (x1 + x2 | ff)", _frame(TWELVE_ROWS))
    assert fit.objective <= 19.26473894126599 + 1e-8
    assert fit.converged


@pytest.mark.parametrize("reml", [True, False])
def test_uncentred_years_as_terms_of_their_own(reml):
    frame = _frame(YEARS)
    larger = mmfit.lmer("y ~ 1 + (x + t || g)", frame, reml=reml)
    assert larger.converged
    smaller = mmfit.lmer("y ~ 1 + (1 | g)", frame, reml=reml)
    assert larger.objective <= smaller.objective + 1e-9
    m = build_matrices("y ~ 1 + (x + t || g)", frame)
    assert larger.objective <= minimum(m, reml).objective + 1e-9


def test_random_designs_end_in_the_lowest_minimum():
    seen = 0
    for trial in trials(range(300, 325)):
        assert trial.outcome != "error", trial
        # where the random effects fit every residual there may be no minimum
        if not trial.saturated:
            assert trial.outcome != "above", trial
            seen += trial.outcome == "same"
    assert seen > 35


def test_without_an_intercept_the_lowest_of_one_theta_is_found():
    rng = np.random.default_rng(5)
    moved = 0
    for _ in range(12):
        n = int(rng.integers(9, 25))
        frame = pd.DataFrame({"g": rng.integers(0, 4, n), "x": rng.integers(1, 8, n)})
        frame["y"] = np.round(8 + 0.2 * frame["x"] + rng.normal(size=4)[frame["g"]], 0)
        frame["y"] += rng.integers(0, 2, n)
        m = build_matrices("y ~ 0 + x + (1 | g)", frame)
        for reml in (True, False):
            fit = fit_model(m, criterion=REML if reml else ML)
            assert fit.objective <= minimum(m, reml).objective + 1e-7
            moved += "ended higher" in fit.optimizer.message
    assert moved > 2


def test_in_a_batch_the_same_minima_are_found():
    checked = 0
    for design, m in accepted(range(610, 630)):
        rng = np.random.default_rng(design.seed)
        others = [random_design(design.seed + 1000 * k) for k in (1, 2)]
        Y = [m.y, m.y[rng.permutation(m.nobs)], *(np.resize(o.data["y"], m.nobs) for o in others)]
        frame = design.data.iloc[: m.nobs]
        many = mmfit.lmer_many(design.right, frame, np.array(Y).T, **design.given)
        for i, y in enumerate(Y):
            try:
                alone = mmfit.lmer(design.formula, frame.assign(y=y), **design.given)
            except mmfit.MmfitError:
                continue
            # where there is none, what is found is not the same
            if alone.converged and many.converged[i + 1]:
                size = 1e-6 + 1e-9 * abs(alone.objective)
                assert many.objective[i + 1] == pytest.approx(alone.objective, abs=size), design
                checked += 1
    assert checked > 40


def test_in_a_batch_the_digits_do_not_depend_on_the_company():
    frame, rng = _frame(NO_INTERCEPT), np.random.default_rng(6)
    Y = np.column_stack(
        [frame["y"], frame["y"].to_numpy()[:, None] + rng.integers(0, 3, (len(frame), 4))]
    )
    whole = mmfit.lmer_many("~ 0 + x + (1 | g)", frame, Y)
    few = mmfit.lmer_many("~ 0 + x + (1 | g)", frame, Y[:, [3, 0]])
    one = mmfit.lmer_many("~ 0 + x + (1 | g)", frame, Y[:, [0]])
    assert few.objective.tolist() == whole.objective[[4, 1]].tolist()
    assert one.objective.tolist() == whole.objective[[1]].tolist()


def test_the_order_of_rows_effects_and_the_origin_do_not_matter():
    rng = np.random.default_rng(7)
    for _ in range(12):
        n = int(rng.integers(18, 40))
        frame = pd.DataFrame({"g": rng.integers(0, 5, n), "x": rng.normal(size=n)})
        frame["z"] = rng.integers(0, 4, n)
        frame["y"] = rng.normal(size=(5, 2))[frame["g"], 0] * 3 + rng.normal(size=n) + 5
        one = mmfit.lmer("y ~ x + (x + z | g)", frame)
        turned = mmfit.lmer("y ~ x + (z + x | g)", frame.iloc[::-1])
        moved = mmfit.lmer("y ~ x + (x + z | g)", frame.assign(z=1990 + 5 * frame["z"]))
        for other in (turned, moved):
            assert other.objective == pytest.approx(one.objective, abs=1e-6)


@pytest.mark.parametrize("theta", [1e12, 1e200, np.inf, np.nan, -1e30])
def test_an_absurd_start_is_replaced(theta):
    m = build_matrices("y ~ x1 + (x1 | ff)", _frame(TWELVE_ROWS))
    fit, given = fit_model(m), fit_model(m, start=np.array([theta, theta, theta]))
    assert given.objective == pytest.approx(fit.objective, abs=1e-7)


class _Narrow:
    """A solver that cannot factorise where a standard deviation is above a tenth of sigma."""

    def __init__(self, solver, limit):
        self.solver, self.limit = solver, limit
        self.name, self.second_order_is_cheap = solver.name, solver.second_order_is_cheap

    def factorize(self, lambdas, members):
        factor = self.solver.factorize(lambdas, members)
        large = np.max([np.abs(lam).max(axis=(1, 2)) for lam in lambdas], axis=0) > self.limit
        factor.reduced[large] = np.nan
        return factor


@pytest.mark.parametrize("limit", [0.5, 0.05, 1e-3])
def test_a_start_that_cannot_be_evaluated_is_replaced(limit):
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(8), 4)
    y = rng.normal(size=32) - 0.6 * rng.normal(size=8)[g]
    y = y - 0.99 * np.array([y[g == i].mean() for i in range(8)])[g]
    prepared = prepare(build_matrices("y ~ 1 + (1 | g)", {"y": y, "g": g}))
    problem = EstimationProblem(prepared.system, _Narrow(prepared.solver, limit), REML)
    at, outcomes = optimize(problem, np.array([[3.0]]), unmodelled=True)
    assert outcomes.converged.all()
    expected = fit_model(prepared.matrices, prepared=prepared)
    assert at.objective[0] == pytest.approx(expected.objective, abs=1e-9)


def test_an_ordinary_design_is_searched_once():
    """Many levels, and the means of the random effects in the fixed part."""
    rng = np.random.default_rng(9)
    g, x = rng.integers(0, 15, 120), rng.normal(size=120)
    y = x + rng.normal(size=(15, 2))[g, 0] + rng.normal(size=120)
    prepared = prepare(build_matrices("y ~ x + (x | g)", {"y": y, "g": g, "x": x}))
    problem = EstimationProblem(prepared.system, prepared.solver, REML)
    _, outcomes = optimize(problem, starting_theta(problem), prepared.unmodelled)
    assert outcomes.others.tolist() == [0]
    without = prepare(build_matrices("y ~ 1 + (x | g)", {"y": y, "g": g, "x": x}))
    assert (prepared.unmodelled, without.unmodelled) == (False, True)
