"""Kenward and Roger's adjusted covariance of the fixed effects, without n x n matrices.

Var(y) = sum over r of gamma_r G_r is linear in gamma = (the covariances of the random effects,
sigma^2). With Phi = (X'V^-1 X)^-1, V = Var(y) at the REML estimates, P_r = -X'V^-1 G_r V^-1 X,
Q_rs = X'V^-1 G_r V^-1 G_s V^-1 X and W the inverse of the expected REML information,
    Phi_A = Phi + 2 Phi {sum over r, s of W_rs (Q_rs - P_r Phi P_s)} Phi
(Kenward & Roger 1997, Biometrics 53: 983-997, eq. 5 and section 3; the same as in Halekoh &
Hojsgaard 2014, J. Stat. Software 59(9), section 3). Phi_A and all that follows from the P_r and W
are the same for any other basis of the space of the G_r. Here it is {V_e} and V itself in place of
the identity, because P_V = -Phi^-1 and Q_eV - P_e Phi P_V = 0 need no difference that cancels.

In the basis X R^-1, in which X'V^-1 X is the identity, -P_e becomes T_e of :mod:`criterion`.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.criterion import REML
from mmfit.engine.estimates import estimates
from mmfit.engine.evaluation import EstimationProblem, Evaluation
from mmfit.engine.fit import Prepared
from mmfit.engine.many import ManyFits, blocks
from mmfit.engine.records import Fit
from mmfit.formula.matrices import ModelMatrices

# Eigenvalues of the information below this share of the largest are zero, each parameter scaled
# to what its information would be if no fixed effect had to be estimated.
_CONFOUNDED = 1e-9
# Numbers in the products of one block of responses.
_NUMBERS = 4_000_000


@dataclass(frozen=True, slots=True)
class AdjustedCovariance:
    """What Kenward and Roger's tests need of B responses, in units of the response.

    Attributes
    ----------
    vcov : (B, p, p), the adjusted covariance Phi_A.
    half : (B, p, p), a root of the unadjusted one, Phi = half half'.
    slopes : (B, k + 1, p, p), -P_r with half' on the left and half on the right: the T_e and, for
        V, the identity.
    weights : (B, k + 1, k + 1), W in the same directions, in units of sigma^4.
    blind : (B, k + 1, k + 1), its columns the combinations of variance parameters without any
        information once the fixed effects are estimated, and zeros. W has nothing of them; what
        depends on them has no degrees of freedom.
    units : (B, k + 1), a scale for each parameter, in which ``blind`` has columns of length one.
    """

    vcov: np.ndarray
    half: np.ndarray
    slopes: np.ndarray
    weights: np.ndarray
    blind: np.ndarray
    units: np.ndarray

    @property
    def confounded(self) -> np.ndarray:
        """(B,) int, dimensions of the variance parameters without information."""
        return self.blind.any(axis=1).sum(axis=1)


def adjusted_covariance(prepared: Prepared, fit: Fit) -> AdjustedCovariance:
    """The adjusted covariance at the estimates of a REML fit, for a batch of one.

    What it costs: :mod:`mmfit.engine.derived.kenward_roger_cost`.
    """
    problem = EstimationProblem(prepared.system, prepared.solver, REML)
    if np.isnan(fit.theta).any():
        return _missing(len(fit.theta), len(fit.fixef))
    if not len(fit.theta):
        return adjust(problem.at(np.zeros((1, 0))))
    white = np.linalg.solve(prepared.system.theta_jacobian(), fit.theta)
    return adjust(problem.at(white[None]))


def many_adjusted(
    matrices: ModelMatrices, responses: np.ndarray, fits: ManyFits
) -> AdjustedCovariance:
    """The same of each of B responses (B, n) and its REML fit."""
    parts, begin = [], 0
    k, p = fits.theta.shape[1], matrices.X.shape[1]
    step = max(2, _NUMBERS // max((k * (p + 1)) ** 2, 1))
    for problem in blocks(matrices, responses, REML):
        theta = fits.white_theta[begin : begin + problem.batch]
        begin += problem.batch
        # a last response that stands alone has its double beside it
        theta = np.resize(theta, (problem.batch, k))
        for low in range(0, problem.batch, step):
            members = np.arange(low, min(low + step, problem.batch))
            parts.append(adjust(problem.at(theta[members], members)))
    columns = ((getattr(part, name) for part in parts) for name in AdjustedCovariance.__slots__)
    return AdjustedCovariance(*(np.concatenate(list(c))[: len(responses)] for c in columns))


def _missing(k: int, p: int) -> AdjustedCovariance:
    """Of a fit without estimates."""
    shapes = ((p, p), (p, p), (k + 1, p, p), (k + 1, k + 1))
    blank = (np.full((1, *shape), np.nan) for shape in shapes)
    return AdjustedCovariance(*blank, np.zeros((1, k + 1, k + 1)), np.ones((1, k + 1)))


def adjust(at: Evaluation) -> AdjustedCovariance:
    """The adjusted covariance at the optimum of the REML criterion of each response."""
    T = np.ascontiguousarray(at.T[:, :, :-1, :-1])
    A, k, p, _ = T.shape
    products = at.factor.pair_blocks(np.swapaxes(at.inverse_root, 1, 2)[:, :, :-1])
    weights, blind, units = _weights(at, T, products)
    along = weights[:, :k, :k]
    weighted = np.einsum("aef,afij->aeij", along, T)
    inner = np.einsum("aef,aefij->aij", along, products)
    inner = inner - np.einsum("aeij,aejl->ail", T, weighted)
    half = estimates(at).half
    grown = np.eye(p) + inner + np.swapaxes(inner, 1, 2)
    slopes = np.concatenate([T, np.broadcast_to(np.eye(p), (A, 1, p, p))], axis=1)
    vcov = half @ grown @ np.swapaxes(half, 1, 2)
    vcov = (vcov + np.swapaxes(vcov, 1, 2)) / 2
    return AdjustedCovariance(vcov, half, slopes, weights, blind, units)


def _weights(at: Evaluation, T, products) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W (A, k + 1, k + 1), twice the inverse of the tr(P G_r P G_s); ``blind`` and ``units``."""
    k, nu = T.shape[1], at.problem.nu
    information = np.empty((len(T), k + 1, k + 1))
    information[:, :k, :k] = at.psi_information
    information[:, :k, k] = information[:, k, :k] = at.psi_traces
    information[:, k, k] = nu
    # tr(V^-1 V_e V^-1 V_e), from tr(P V_e P V_e)
    index = np.arange(k)
    own = information[:, index, index]
    whole = own + 2 * np.einsum("aeeii->ae", products) - np.einsum("aeij,aeij->ae", T, T)
    scale = np.ones((len(T), k + 1))
    scale[:, :k] = 1 / np.sqrt(np.where(whole > 0, whole, 1.0))
    scale[:, k] = 1 / np.sqrt(nu)
    values, vectors = np.linalg.eigh(information * scale[:, :, None] * scale[:, None, :])
    known = values > _CONFOUNDED * values[:, -1:]
    inverse = np.where(known, 2 / np.where(known, values, 1.0), 0.0)
    axes = scale[:, :, None] * vectors
    root = axes * np.sqrt(inverse)[:, None, :]
    return root @ np.swapaxes(root, 1, 2), axes * ~known[:, None, :], scale
