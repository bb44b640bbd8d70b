"""How many parameters the fitted values of a mixed model spend: the trace of d yhat / d y.

With V = I + Z Psi Z', P as in :mod:`criterion`, and rows multiplied by the roots of their prior
weights, yhat = y - Py. Its derivative has two parts (Greven & Kneib 2010, section 4):

    tr(d yhat / dy) = tr(I - P) + sum_i (d psi_i / dy)' P W_i P y,      W_i = dV / d psi_i.

Only the first is there when the covariances are known (Vaida & Blanchard 2005, eq. 10); I - P is
the hat matrix. The estimates follow y by the implicit function theorem. Let H be the second
derivatives of the profiled criterion, r^2 = y'Py, nu = n - p (REML) or n (ML) and
s_i = y'P W_i P y / r^2. Then

    d psi / dy = B^-1 C,    B = (r^2 / 2 nu) H,    row i of C = P W_i P y - s_i P y,

so that the second part is tr(B^-1 (S - s t')), S_ij = y'P W_i P P W_j P y, t_j = y'P P W_j P y.

Nothing n x n is needed. The vectors w_i = W_i P y are n long, one per parameter; they take the place of
the response in a system of the same design, whose factorisation gives Z'P w_j, and with it
w_i'P w_j = (Z'Py E_i)'(Z'P w_j). Products with PP follow from I = V - Z Psi Z':
PP = P - P Z Psi Z' P.

At a singular fit psi stays on the boundary when y moves a little, so it has fewer directions: Psi =
Q A Q' with A (r, r) of full rank may move as Q (A + S) Q' + N T Q' + Q T' N' + N T A^-1 T' N', N spanning the
null space (the tangent space of the matrices of rank r, and to second order the matrices themselves). A
variance of zero has no direction left: what remains is the model without it.
"""

from dataclasses import dataclass, replace

import numpy as np

from mmfit.engine.criterion import Evaluation, Problem
from mmfit.engine.estimates import SINGULAR
from mmfit.engine.layout import Layout, TermBlock
from mmfit.engine.records import Fit
from mmfit.engine.solvers import choose_solver
from mmfit.engine.system import Group, System, build_system
from mmfit.formula.matrices import ModelMatrices

# Below this eigenvalue, of a Hessian with a unit diagonal, the criterion does not say where a
# parameter lies.
_FLAT = 1e-10


@dataclass(frozen=True, slots=True)
class EffectiveDf:
    """Parameters spent on the fitted values, without that of the residual variance.

    Attributes
    ----------
    hat : float, tr(I - P), the trace of the hat matrix at the estimated covariances.
    whole : float, tr(B^-1 (S - s t')): what the estimation of the covariances adds.
    half : float, tr(B^-1 (S - s t' / 2)), the same as the R package cAIC4 has it.
    free : int, directions in which the covariances can move (their parameters, less those that lie
        on the boundary).
    flat : int, directions left out because the criterion does not depend on them.
    """

    hat: float
    whole: float
    half: float
    free: int
    flat: int


@dataclass(frozen=True, slots=True)
class _Directions:
    """Ways in which the covariances of a fit can move.

    Attributes
    ----------
    entries : (d, k), each way in the entries E_e of the Psi's;  group : (d,) intp.
    matrices : tuple of the d symmetric matrices (q, q) of the group's effects.
    bend : (d, d), what the curvature of the boundary adds to second derivatives.
    """

    entries: np.ndarray
    group: np.ndarray
    matrices: tuple[np.ndarray, ...]
    bend: np.ndarray


def effective_df(matrices: ModelMatrices, fit: Fit) -> EffectiveDf:
    """The parts of tr(d yhat / dy) at the estimates of ``fit``, by the criterion of the fit.

    Time and memory are those of one evaluation of the criterion per covariance parameter.

    Raises
    ------
    DesignError, ComputationError
        As in fitting.
    """
    system = build_system(matrices)
    at = _evaluate(system, fit)
    psi = system.layout.psi(at.theta[0])
    through_x = np.trace(at.T[0, :, :-1, :-1], axis1=1, axis2=2)
    hat = system.nfixed + float(psi @ (at.factor.trace_slopes()[0] - through_x))
    ways = _directions(system, at)
    if not len(ways.entries):
        return EffectiveDf(hat, 0.0, 0.0, 0, 0)
    S, s, t, r2 = _products(system, at, ways)
    H = ways.entries @ at.psi_profiled[0] @ ways.entries.T + ways.bend
    inverse, flat = _inverse(r2 / (2 * at.problem.nu) * H)
    # by einsum: a trace of a product needs no product
    own = float(np.einsum("ij,ji->", inverse, S))
    through_sigma = float(t @ inverse @ s)
    return EffectiveDf(
        hat, own - through_sigma, own - through_sigma / 2, len(ways.entries) - flat, flat
    )


def _evaluate(system: System, fit: Fit) -> Evaluation:
    """The criterion at the estimates."""
    white = np.asarray(fit.theta, dtype=float)
    if len(white):
        white = np.linalg.solve(system.theta_jacobian(), white)
    problem = Problem(system, choose_solver(system), fit.criterion == "REML")
    return problem.at(white[None])


def _directions(system: System, at: Evaluation) -> _Directions:
    layout = system.layout
    lambdas = layout.lambdas(at.theta[0])
    group, moves, bends = [], [], []
    for block in system.terms:
        slope = _slope(layout, block, at.psi_slope[0])
        found, bend = _term_directions(lambdas[block.group][block.place, block.place], slope)
        for matrix in found:
            wide = np.zeros((layout.sizes[block.group],) * 2)
            wide[block.place, block.place] = matrix
            moves.append(wide)
            group.append(block.group)
        bends.append(bend)
    entries = [layout.entries(g, E) for g, E in zip(group, moves, strict=True)]
    return _Directions(
        entries=np.array(entries).reshape(len(moves), len(layout)),
        group=np.array(group, dtype=np.intp),
        matrices=tuple(moves),
        bend=_block_diagonal(bends, len(moves)),
    )


def _slope(layout: Layout, block: TermBlock, psi_slope: np.ndarray) -> np.ndarray:
    """(q, q) symmetric derivative of the criterion with respect to the term's Psi."""
    index = layout.members[block.group]
    row, column = layout.row[index], layout.column[index]
    # the derivative along E_rc counts both entries of an off-diagonal pair
    values = psi_slope[index] * np.where(row == column, 1.0, 0.5)
    out = np.zeros((layout.sizes[block.group],) * 2)
    out[row, column] = out[column, row] = values
    return out[block.place, block.place]


def _term_directions(root: np.ndarray, slope: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """The ways of one term with Psi = root root', and what their curvature adds."""
    vectors, singular, _ = np.linalg.svd(root)
    q, rank = len(root), int((singular >= SINGULAR).sum())
    within = [(i, j) for i in range(rank) for j in range(i + 1)]
    across = [(i, j) for i in range(rank) for j in range(rank, q)]
    found = []
    for i, j in within + across:
        E = np.outer(vectors[:, i], vectors[:, j])
        found.append(E if i == j else E + E.T)
    null = vectors.T @ slope @ vectors
    bend = np.zeros((len(found), len(found)))
    for a, (i, m) in enumerate(across, start=len(within)):
        for b, (j, l) in enumerate(across, start=len(within)):
            if i == j:
                bend[a, b] = 2 * null[m, l] / singular[i] ** 2
    return found, bend


def _block_diagonal(blocks: list[np.ndarray], size: int) -> np.ndarray:
    out, begin = np.zeros((size, size)), 0
    for block in blocks:
        place = slice(begin, begin + len(block))
        out[place, place] = block
        begin += len(block)
    return out


def _products(system: System, at: Evaluation, ways: _Directions):
    """S (d, d), s (d,), t (d,) and r^2, in the units of the whitened system."""
    psis = [lam @ lam.T for lam in system.layout.lambdas(at.theta[0])]
    scores = [block[0] for block in at.residual_cross()]
    moved = [scores[g] @ E for g, E in zip(ways.group, ways.matrices, strict=True)]
    through = _projected_cross(system, at, ways.group, moved)
    r2 = float(at.r2[0])
    own = np.array([np.vdot(moved[i], scores[g]) for i, g in enumerate(ways.group)])
    S = np.empty((len(moved),) * 2)
    for i, g in enumerate(ways.group):
        S[i] = np.einsum("la,jla->j", moved[i], through[g])
    t = own.copy()
    for score, cross, psi in zip(scores, through, psis, strict=True):
        inner = cross @ psi
        S -= np.einsum("ila,jla->ij", inner, cross)
        t -= np.einsum("jla,la->j", inner, score)
    return S, own / r2, t, r2


def _projected_cross(system: System, at: Evaluation, groups, moved) -> list[np.ndarray]:
    """Z'P w_j of every group, (d, levels, q), for w_j = Z_g (rows of ``moved[j]`` by level)."""
    rows = np.stack(
        [_spread(system.groups[g], values) for g, values in zip(groups, moved, strict=True)]
    )
    # P does not see what X explains; without it there is less to cancel
    rows -= (rows @ system.X.T / system.nobs) @ system.X
    other = replace(system, y=rows)
    theta = np.repeat(at.theta, len(rows), axis=0)
    factor = choose_solver(other).factorize(system.layout.lambdas(theta), np.arange(len(rows)))
    X = factor.reduced[:, :-1, :-1]
    beta = np.linalg.solve(X, factor.reduced[:, :-1, -1:]) if system.nfixed else X[:, :, :0]
    out = []
    for block in factor.cross():
        fixed = block[..., :-1] @ beta[:, None] if system.nfixed else 0.0
        out.append((block[..., -1:] - fixed)[..., 0])
    return out


def _spread(group: Group, values: np.ndarray) -> np.ndarray:
    """(n,) rows of Z_g times effects (levels, q)."""
    return sum(column * values[group.codes, i] for i, column in enumerate(group.columns))


def _inverse(B: np.ndarray) -> tuple[np.ndarray, int]:
    """Inverse of B where it is positive, and the number of directions in which it is not.

    That is judged after scaling to a unit diagonal: the parameters' orders of magnitude differ.
    """
    scale = 1 / np.sqrt(np.maximum(np.abs(np.diag(B)), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(B * scale[:, None] * scale)
    good = values > _FLAT
    root = (scale[:, None] * vectors[:, good]) / np.sqrt(values[good])
    return root @ root.T, int((~good).sum())
