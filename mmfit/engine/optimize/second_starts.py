"""Second starts: whether the criterion has a lower minimum than the one that a search found.

The criterion need not have one minimum (Henn & Hodges 2014, International Statistical Review
82(3)): MINQUE(0) sees the data as they look where all variances are small, so that where the mean
of the random part is not in the fixed part, levels are few or a variance ends at zero, a lower
minimum may lie at large variances, in one term alone, or along one direction of a covariance.

With one theta the sign of the derivative along a grid decides: two minima that differ are separated
by a change of sign, and in log(theta) the criterion is a sum of sigmoids of width one. With more,
starts of every size, each term large beside small others, and covariances of rank one along the
eigenvectors of the score are evaluated as one batch, and the lowest are descended from side by
side. All of these are the same in any orthonormal basis of a term: neither the order of the effects
nor the origin of a covariate changes them.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.covariance.roots import semidefinite_cholesky
from mmfit.engine.evaluation import EstimationProblem
from mmfit.engine.optimize.newton_searches import Search
from mmfit.engine.system.whitened_system import System

# Standard deviations relative to sigma, of columns of mean square one.
_GRID = 10.0 ** np.arange(-2, 5.01, 0.25)
_TOGETHER = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_ALONE = (1.0, 10.0, 100.0, 1000.0)
_ALONG = (1.0, 10.0, 100.0, 1000.0, 10000.0)
_ANCHORS = (0.3, 3.0, 30.0, 300.0)
_SMALL = 0.03
# How many of each family are descended from, lowest first.
_TAKEN_TOGETHER, _TAKEN_ALONE, _TAKEN_ALONG = 9, 4, 10
# Share of a column's square outside the span of X that is not rounding.
_OUTSIDE = 1e-6
# With as many levels of every factor, as many rows, and the means of all random effects in the
# fixed part, the first search ended in the lowest minimum in all but two of 570 random fits;
# with fewer levels it did not in 2%, whatever the number of rows, without the means in 5%, whatever
# that of levels.
_FEW_LEVELS, _FEW_ROWS = 10, 50
# Where there are more random effects than this an evaluation is no longer cheap: with few levels of
# one factor among so many nothing more is tried, and without the means less.
_MANY_EFFECTS = 2000
# Of all together; intervals of the grid are fewer.
MOST_STARTS = _TAKEN_TOGETHER + _TAKEN_ALONE + _TAKEN_ALONG
# Numbers that the evaluations of one batch may hold.
_NUMBERS = 4_000_000


@dataclass(frozen=True, slots=True)
class Starts:
    """Where to search from once more.

    Attributes
    ----------
    of : (R,) intp, the response of each start;  theta : (R, k);
    evaluations : int, evaluations of the criterion per response that it took to choose them.
    """

    of: np.ndarray
    theta: np.ndarray
    evaluations: int


def unmodelled(system: System) -> bool:
    """Whether the mean of some random effect is in no fixed one: a column of Z outside span(X)."""
    constant, n = any(isinstance(column, float) for column in system.columns), system.nobs
    for group in system.groups:
        for column in group.columns:
            if isinstance(column, float):
                if constant:
                    continue
                through, size = column * system.X.sum(axis=1), n * column**2
            else:
                through, size = system.X @ column, column @ column
            if through @ through / n < (1 - _OUTSIDE) * size:
                return True
    return False


def suspects(search: Search, members: np.ndarray, unmodelled: bool) -> np.ndarray:
    """Those of the ``members`` whose minimum may not be the lowest."""
    system = search.problem.system
    few = min(group.levels for group in system.groups) < _FEW_LEVELS or system.nobs < _FEW_ROWS
    return members if unmodelled or (few and not _is_large(system)) else members[:0]


def _is_large(system: System) -> bool:
    return sum(group.levels * group.size for group in system.groups) > _MANY_EFFECTS


def second_starts(problem: EstimationProblem, members: np.ndarray, theta: np.ndarray) -> Starts:
    """Starts for the responses ``members`` (S,), whose searches ended at ``theta`` (S, k)."""
    if theta.shape[1] == 1:
        return _along_grid(problem, members, theta[:, 0])
    system = problem.system
    together = isotropic(system, np.repeat(np.array(_TOGETHER)[:, None], len(system.terms), 1))
    families = [(np.tile(together, (len(members), 1, 1)), _TAKEN_TOGETHER)]
    if len(system.terms) > 1:
        alone = isotropic(system, _one_by_one(len(system.terms)))
        families.append((np.tile(alone, (len(members), 1, 1)), _TAKEN_ALONE))
    if max(block.size for block in system.terms) > 1:
        families.append((_rank_one(problem, members), _TAKEN_ALONG))
    of, chosen, count = [], [], 0
    for candidates, taken in families:
        values = _evaluated(problem, members, candidates, lambda at: at.objective)
        values = np.where(np.isfinite(values), values, np.inf)
        taken = 1 if _is_large(system) else taken
        order = np.argsort(values, axis=1, kind="stable")[:, :taken]
        fine = np.isfinite(np.take_along_axis(values, order, 1))
        chosen.append(np.take_along_axis(candidates, order[:, :, None], 1)[fine])
        of.append(np.broadcast_to(members[:, None], order.shape)[fine])
        count += candidates.shape[1]
    return Starts(np.concatenate(of), np.concatenate(chosen), count)


def isotropic(system, sizes: np.ndarray) -> np.ndarray:
    """(C, k): thetas at which every effect of term t has standard deviation ``sizes[:, t]``."""
    out = np.empty((len(sizes), len(system.layout)))
    for t, block in enumerate(system.terms):
        out[:, block.thetas] = block.structure.theta(sizes[:, t, None, None] * np.eye(block.size))
    return out


def _one_by_one(terms: int) -> np.ndarray:
    """(C, T) sizes: each term large beside small others."""
    out = np.full((terms, len(_ALONE), terms), _SMALL)
    for t in range(terms):
        out[t, :, t] = _ALONE
    return out.reshape(-1, terms)


def _along_grid(problem: EstimationProblem, members: np.ndarray, theta: np.ndarray) -> Starts:
    """One theta: the lower end of each interval of the grid in which the derivative turns
    positive, but for that in which the search ended."""
    grid = np.broadcast_to(_GRID[None, :, None], (len(members), len(_GRID), 1))
    slope = _evaluated(problem, members, grid, lambda at: at.psi_slope[:, 0])
    falls = np.concatenate([np.ones((len(members), 1), dtype=bool), slope < 0], axis=1)
    rises = np.concatenate([slope >= 0, np.ones((len(members), 1), dtype=bool)], axis=1)
    low, high = np.concatenate([[0.0], _GRID]), np.concatenate([_GRID, [np.inf]])
    theta = theta[:, None]
    holds = falls & rises & ~((low <= theta) & (theta <= high))
    who, place = np.nonzero(holds)
    start = np.where(place == 0, _GRID[0], _GRID[np.maximum(place - 1, 0)])
    return Starts(members[who], start[:, None], len(_GRID))


def _rank_one(problem: EstimationProblem, members: np.ndarray) -> np.ndarray:
    """(S, C, k): for each term with several effects, covariances of rank one along the eigenvectors
    of the score at isotropic anchors, beside small other terms."""
    system = problem.system
    sizes = np.repeat(np.array(_ANCHORS)[:, None], len(system.terms), 1)
    anchors = np.tile(isotropic(system, sizes), (len(members), 1, 1))
    slope = _evaluated(problem, members, anchors, lambda at: at.psi_slope)
    small = isotropic(system, np.full((1, len(system.terms)), _SMALL))
    out = []
    for block in system.terms:
        if block.size == 1:
            continue
        score = block.structure.slope_matrix(
            np.nan_to_num(slope[..., block.thetas], posinf=0, neginf=0)
        )
        vectors = np.linalg.eigh(score)[1]
        ways = np.swapaxes(vectors, -1, -2).reshape(len(members), -1, block.size)
        for size in _ALONG:
            psi = size**2 * ways[..., :, None] * ways[..., None, :] + _SMALL**2 * np.eye(block.size)
            root = semidefinite_cholesky(psi)
            theta = np.tile(small[0], (*ways.shape[:2], 1))
            theta[..., block.thetas] = block.structure.theta(root)
            out.append(theta)
    return np.concatenate(out, axis=1)


def _evaluated(
    problem: EstimationProblem, members: np.ndarray, theta: np.ndarray, what
) -> np.ndarray:
    """(S, C, ...): ``what`` of the evaluations at theta (S, C, k) of each member."""
    S, C, k = theta.shape
    flat, of = theta.reshape(-1, k), np.repeat(members, C)
    rows = batch_rows(problem)
    with np.errstate(all="ignore"):
        parts = [
            what(problem.at(flat[begin : begin + rows], of[begin : begin + rows]))
            for begin in range(0, len(flat), rows)
        ]
    return np.concatenate(parts).reshape(S, C, *parts[0].shape[1:])


def batch_rows(problem: EstimationProblem) -> int:
    """How many evaluations fit the memory meant for one batch."""
    system = problem.system
    m = system.nfixed + 1
    columns = np.array([group.levels * group.size for group in system.groups])
    effects = sum(g.levels * g.size**2 for g in system.groups)
    # what is left when the largest factor is eliminated may be dense
    each = effects * m * m + (columns.sum() - columns.max()) ** 2
    return int(np.clip(_NUMBERS // each, 1, 1024))
