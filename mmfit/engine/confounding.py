"""Which variance parameters the data cannot tell apart, and which contrasts hang on them.

The likelihood of y sees Var(y) = sum of gamma_r G_r only through K'Var(y)K, the columns of K an
orthonormal basis of what is perpendicular to X (under ML, too, all that meets y does). A move c of
gamma with P (sum of c_r G_r) P = 0, P = V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1, is therefore seen by no
data, whatever V is: the criterion of REML is flat along it. Where the variance of l'beta-hat,
l'Phi l with Phi = (X'Var(y)^-1 X)^-1, changes along such a move, it is not known, and no degrees of
freedom can be given to it. As in :mod:`mmfit.engine.derived.kenward_roger`, the derivative of Phi
along G_r is Phi X'V^-1 G_r V^-1 X Phi, and V stands for the identity among the G_r.

Both questions are about the design alone. So they are answered at a fixed place inside the range of
all parameters, where no accident of the estimates (a variance of zero, an extreme ratio) plays a
part: not even the rounding of y can change the answer.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.covariance.layout import Layout
from mmfit.engine.covariance.roots import nearly_singular
from mmfit.engine.criterion import REML
from mmfit.engine.evaluation import EstimationProblem, Evaluation
from mmfit.engine.records import Confounding
from mmfit.engine.system.whitened_system import System

# Eigenvalues of the information below this share of the largest are zero, each parameter scaled to
# what its information would be if no fixed effect had to be estimated.
_ZERO = 1e-9
# Share of a parameter's largest effect on a variance that is rounding; of its largest information.
_ROUNDING, _ABSENT = 1e-8, 1e-12
# Curvature of the criterion, per relative change of a covariance, below which it may be flat.
_FLAT = 1e-4
# Below this standard deviation, in units of sigma, a direction's curvature says nothing.
_NEARLY_SINGULAR = 1e-3
# What a group's effects add to the eigenvalues of V at the fixed place, about; the share of each
# column of Lambda that lies below the diagonal.
_PLACE, _SLANT = 1.0, 0.3


@dataclass(frozen=True, slots=True)
class Moves:
    """Moves of the variance parameters that no data see.

    Attributes
    ----------
    theta : (k,), the fixed place (whitened);  at : Evaluation there, of the REML criterion.
    directions : (d, k + 1), of the free entries of Psi, and of V, in units of sigma^2.
    """

    theta: np.ndarray
    at: Evaluation
    directions: np.ndarray


def unseen_moves(problem: EstimationProblem) -> Moves:
    """The moves of a model's variance parameters that no data see; d is 0 as a rule."""
    theta = _fixed_place(problem.system)
    at = EstimationProblem(problem.system, problem.solver, REML).at(
        theta[None], np.zeros(1, np.intp)
    )
    k, nu = len(theta), at.problem.nu
    information = np.empty((k + 1, k + 1))
    information[:k, :k] = at.psi_information[0]
    information[:k, k] = information[k, :k] = at.psi_traces[0]
    information[k, k] = nu
    scale = 1 / np.sqrt(np.append(_own_information(at), nu))
    values, vectors = np.linalg.eigh(information * scale * scale[:, None])
    return Moves(theta, at, (scale[:, None] * vectors[:, values <= _ZERO * values[-1]]).T)


def _own_information(at: Evaluation) -> np.ndarray:
    """(k,) tr(V^-1 V_e V^-1 V_e); of effects that no level has both, what it could be at most."""
    own = np.diagonal(at.factor.traces()[0])
    most = variance_products(at.problem.system.layout, own)
    own = np.where(own > _ABSENT * most, own, most)
    return np.where(own > 0, own, 1.0)


def variance_products(layout: Layout, entries: np.ndarray) -> np.ndarray:
    """(k,) sqrt(v_r v_c) for the entries (r, c) of Psi, v the diagonal ones among ``entries``."""
    width = max(layout.sizes)
    diagonal = np.zeros((len(layout.sizes), width))
    own = layout.row == layout.column
    diagonal[layout.group[own], layout.row[own]] = entries[own]
    return np.sqrt(diagonal[layout.group, layout.row] * diagonal[layout.group, layout.column])


def confounding(problem: EstimationProblem) -> Confounding | None:
    """What of the fixed effects hangs on variances that no data tell; None where data tell all."""
    if not len(problem.system.layout):
        return None
    moves = unseen_moves(problem)
    if not len(moves.directions):
        return None
    p = problem.system.nfixed
    parts = np.concatenate([moves.at.T[0, :, :p, :p], np.eye(p)[None]])
    slopes = np.einsum("de,epq->dpq", moves.directions, parts)
    spread = variance_products(problem.system.layout, problem.system.layout.psi(moves.theta))
    size = np.abs(moves.directions) @ np.append(1 / spread, 1.0)
    largest = np.abs(slopes).max(axis=(1, 2), initial=0.0)
    felt = largest > _ROUNDING * size
    half = problem.system.back() @ moves.at.R_inverse[0]
    return Confounding(half, slopes[felt] / largest[felt, None, None])


def may_be_confounded(at: Evaluation) -> bool:
    """Whether the question has to be asked of the optimum of a single response.

    A fit by REML inside the range of its parameters, whose criterion is curved in every direction,
    leaves none unseen.
    """
    system = at.problem.system
    if not len(system.layout):
        return False
    if at.problem.criterion != REML:
        return True
    lambdas = system.layout.lambdas(at.theta[:1])
    roots = [lambdas[block.group][:, block.place, block.place] for block in system.terms]
    if any(nearly_singular(root, _NEARLY_SINGULAR).any() for root in roots):
        return True
    if not np.isfinite(at.profiled_hessian).all():
        return True
    relative = _relative_changes(system, [block[0] for block in lambdas])
    curvature = np.linalg.eigvalsh(relative @ at.profiled_hessian[0] @ relative.T)
    return not curvature[0] > max(_FLAT, _ZERO * curvature[-1])


def _relative_changes(system: System, lambdas: list[np.ndarray]) -> np.ndarray:
    """(k, k): the changes Lambda E of theta, E with a single 1 in the lower triangle of a term."""
    layout, out = system.layout, []
    for block in system.terms:
        own = lambdas[block.group][block.place, block.place]
        for row, column in zip(block.structure.row, block.structure.column, strict=True):
            change = [np.zeros_like(other) for other in lambdas]
            change[block.group][block.place, block.offset + column] = own[:, row]
            out.append(layout.theta(change))
    return np.array(out)


def _fixed_place(system: System) -> np.ndarray:
    """(k,) a whitened theta inside the range, with no two variances or correlations alike."""
    layout: Layout = system.layout
    lambdas = [np.zeros((q, q)) for q in layout.sizes]
    for t, block in enumerate(system.terms):
        rows_per_level = system.nobs / system.groups[block.group].levels
        size = np.sqrt(_PLACE / rows_per_level) * (1 + t / (2 * len(system.terms)))
        lower = np.tril(np.full((block.size, block.size), _SLANT), -1)
        diagonal = np.diag(1 + np.arange(block.size) / (2 * block.size))
        lambdas[block.group][block.place, block.place] = size * (diagonal + lower)
    return layout.theta(lambdas)
