"""From an optimum of the whitened system to estimates in the user's units, for all responses."""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.covariance.roots import nearly_singular
from mmfit.engine.evaluation import Evaluation

# An effect whose contribution to the response has a standard deviation below this share of sigma
# (in some direction of its term) makes the fit singular; lme4 uses the same figure on raw theta.
SINGULAR = 1e-4
# Curvatures of theta that differ by this much are looked at twice; below this share of the sums
# that they are made of they are rounding.
_SUSPECT, _FLAT = 1e-6, 1e-9


@dataclass(frozen=True, slots=True)
class Estimates:
    """Estimates in the user's units; first axis: the response (B).

    Attributes
    ----------
    sigma : (B,);  theta : (B, k), lme4's order and scale.
    fixef : (B, p);  half : (B, p, p), a root of vcov(beta) = half half'.
    covariances : per term (B, q, q);  singular : (B, terms) bool.
    """

    sigma: np.ndarray
    theta: np.ndarray
    fixef: np.ndarray
    half: np.ndarray
    covariances: tuple[np.ndarray, ...]
    singular: np.ndarray

    @property
    def vcov(self) -> np.ndarray:
        """(B, p, p)."""
        return self.half @ np.swapaxes(self.half, 1, 2)


def estimates(at: Evaluation) -> Estimates:
    """The estimates that belong to an optimum of all responses."""
    system = at.problem.system
    scale = system.scale[at.members]
    sigma = scale * np.sqrt(at.r2 / at.problem.nu)
    back = system.back()
    lambdas = system.layout.lambdas(at.theta)
    covariances, singular = [], np.empty((len(sigma), len(system.terms)), dtype=bool)
    for t, block in enumerate(system.terms):
        root = lambdas[block.group][:, block.place, block.place]
        singular[:, t] = nearly_singular(root, SINGULAR)
        lam = block.inverse @ root * sigma[:, None, None]
        covariances.append(lam @ np.swapaxes(lam, 1, 2))
    return Estimates(
        sigma=sigma,
        theta=at.theta @ system.theta_jacobian().T,
        fixef=system.beta_start[at.members] + scale[:, None] * (at.beta @ back.T),
        half=(back @ at.R_inverse) * sigma[:, None, None],
        covariances=tuple(covariances),
        singular=singular,
    )


def variance_uncertainty(at: Evaluation) -> tuple[np.ndarray, np.ndarray]:
    """A = 2 H+ (B, k + 1, k + 1) and the derivatives of vcov(beta) (B, k + 1, p, p).

    As lmerTest defines them, in (theta, sigma), in the user's units (Kuznetsova, Brockhoff &
    Christensen 2017, section 2); directions in which the criterion is not convex carry no
    information and are left out, as in lmerTest. That is judged after scaling to a unit diagonal,
    since theta and sigma may differ by many orders of magnitude.
    """
    system, H = at.problem.system, at.hessian
    k = at.theta.shape[1]
    scale = 1 / np.sqrt(_unit_curvatures(at))
    values, vectors = np.linalg.eigh(H * scale[:, :, None] * scale[:, None, :])
    weight = np.where(values > 1e-10, 2 / np.where(values > 1e-10, values, 1.0), 0.0)
    root = scale[:, :, None] * vectors * np.sqrt(weight)[:, None, :]
    to_user = np.zeros_like(H)
    to_user[:, :k, :k] = system.theta_jacobian()
    to_user[:, k, k] = system.scale[at.members]
    root = to_user @ root
    sigma = system.scale[at.members] * np.sqrt(at.r2 / at.problem.nu)
    back, C = system.back(), at.C
    wide = (back @ C) * sigma[:, None, None]
    slopes = wide[:, None] @ at.x_slopes @ np.swapaxes(wide, 1, 2)[:, None]
    to_white = np.linalg.inv(system.theta_jacobian())
    jacobian = np.empty((len(H), k + 1, *C.shape[1:]))
    jacobian[:, :k] = np.einsum("ji,ajpq->aipq", to_white, slopes)
    jacobian[:, k] = 2 * sigma[:, None, None] * (back @ C @ back.T)
    return root @ np.swapaxes(root, 1, 2), jacobian


def _unit_curvatures(at: Evaluation) -> np.ndarray:
    """(B, k + 1) what the curvatures are measured by: themselves, unless they are rounding.

    A parameter along which the criterion is flat has a curvature of rounding, which must not become
    its own measure. What cancels there is of the size of the information that the parameter would
    have if neither fixed effects nor the response had to be allowed for.
    """
    own = np.abs(np.diagonal(at.hessian, axis1=1, axis2=2))
    k = at.theta.shape[1]
    theta = own[:, :k]
    if k and (theta < _SUSPECT * theta.max(axis=1, keepdims=True)).any():
        layout = at.problem.system.layout
        traces = np.diagonal(at.factor.traces(), axis1=1, axis2=2)
        bent = np.diagonal(layout.curvature(at.factor.trace_slopes()), axis1=1, axis2=2)
        whole = np.einsum("ae,aei->ai", traces, at.jacobian**2) + np.abs(bent)
        own = own.copy()
        own[:, :k] = np.where(theta < _FLAT * whole, whole, theta)
    return np.maximum(own, np.finfo(float).tiny)


def conditional_modes(at: Evaluation, i: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Per term of response ``i``: modes b = Psi Z'Py (levels, q) in the user's units, and the
    term's rows of its group's effects as they come back from whitening (q, group's q)."""
    system = at.problem.system
    lambdas = system.layout.lambdas(at.theta[i])
    residual = at.residual_cross()
    out = []
    for block in system.terms:
        lam = lambdas[block.group]
        back = np.zeros((block.size, len(lam)))
        back[:, block.place] = block.inverse
        modes = residual[block.group][i] @ (lam @ lam.T) @ back.T * system.scale[at.members[i]]
        out.append((modes, back))
    return out
