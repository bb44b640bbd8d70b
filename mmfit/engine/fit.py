"""Fit a model: whiten, choose the solver, start, optimise, and come back to the user's units."""

from dataclasses import dataclass

import numpy as np

from mmfit.common.lazy_fields import Later
from mmfit.engine.confounding import confounding, may_be_confounded
from mmfit.engine.covariance.roots import semidefinite_cholesky
from mmfit.engine.criterion import ML, REML, Criterion
from mmfit.engine.estimates import conditional_modes, estimates, variance_uncertainty
from mmfit.engine.evaluation import EstimationProblem, Evaluation
from mmfit.engine.optimize.minque_start import starting_theta
from mmfit.engine.optimize.optimizer import Optima, optimize
from mmfit.engine.optimize.second_starts import isotropic, unmodelled
from mmfit.engine.records import Fit, GroupModes, OptimizerRecord, VarianceTerm, VarianceUncertainty
from mmfit.engine.solvers import Solver, choose_solver
from mmfit.engine.system.degenerate import doubtful, without_estimates, without_residual
from mmfit.engine.system.whitened_system import System, build_system
from mmfit.formula.matrices import ModelMatrices
from mmfit.formula.unidentified import unidentified

# Relative standard deviations beyond this one are no start: the criterion has no digits there.
_HUGE = 1e8


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model's whitened system and solver, shared by its fits under both criteria.

    The system is without what is n long; the solver holds the cross-products. ``unmodelled``:
    whether the mean of some random effect is not in the fixed part.
    """

    matrices: ModelMatrices
    system: System
    solver: Solver
    unmodelled: bool


def prepare(matrices: ModelMatrices, responses: np.ndarray | None = None) -> Prepared:
    """Form all cross-products; the only work that grows with the number of rows.

    ``responses`` (B, n) stand in for the model's own response.
    """
    system = build_system(matrices, responses)
    solver = choose_solver(system, lambda: build_system(matrices, responses))
    return Prepared(matrices, system.without_rows(), solver, unmodelled(system))


def fit_model(
    matrices: ModelMatrices,
    *,
    criterion: Criterion = REML,
    start: np.ndarray | None = None,
    prepared: Prepared | None = None,
) -> Fit:
    """Fit a linear mixed model by REML, or by another criterion.

    Parameters
    ----------
    matrices : the model;  criterion : REML or ML.
    start : (k,) theta in lme4's order and scale; MINQUE(0) for None, or NaN; one at which the
        criterion cannot be evaluated is replaced.
    prepared : the result of :func:`prepare` for the same matrices, to share its work.

    Raises
    ------
    DesignError
        When the fixed effects leave nothing to estimate.
    ComputationError
        When the criterion cannot be evaluated anywhere.
    """
    prepared = prepare(matrices) if prepared is None else prepared
    problem = EstimationProblem(prepared.system, prepared.solver, criterion)
    if start is None or not np.isfinite(start).all():
        theta = starting_theta(problem)
    else:
        theta = _whitened_start(problem.system, start)
    optima = optimize(problem, theta, prepared.unmodelled)
    fit = _to_fit(matrices, optima)
    if (
        doubtful(matrices, optima, np.array([fit.singular]))[0]
        and without_residual(matrices, matrices.y[None], criterion)[0]
    ):
        return without_estimates(fit)
    return fit


def fit_both(matrices: ModelMatrices, prepared: Prepared | None = None) -> dict[str, Fit]:
    """The REML and the ML fit from the same cross-products, ML started at the REML theta.

    ``prepared`` is the result of :func:`prepare` for the same matrices, to share its work.
    """
    prepared = prepare(matrices) if prepared is None else prepared
    reml = fit_model(matrices, criterion=REML, prepared=prepared)
    ml = fit_model(matrices, criterion=ML, start=reml.theta, prepared=prepared)
    return {fit.criterion: fit for fit in (reml, ml)}


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
    """(1, k): a user-scale theta whitened, and moved off the boundary, where no search begins.

    A theta that has no finite covariance in double precision gives way to one of moderate size.
    """
    if not len(system.layout):
        return np.zeros((1, 0))
    with np.errstate(all="ignore"):
        white = np.linalg.solve(system.theta_jacobian(), np.asarray(theta, dtype=float))[None]
        # its square must be a number, and leave room for sums
        white = np.where(np.abs(white) < _HUGE, white, np.sign(white) * _HUGE)
    if not np.isfinite(white).all():
        return isotropic(system, np.ones((1, len(system.terms))))
    lambdas = system.layout.lambdas(white)
    for block in system.terms:
        part = lambdas[block.group][:, block.place, block.place]
        values, vectors = np.linalg.eigh(part @ np.swapaxes(part, 1, 2))
        if values.min() < 1e-4:
            raised = (vectors * np.maximum(values, 1e-4)[:, None]) @ np.swapaxes(vectors, 1, 2)
            part[:] = semidefinite_cholesky(raised)
    return system.layout.theta(lambdas)


def _to_fit(matrices: ModelMatrices, optima: Optima) -> Fit:
    """The record of a single response."""
    at = optima.evaluation
    found = estimates(at)
    problem = at.problem
    singular = tuple(
        term.group for term, flat in zip(matrices.random, found.singular[0], strict=True) if flat
    )
    return Fit(
        formula=matrices.formula,
        criterion=problem.criterion.name,
        objective=float(at.objective[0]),
        nobs=matrices.nobs,
        npar=problem.system.nfixed + len(problem.system.layout) + 1,
        sigma=float(found.sigma[0]),
        theta=found.theta[0],
        fixed_names=matrices.fixed_names,
        fixef=found.fixef[0],
        vcov=found.vcov[0],
        dropped=matrices.dropped,
        terms=tuple(
            VarianceTerm(term.group, term.grouping, term.effects, covariance[0])
            for term, covariance in zip(matrices.random, found.covariances, strict=True)
        ),
        groups=Later(_group_modes, matrices, at, float(found.sigma[0])),
        singular=bool(singular),
        singular_groups=singular,
        unidentified=Later(unidentified, matrices),
        uncertainty=Later(_uncertainty, at),
        optimizer=_optimizer_record(optima),
    )


def _group_modes(matrices, at: Evaluation, sigma: float) -> tuple[GroupModes, ...]:
    """Conditional modes and their covariance, per grouping factor (all of its terms)."""
    posterior = at.factor.posterior_blocks()
    modes = conditional_modes(at, 0)
    members: dict[str, list[int]] = {}
    for index, term in enumerate(matrices.random):
        members.setdefault(term.grouping, []).append(index)
    out = []
    for grouping, indices in members.items():
        back = np.vstack([modes[i][1] for i in indices])
        blocks = posterior[at.problem.system.terms[indices[0]].group][0]
        out.append(
            GroupModes(
                grouping=grouping,
                effects=tuple(name for i in indices for name in matrices.random[i].effects),
                levels=tuple(matrices.random[indices[0]].levels),
                modes=np.hstack([modes[i][0] for i in indices]),
                covariance=back @ blocks @ back.T * sigma**2,
            )
        )
    return tuple(out)


def _uncertainty(at: Evaluation) -> VarianceUncertainty:
    covariance, jacobian = variance_uncertainty(at)
    hidden = confounding(at.problem) if may_be_confounded(at) else None
    return VarianceUncertainty(covariance[0], jacobian[0], hidden)


def _curvature(at: Evaluation) -> float:
    return float(np.linalg.eigvalsh(at.profiled_hessian)[0, 0])


def _optimizer_record(optima: Optima) -> OptimizerRecord:
    at = optima.evaluation
    return OptimizerRecord(
        solver=at.problem.solver.name,
        method="bfgs" if optima.fallback[0] else "newton",
        evaluations=int(optima.evaluations[0]),
        start_objective=float(optima.start_objective[0]),
        objective=float(at.objective[0]),
        gradient_norm=float(optima.gradient_norm[0]),
        predicted_decrease=float(optima.predicted_decrease[0]),
        curvature=Later(_curvature, at) if at.theta.shape[1] else 0.0,
        converged=bool(optima.converged[0]),
        message=optima.message(0),
        first_search=int(optima.first_search[0]),
    )
