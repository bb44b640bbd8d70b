"""Variance of a prediction's error, x'(beta-hat - beta) + z'(b-hat - b), in units of sigma^2.

Henderson 1975 (Biometrics 31: 423-447): the joint covariance of beta-hat and of b-hat - b. With
V = I + Z Psi Z', C = (X'V^-1 X)^-1, a = X'V^-1 Z Psi z and M = Psi - Psi Z'V^-1 Z Psi, the variance
is (x - a)'C(x - a) + z'Mz. A row meets one level of each grouping factor. The blocks of M on the
diagonal and Z'V^-1 X are what every solver gives; the blocks between a level and those of other
factors are Psi Z'V^-1 u, where the level's column u of Z goes along as one more column of X. So
nothing is formed of the order of the number of rows, or of levels, squared. A level that the fit
did not see has M = Psi and no part in a.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from mmfit.engine.preparation import Prepared
from mmfit.engine.solvers import Factorization, Solver, choose_solver
from mmfit.engine.system.whitened_system import System, build_system
from mmfit.errors import ComputationError
from mmfit.formula.design import NewRandom
from mmfit.formula.matrices import ModelMatrices
from mmfit.inference.fitted_model import FittedModel

# Numbers in the columns that go along at a time.
_CELLS = 20_000_000
_AT_ONCE = 64
# Step of a central difference in the whitened theta, where effects are in units of sigma.
_STEP = 1e-5


@dataclass(frozen=True, slots=True)
class Slot:
    """The random effects of the new rows that belong to one grouping factor.

    Attributes
    ----------
    group : int, of the system;  codes : (n,) intp, level of each row, -1 for one not seen.
    z : (n, q), whitened columns of the group's effects.
    """

    group: int
    codes: np.ndarray
    z: np.ndarray


@dataclass(frozen=True, slots=True)
class ErrorVariance:
    """Variance of the prediction errors of n new rows and its derivative.

    Attributes
    ----------
    value : (n,), in units of sigma^2;  slopes : (n, k), with respect to theta (lme4's scale).
    """

    value: np.ndarray
    slopes: np.ndarray


def error_variance(
    model: FittedModel, X: np.ndarray, random: tuple[NewRandom, ...]
) -> ErrorVariance:
    """The variance for new rows: ``X`` (n, p) and their random terms, in the order of the fit's.

    The derivative is by central differences of the whole variance. It is what Satterthwaite's
    method needs; the uncertainty of theta is not in the variance itself.
    """
    fit, matrices = model.fit, model.matrices
    prepared = model.prepared
    system = prepared.system
    to_user = system.theta_jacobian()
    theta = np.linalg.solve(to_user, fit.theta)
    steps = _STEP * np.maximum(1.0, np.abs(theta))
    thetas = np.vstack([theta, theta + np.diag(steps), theta - np.diag(steps)])
    total = error_variances(prepared, matrices, thetas, X, random)
    k = len(theta)
    white = (total[1 : k + 1] - total[k + 1 :]) / (2 * steps[:, None])
    return ErrorVariance(total[0], np.linalg.solve(to_user.T, white).T)


def error_variances(
    prepared: Prepared,
    matrices: ModelMatrices,
    thetas: np.ndarray,
    X: np.ndarray,
    random: tuple[NewRandom, ...],
) -> np.ndarray:
    """(thetas, n): the variance in units of sigma^2 at each of some whitened ``thetas`` (., k)."""
    slots = _slots(prepared.system, random)
    total = _own_levels(prepared, thetas, X @ prepared.system.back(), slots)
    return total + _between_levels(matrices, prepared.system, thetas, slots)


def group_variance(
    theta: np.ndarray, random: tuple[NewRandom, ...]
) -> tuple[np.ndarray | float, np.ndarray | float]:
    """z'Psi z (n,) of new levels of all groups, in units of sigma^2, and its derivatives (n, k).

    ``theta`` (k,) is on lme4's scale.
    """
    begin, spread, changes = 0, 0.0, []
    for term in random:
        q = len(term.effects)
        # theta goes down the columns of the lower triangle.
        column, row = np.triu_indices(q)
        root = np.zeros((q, q))
        root[row, column] = theta[begin : begin + len(row)]
        begin += len(row)
        left = term.model @ root
        spread = spread + (left**2).sum(axis=1)
        changes.append(2 * left[:, column] * term.model[:, row])
    return spread, np.hstack(changes) if changes else 0.0


def _slots(system: System, random: tuple[NewRandom, ...]) -> list[Slot]:
    """Terms of one group side by side; apart where they meet different levels in the new rows."""
    slots: list[Slot] = []
    for block, term in zip(system.terms, random, strict=True):
        z = np.zeros((len(term.codes), system.groups[block.group].size))
        z[:, block.place] = term.model @ block.inverse
        for place, slot in enumerate(slots):
            if slot.group == block.group and np.array_equal(slot.codes, term.codes):
                slots[place] = replace(slot, z=slot.z + z)
                break
        else:
            slots.append(Slot(block.group, term.codes, z))
    return slots


def _factorize(solver: Solver, system: System, theta: np.ndarray) -> Factorization:
    return solver.factorize(system.layout.lambdas(theta[None]), np.zeros(1, dtype=np.intp))


def _psis(system: System, theta: np.ndarray) -> list[np.ndarray]:
    return [block @ block.T for block in system.layout.lambdas(theta)]


def _own_levels(
    prepared: Prepared, thetas: np.ndarray, x: np.ndarray, slots: list[Slot]
) -> np.ndarray:
    """(thetas, n): (x - a)'C(x - a) and z'Mz within each slot."""
    out = np.zeros((len(thetas), len(x)))
    p = x.shape[1]
    for row, theta in zip(out, thetas, strict=True):
        at = _factorize(prepared.solver, prepared.system, theta)
        psis = _psis(prepared.system, theta)
        cross, posterior = at.cross(), at.posterior_blocks() if slots else []
        rest = x
        for slot in slots:
            known = slot.codes >= 0
            codes, z, psi = slot.codes[known], slot.z[known], psis[slot.group]
            a = np.zeros_like(x)
            a[known] = np.einsum("nq,nqp->np", z @ psi, cross[slot.group][0][codes][:, :, :p])
            rest = rest - a
            M = posterior[slot.group][0][codes]
            row[known] += np.einsum("nq,nqr,nr->n", z, M, z)
            new = slot.z[~known]
            row[~known] += np.einsum("nq,qr,nr->n", new, psi, new)
        factor = _root(at.reduced[0][:p, :p])
        row += (np.linalg.solve(factor, rest.T) ** 2).sum(axis=0)
    return out


def _root(products: np.ndarray) -> np.ndarray:
    """The lower Cholesky factor of X'V^-1 X.

    Raises
    ------
    ComputationError
        Where it has none in double precision.
    """
    try:
        return np.linalg.cholesky(products)
    except np.linalg.LinAlgError:
        raise ComputationError(
            "the variances of the predictions cannot be computed in double precision; see "
            "`fit.diagnose()` for what is extreme in this fit"
        ) from None


def _between_levels(
    matrices: ModelMatrices, system: System, thetas: np.ndarray, slots: list[Slot]
) -> np.ndarray:
    """(thetas, n): twice z_s'Mz_t over the pairs of slots of each row."""
    out = np.zeros((len(thetas), len(slots[0].codes) if slots else 1))
    # The factor with the most levels is met through its effects alone; the others bring columns.
    order = sorted(slots, key=lambda slot: -len(np.unique(slot.codes[slot.codes >= 0])))
    pairs = [(order[:t], slot) for t, slot in enumerate(order) if t]
    if not pairs:
        return out
    whole = build_system(matrices)
    for before, slot in pairs:
        for levels, solver in _with_columns(whole, slot):
            place = np.full(whole.groups[slot.group].levels, -1, dtype=np.intp)
            place[levels] = np.arange(len(levels))
            rows = np.flatnonzero((slot.codes >= 0) & (place[slot.codes] >= 0))
            for row, theta in zip(out, thetas, strict=True):
                cross = _factorize(solver, system, theta).cross()
                psis = _psis(system, theta)
                for other in before:
                    row[rows] += _pair(other, slot, rows, place, cross, psis, system.nfixed)
    return out


def _with_columns(system: System, slot: Slot) -> Iterator[tuple[np.ndarray, Solver]]:
    """Batches of the levels that occur in a slot, each with a solver that has their columns in X.

    The columns go along unwhitened: only Z'V^-1 X is asked for, which is linear in X.
    """
    group = system.groups[slot.group]
    levels = np.unique(slot.codes[slot.codes >= 0])
    size = max(min(_CELLS // system.nobs, _AT_ONCE) // group.size, 1)
    for begin in range(0, len(levels), size):
        batch = levels[begin : begin + size]
        more = [
            np.where(group.codes == level, column, 0.0)
            for level in batch
            for column in group.columns
        ]
        wide = replace(system, X=np.vstack([system.X, *more]), columns=(*system.columns, *more))
        yield batch, choose_solver(wide)


def _pair(
    first: Slot,
    second: Slot,
    rows: np.ndarray,
    place: np.ndarray,
    cross: list[np.ndarray],
    psis: list[np.ndarray],
    p: int,
) -> np.ndarray:
    """(rows,): 2 z'Mz between the levels of two slots; ``second``'s columns follow the p of X."""
    out = np.zeros(len(rows))
    seen = first.codes[rows] >= 0
    rows = rows[seen]
    left, right = first.z[rows] @ psis[first.group], second.z[rows] @ psis[second.group]
    q = right.shape[1]
    columns = p + q * place[second.codes[rows]][:, None] + np.arange(q)
    levels, effects = first.codes[rows][:, None, None], np.arange(left.shape[1])[:, None]
    blocks = cross[first.group][0][levels, effects, columns[:, None, :]]
    value = -np.einsum("nq,nqr,nr->n", left, blocks, right)
    if first.group == second.group:
        same = first.codes[rows] == second.codes[rows]
        value += same * np.einsum("nq,nq->n", left, second.z[rows])
    out[seen] = 2 * value
    return out
