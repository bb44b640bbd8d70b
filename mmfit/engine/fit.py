"""Fit a model: whiten, choose the solver, start, optimise, and come back to the user's units."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag, solve_triangular

from mmfit.engine.criterion import Evaluation, Problem
from mmfit.engine.optimizer import Optimum, optimize, semidefinite_cholesky
from mmfit.engine.records import (
    Fit,
    GroupModes,
    OptimizerRecord,
    VarianceTerm,
    VarianceUncertainty,
)
from mmfit.engine.solvers import Solver, choose_solver
from mmfit.engine.start import starting_theta
from mmfit.engine.system import System, build_system
from mmfit.formula.matrices import ModelMatrices

# An effect whose contribution to the response has a standard deviation below this share of sigma
# (in some direction of its term) makes the fit singular; lme4 uses the same figure on raw theta.
SINGULAR = 1e-4


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model's whitened system and solver, shared by its fits under both criteria."""

    matrices: ModelMatrices
    system: System
    solver: Solver


def prepare(matrices: ModelMatrices) -> Prepared:
    """Form all cross-products; the only work that grows with the number of rows."""
    system = build_system(matrices)
    return Prepared(matrices, system, choose_solver(system))


def fit_model(
    matrices: ModelMatrices,
    *,
    reml: bool = True,
    start: np.ndarray | None = None,
    prepared: Prepared | None = None,
) -> Fit:
    """Fit a linear mixed model by REML or ML.

    Parameters
    ----------
    matrices : the model;  reml : the criterion.
    start : (k,) theta in lme4's order and scale, or None for MINQUE(0).
    prepared : the result of :func:`prepare` for the same matrices, to share its work.

    Raises
    ------
    DesignError
        When the fixed effects leave nothing to estimate.
    ComputationError
        When the criterion cannot be evaluated.
    """
    prepared = prepare(matrices) if prepared is None else prepared
    problem = Problem(prepared.system, prepared.solver, reml)
    theta = starting_theta(problem) if start is None else _whitened_start(problem.system, start)
    optimum = optimize(problem, theta)
    return _to_fit(matrices, problem, optimum)


def fit_both(matrices: ModelMatrices) -> dict[str, Fit]:
    """The REML and the ML fit from the same cross-products, ML started at the REML theta."""
    prepared = prepare(matrices)
    reml = fit_model(matrices, reml=True, prepared=prepared)
    ml = fit_model(matrices, reml=False, start=reml.theta, prepared=prepared)
    return {"REML": reml, "ML": ml}


def fitted_values(matrices: ModelMatrices, fit: Fit) -> np.ndarray:
    """(n,) conditional fitted values: X beta + Z b + offset, in units of the response."""
    out = matrices.X @ fit.fixef
    if matrices.offset is not None:
        out = out + matrices.offset
    used: dict[str, int] = {}
    modes = {group.grouping: group.modes for group in fit.groups}
    for term in matrices.random:
        begin = used.get(term.grouping, 0)
        used[term.grouping] = begin + len(term.effects)
        columns = modes[term.grouping][:, begin : used[term.grouping]]
        out = out + np.einsum("nq,nq->n", term.model, columns[term.codes])
    return out


def _whitened_start(system: System, theta: np.ndarray) -> np.ndarray:
    """Whiten a user-scale theta and move it off the boundary, where the search cannot begin."""
    white = np.linalg.solve(system.theta_jacobian(), np.asarray(theta, dtype=float))
    lambdas = system.layout.lambdas(white)
    for block in system.terms:
        s = block.place
        part = lambdas[block.group][s, s]
        values, vectors = np.linalg.eigh(part @ part.T)
        if values.min() < 1e-4:
            psi = (vectors * np.maximum(values, 1e-4)) @ vectors.T
            lambdas[block.group][s, s] = semidefinite_cholesky(psi)
    return system.layout.theta(lambdas)


def _to_fit(matrices: ModelMatrices, problem: Problem, optimum: Optimum) -> Fit:
    system, at = problem.system, optimum.evaluation
    sigma = float(system.scale * np.sqrt(at.r2 / problem.nu))
    p = system.nfixed
    back = solve_triangular(system.x_factor, np.eye(p)) if p else np.zeros((0, 0))
    roots = [at.lambdas[b.group][b.place, b.place] for b in system.terms]
    singular = tuple(
        term.group
        for term, root in zip(matrices.random, roots, strict=True)
        if np.linalg.svd(root, compute_uv=False)[-1] < SINGULAR
    )
    half = back @ at.R_inverse * sigma
    return Fit(
        formula=matrices.formula,
        criterion="REML" if problem.reml else "ML",
        objective=at.objective,
        nobs=matrices.nobs,
        npar=p + len(system.layout) + 1,
        sigma=sigma,
        theta=system.theta_jacobian() @ at.theta,
        fixed_names=matrices.fixed_names,
        fixef=system.beta_start + system.scale * (back @ at.beta),
        vcov=half @ half.T,
        dropped=matrices.dropped,
        terms=_variance_terms(matrices, system, roots, sigma),
        groups=_group_modes(matrices, system, at, sigma),
        singular=bool(singular),
        singular_groups=singular,
        uncertainty=_uncertainty(system, at, back, sigma),
        optimizer=_optimizer_record(problem, optimum),
    )


def _variance_terms(matrices, system, roots, sigma) -> tuple[VarianceTerm, ...]:
    out = []
    for term, block, root in zip(matrices.random, system.terms, roots, strict=True):
        lam = solve_triangular(block.transform, root, lower=True) * sigma
        out.append(VarianceTerm(term.group, term.grouping, term.effects, lam @ lam.T))
    return tuple(out)


def _group_modes(matrices, system, at: Evaluation, sigma) -> tuple[GroupModes, ...]:
    """Conditional modes b = Lambda Lambda' Z'Py and their covariance, per grouping factor."""
    posterior = at.factor.posterior_blocks()
    members: dict[str, list[int]] = {}
    for index, term in enumerate(matrices.random):
        members.setdefault(term.grouping, []).append(index)
    out = []
    for grouping, indices in members.items():
        blocks = [system.terms[i] for i in indices]
        g = blocks[0].group
        psi = at.lambdas[g] @ at.lambdas[g].T
        columns = np.concatenate([np.arange(b.offset, b.offset + b.size) for b in blocks])
        back = block_diag(
            *(solve_triangular(b.transform, np.eye(b.size), lower=True) for b in blocks)
        )
        modes = (at.residual_cross[g] @ psi)[:, columns] @ back.T * system.scale
        covariance = back @ posterior[g][:, columns[:, None], columns] @ back.T * sigma**2
        effects = tuple(name for i in indices for name in matrices.random[i].effects)
        out.append(
            GroupModes(grouping, effects, matrices.random[indices[0]].levels, modes, covariance)
        )
    return tuple(out)


def _uncertainty(system: System, at: Evaluation, back, sigma) -> VarianceUncertainty:
    """A = 2 H+ and the derivatives of vcov(beta), as lmerTest defines them, in (theta, sigma).

    Kuznetsova, Brockhoff & Christensen 2017, section 2; directions in which the criterion is not
    convex carry no information and are left out, as in lmerTest. That is judged after scaling to a
    unit diagonal, since theta and sigma may differ by many orders of magnitude.
    """
    scale = 1 / np.sqrt(np.maximum(np.abs(np.diag(at.hessian)), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(at.hessian * np.outer(scale, scale))
    keep = values > 1e-10
    root = scale[:, None] * vectors[:, keep] / np.sqrt(values[keep])
    inverse = 2 * root @ root.T
    to_user = block_diag(system.theta_jacobian(), [[system.scale]])
    scaled = back @ at.C * sigma
    slopes = np.einsum("pa,iab,qb->ipq", scaled, at.x_slopes, scaled, optimize=True)
    to_white = np.linalg.inv(system.theta_jacobian())
    theta_part = np.einsum("ji,jpq->ipq", to_white, slopes)
    sigma_part = 2 * sigma * back @ at.C @ back.T
    return VarianceUncertainty(
        covariance=to_user @ inverse @ to_user.T,
        jacobian=np.concatenate([theta_part, sigma_part[None]]),
    )


def _optimizer_record(problem: Problem, optimum: Optimum) -> OptimizerRecord:
    at = optimum.evaluation
    k = len(at.theta)
    curvature = float(np.linalg.eigvalsh(at.profiled_hessian)[0]) if k else 0.0
    return OptimizerRecord(
        solver=problem.solver.name,
        method=optimum.method,
        evaluations=optimum.evaluations,
        start_objective=optimum.start_objective,
        objective=at.objective,
        gradient_norm=float(np.abs(at.gradient).max()) if k else 0.0,
        predicted_decrease=optimum.predicted_decrease,
        curvature=curvature,
        converged=optimum.converged,
        message=optimum.message,
    )
