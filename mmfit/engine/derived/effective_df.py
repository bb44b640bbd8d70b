"""How many parameters the fitted values of a mixed model spend: the trace of d yhat / d y.

With V = I + Z Psi Z', P as in :mod:`mmfit.engine.criterion`, and rows multiplied by the roots of
their prior weights, yhat = y - Py. Its derivative has two parts (Greven & Kneib 2010, theorem 3):

    tr(d yhat / dy) = tr(I - P) + sum_i (d psi_i / dy)' P W_i P y,      W_i = dV / d psi_i.

Only the first is there when the covariances are known (Vaida & Blanchard 2005); I - P is the hat
matrix. The estimates follow y by the implicit function theorem. Let H be the second derivatives of
the criterion with sigma profiled out, r^2 = y'Py, nu = n - p (REML) or n (ML) and
s_i = y'P W_i P y / r^2. Then

    d psi / dy = B^-1 C,    B = (r^2 / 2 nu) H,    row i of C = P W_i P y - s_i P y,

so that the second part is tr(B^-1 (S - s t')), S_ij = y'P W_i P P W_j P y, t_j = y'P P W_j P y.

Nothing n x n is needed. The vectors w_i = W_i P y, n long and one per parameter, take the place of
the response in a system of the same design, whose factorisation gives Z'P w_j, and with it
w_i'P w_j, as w_i is Z times known effects. Products with PP follow from I = V - Z Psi Z':
PP = P - P Z Psi Z' P.

At a singular fit Psi stays on the boundary when y moves a little, so it has fewer ways to go.
Psi = Q A Q', with A (r, r) of full rank, moves as

    Q (A + S) Q' + N T Q' + Q T' N' + N T A^-1 T' N',

N spanning the null space: the tangent space of the matrices of rank r, and to second order those
matrices themselves. A variance of zero has no way left: what remains is the model without it.
"""

from dataclasses import dataclass, replace

import numpy as np

from mmfit.engine.criterion import CRITERIA
from mmfit.engine.estimates import SINGULAR
from mmfit.engine.evaluation import EstimationProblem, Evaluation
from mmfit.engine.records import Fit
from mmfit.engine.solvers import choose_solver
from mmfit.engine.system.whitened_system import Group, System

# Below this share of the curvature that a parameter alone would have, the criterion does not say
# where it lies.
_FLAT = 1e-10


@dataclass(frozen=True, slots=True)
class EffectiveDf:
    """Parameters spent on the fitted values, without that of the residual variance.

    Attributes
    ----------
    hat : float, tr(I - P), the trace of the hat matrix at the estimated covariances.
    estimation : float, tr(B^-1 (S - s t')): what the estimation of the covariances adds.
    estimation_half : float, tr(B^-1 (S - s t' / 2)), the same as the R package cAIC4 has it.
    free : int, directions in which the covariances can move: their parameters, less those that the
        boundary takes.
    flat : int, how many of these the criterion does not depend on; they add nothing.
    """

    hat: float
    estimation: float
    estimation_half: float
    free: int
    flat: int


@dataclass(frozen=True, slots=True)
class _Directions:
    """The d ways in which the covariances of a fit can move.

    Attributes
    ----------
    entries : (d, k), each in the entries E_e of the Psi's.
    group : (d,) intp;  matrices : d symmetric matrices of the group's effects (q, q).
    bend : (d, d), what the curvature of the boundary adds to second derivatives.
    """

    entries: np.ndarray
    group: np.ndarray
    matrices: tuple[np.ndarray, ...]
    bend: np.ndarray


def effective_df(system: System, fit: Fit) -> EffectiveDf:
    """The parts of tr(d yhat / dy) at the estimates of ``fit``, by the criterion of the fit.

    ``system`` is the whitened one of the fit's model, with its rows.

    Costs two passes over the rows and one factorisation per covariance parameter; no matrix larger
    than (n, parameters) is formed.

    Raises
    ------
    DesignError, ComputationError
        As in fitting.
    """
    at = _evaluate(system, fit)
    psi = system.layout.psi(at.theta[0])
    through_x = np.trace(at.T[0, :, :-1, :-1], axis1=1, axis2=2)
    hat = system.nfixed + float(psi @ (at.factor.trace_slopes()[0] - through_x))
    ways = _directions(system, at)
    if not len(ways.entries):
        return EffectiveDf(hat, 0.0, 0.0, 0, 0)
    S, s, t = _products(system, at, ways)
    H = ways.entries @ at.psi_profiled[0] @ ways.entries.T + ways.bend
    information = ways.entries @ at.factor.traces()[0] @ ways.entries.T
    inverse, flat = _inverse(H, np.maximum(np.diag(H), np.diag(information)))
    inverse = inverse * (2 * at.problem.nu / float(at.r2[0]))
    own, through_sigma = float(np.vdot(inverse, S)), float(s @ inverse @ t)
    return EffectiveDf(
        hat=hat,
        estimation=own - through_sigma,
        estimation_half=own - through_sigma / 2,
        free=len(ways.entries),
        flat=flat,
    )


def _evaluate(system: System, fit: Fit) -> Evaluation:
    """The criterion at the estimates."""
    white = np.asarray(fit.theta, dtype=float)
    if len(white):
        white = np.linalg.solve(system.theta_jacobian(), white)
    return EstimationProblem(system, choose_solver(system), CRITERIA[fit.criterion]).at(white[None])


def _directions(system: System, at: Evaluation) -> _Directions:
    layout = system.layout
    lambdas = layout.lambdas(at.theta[0])
    groups, moves, bends = [], [], []
    for block in system.terms:
        root = lambdas[block.group][block.place, block.place]
        found, bend = _term_directions(
            root, block.structure.slope_matrix(at.psi_slope[0][block.thetas])
        )
        for matrix in found:
            wide = np.zeros((layout.sizes[block.group],) * 2)
            wide[block.place, block.place] = matrix
            moves.append(wide)
            groups.append(block.group)
        bends.append(bend)
    entries = [layout.entries(g, E) for g, E in zip(groups, moves, strict=True)]
    return _Directions(
        entries=np.array(entries).reshape(len(moves), len(layout)),
        group=np.array(groups, dtype=np.intp),
        matrices=tuple(moves),
        bend=_block_diagonal(bends, len(moves)),
    )


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
    rotated = vectors.T @ slope @ vectors
    bend = np.zeros((len(found), len(found)))
    for a, (i, j) in enumerate(across, start=len(within)):
        for b, (other, m) in enumerate(across, start=len(within)):
            if i == other:
                bend[a, b] = 2 * rotated[j, m] / singular[i] ** 2
    return found, bend


def _block_diagonal(blocks: list[np.ndarray], size: int) -> np.ndarray:
    out, begin = np.zeros((size, size)), 0
    for block in blocks:
        place = slice(begin, begin + len(block))
        out[place, place] = block
        begin += len(block)
    return out


def _products(
    system: System, at: Evaluation, ways: _Directions
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """S (d, d), s (d,) and t (d,)."""
    psis = [lam @ lam.T for lam in system.layout.lambdas(at.theta[0])]
    scores = [block[0] for block in at.residual_cross()]
    # w_j = Z_g effects[j], one row per level
    effects = [scores[g] @ E for g, E in zip(ways.group, ways.matrices, strict=True)]
    through = _projected_cross(system, at, ways.group, effects)
    own = np.array([np.vdot(effects[i], scores[g]) for i, g in enumerate(ways.group)])
    S = np.array([np.einsum("la,jla->j", effects[i], through[g]) for i, g in enumerate(ways.group)])
    t = own.copy()
    for score, cross, psi in zip(scores, through, psis, strict=True):
        inner = cross @ psi
        S -= np.einsum("ila,jla->ij", inner, cross)
        t -= np.einsum("jla,la->j", inner, score)
    return S, own / at.r2[0], t


def _projected_cross(
    system: System, at: Evaluation, groups: np.ndarray, effects: list[np.ndarray]
) -> list[np.ndarray]:
    """Z'P w_j of every group, (d, levels, q), for w_j = Z_g effects[j]."""
    rows = np.stack([_spread(system.groups[g], b) for g, b in zip(groups, effects, strict=True)])
    # P does not see what X explains; without it there is less to cancel
    rows -= (rows @ system.X.T / system.nobs) @ system.X
    solver = choose_solver(replace(system, y=rows))
    theta = np.repeat(at.theta, len(rows), axis=0)
    factor = solver.factorize(system.layout.lambdas(theta), np.arange(len(rows)))
    cross = factor.cross()
    if not system.nfixed:
        return [block[..., 0] for block in cross]
    beta = np.linalg.solve(factor.reduced[:, :-1, :-1], factor.reduced[:, :-1, -1:])
    return [(block[..., -1:] - block[..., :-1] @ beta[:, None])[..., 0] for block in cross]


def _spread(group: Group, effects: np.ndarray) -> np.ndarray:
    """(n,) rows of Z_g times effects (levels, q)."""
    return sum(column * effects[group.codes, i] for i, column in enumerate(group.columns))


def _inverse(H: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, int]:
    """Inverse of H where it is positive, and the number of directions in which it is not.

    That is judged relative to ``size`` (d,), the curvature that each parameter would have if the
    others, and sigma, were known.
    """
    scale = 1 / np.sqrt(size)
    values, vectors = np.linalg.eigh(H * scale[:, None] * scale)
    good = values > _FLAT
    root = (scale[:, None] * vectors[:, good]) / np.sqrt(values[good])
    return root @ root.T, int((~good).sum())
