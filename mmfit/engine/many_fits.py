"""Fits of one model to many responses, and the record of one of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mmfit.common.lazy_fields import Deferred
from mmfit.engine.confounding import confounding, may_be_confounded
from mmfit.engine.criterion import Criterion
from mmfit.engine.estimates import conditional_modes, variance_uncertainty
from mmfit.engine.evaluation import Evaluation
from mmfit.engine.optimize.outcomes import SearchOutcomes, joined_outcomes
from mmfit.engine.preparation import prepare
from mmfit.engine.records import Fit, GroupModes, OptimizerRecord, VarianceTerm, VarianceUncertainty
from mmfit.formula.matrices import ModelMatrices
from mmfit.formula.unidentified import unidentified

NO_RESIDUAL = (
    "not converged: the fixed and the random effects fit the response exactly, so there is no "
    "residual variance, and the likelihood grows without bound"
)
_NUMBERS = ("white_theta", "theta", "objective", "sigma", "fixef", "vcov")


@dataclass(frozen=True, slots=True)
class ManyFits:
    """Fits of B responses; first axis: the response, units of each.

    Attributes
    ----------
    matrices : ModelMatrices;  responses : (B, n), in place of the response in ``matrices``.
    criterion : Criterion, REML or ML;  solver : str, its name.
    white_theta : (B, k), the optima in the whitened system.
    theta : (B, k), lme4's order and scale.
    objective : (B,), -2 log (restricted) likelihood;  sigma : (B,).
    fixef : (B, p);  vcov : (B, p, p);  covariances : per term (B, q, q).
    singular : (B, terms) bool.
    outcomes : SearchOutcomes;  unbounded : (B,) bool, the likelihood has no maximum.
    at : Evaluation of a lone response at its optimum, or None.
    """

    matrices: ModelMatrices
    responses: np.ndarray
    criterion: Criterion
    solver: str
    white_theta: np.ndarray
    theta: np.ndarray
    objective: np.ndarray
    sigma: np.ndarray
    fixef: np.ndarray
    vcov: np.ndarray
    covariances: tuple[np.ndarray, ...]
    singular: np.ndarray
    outcomes: SearchOutcomes
    unbounded: np.ndarray
    at: Evaluation | None = None

    @property
    def converged(self) -> np.ndarray:
        """(B,) bool."""
        return self.outcomes.converged

    @property
    def evaluations(self) -> np.ndarray:
        """(B,) int, of the criterion."""
        return self.outcomes.evaluations

    def of(self, members: np.ndarray) -> "ManyFits":
        """The fits of some of the responses, (A,) intp or (B,) bool."""
        arrays = ("responses", *_NUMBERS, "singular", "unbounded")
        return replace(
            self,
            **{name: getattr(self, name)[members] for name in arrays},
            covariances=tuple(block[members] for block in self.covariances),
            outcomes=self.outcomes.of(members),
            at=None,
        )

    def without_estimates(self, members: np.ndarray) -> "ManyFits":
        """The same, the likelihoods of ``members`` (A,) intp having no maximum."""
        lost = np.zeros(len(self.sigma), dtype=bool)
        lost[members] = True
        outcomes = replace(self.outcomes, converged=self.converged & ~lost)
        return replace(
            self,
            **{name: _missing(getattr(self, name), lost) for name in _NUMBERS},
            covariances=tuple(_missing(block, lost) for block in self.covariances),
            singular=self.singular & ~lost[:, None],
            outcomes=outcomes,
            unbounded=self.unbounded | lost,
        )

    def message(self, i: int) -> str:
        """The outcome of one search in words."""
        if self.unbounded[i]:
            return NO_RESIDUAL
        n, p = self.matrices.X.shape
        effects = sum(len(t.levels) * len(t.effects) for t in self.matrices.random)
        return self.outcomes.message(i, effects >= n - p, self.theta.shape[1] > 1)

    def member(self, i: int) -> Fit:
        """The record of one fit; what is computed late is so when it is first asked for."""
        matrices, place = self.matrices, _Place(self, i)
        terms = tuple(
            VarianceTerm(term.group, term.grouping, term.effects, block[i])
            for term, block in zip(matrices.random, self.covariances, strict=True)
        )
        singular = tuple(
            term.group for term, flat in zip(terms, self.singular[i], strict=True) if flat
        )
        return Fit(
            formula=matrices.formula,
            criterion=self.criterion.name,
            objective=float(self.objective[i]),
            nobs=matrices.nobs,
            npar=self.fixef.shape[1] + self.theta.shape[1] + 1,
            sigma=float(self.sigma[i]),
            theta=self.theta[i],
            fixed_names=matrices.fixed_names,
            fixef=self.fixef[i],
            vcov=self.vcov[i],
            dropped=matrices.dropped,
            terms=terms,
            groups=Deferred(place.group_modes),
            singular=bool(singular),
            singular_groups=singular,
            unidentified=Deferred(unidentified, matrices),
            uncertainty=Deferred(place.uncertainty),
            optimizer=self._optimizer_record(i, place),
        )

    def _optimizer_record(self, i: int, place: "_Place") -> OptimizerRecord:
        went = self.outcomes
        return OptimizerRecord(
            solver=self.solver,
            method="bfgs" if went.fallback[i] else "newton",
            evaluations=int(went.evaluations[i]),
            start_objective=float(went.start_objective[i]),
            objective=float(self.objective[i]),
            gradient_norm=float(went.gradient_norm[i]),
            predicted_decrease=float(went.predicted_decrease[i]),
            curvature=Deferred(place.curvature),
            converged=bool(went.converged[i]),
            message=self.message(i),
            first_search=int(went.first_search[i]),
        )


def joined_fits(parts: list[ManyFits], responses: np.ndarray) -> ManyFits:
    """The fits of blocks of the ``responses`` as one; what is there twice is left out."""
    B = len(responses)
    arrays = (*_NUMBERS, "singular", "unbounded")
    blocks = zip(*(part.covariances for part in parts), strict=True)
    return replace(
        parts[0],
        responses=responses,
        **{name: np.concatenate([getattr(part, name) for part in parts])[:B] for name in arrays},
        covariances=tuple(np.concatenate(block)[:B] for block in blocks),
        outcomes=joined_outcomes([part.outcomes for part in parts]).of(slice(B)),
        at=None,
    )


def _missing(block: np.ndarray, lost: np.ndarray) -> np.ndarray:
    return np.where(lost.reshape(-1, *[1] * (block.ndim - 1)), np.nan, block)


class _Place:
    """The optimum of one of many fits, for what is computed late. Without estimates all is NaN."""

    def __init__(self, fits: ManyFits, i: int):
        self.fits, self.i = fits, i

    @property
    def _lost(self) -> bool:
        return bool(np.isnan(self.fits.sigma[self.i]))

    @cached_property
    def at(self) -> Evaluation:
        """The criterion at the optimum, of this response alone; cross-products are formed anew, so
        that a set of fits need not hold them."""
        fits, own = self.fits, slice(self.i, self.i + 1)
        if fits.at is not None:
            return fits.at
        problem = prepare(fits.matrices, fits.responses[own]).problem(fits.criterion)
        return problem.at(fits.white_theta[own])

    def curvature(self) -> float:
        """The smallest eigenvalue of the exact Hessian in theta; 0 without thetas."""
        if self._lost:
            return np.nan
        if not self.fits.theta.shape[1]:
            return 0.0
        return float(np.linalg.eigvalsh(self.at.profiled_hessian)[0, 0])

    def uncertainty(self) -> VarianceUncertainty:
        if self._lost:
            k, p = self.fits.theta.shape[1], self.fits.fixef.shape[1]
            return VarianceUncertainty(
                np.full((k + 1, k + 1), np.nan), np.full((k + 1, p, p), np.nan)
            )
        covariance, jacobian = variance_uncertainty(self.at)
        hidden = confounding(self.at.problem) if may_be_confounded(self.at) else None
        return VarianceUncertainty(covariance[0], jacobian[0], hidden)

    def group_modes(self) -> tuple[GroupModes, ...]:
        """Conditional modes and their covariance, per grouping factor (all of its terms)."""
        random, members = self.fits.matrices.random, {}
        for index, term in enumerate(random):
            members.setdefault(term.grouping, []).append(index)
        numbers = self._missing_modes if self._lost else self._modes
        return tuple(
            GroupModes(
                grouping,
                tuple(name for i in indices for name in random[i].effects),
                tuple(random[indices[0]].levels),
                *found,
            )
            for (grouping, indices), found in zip(
                members.items(), numbers(members.values()), strict=True
            )
        )

    def _modes(self, members: Iterable[list[int]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Per grouping factor with the terms ``members`` modes (L, q), covariance (L, q, q)."""
        posterior, modes = self.at.factor.posterior_blocks(), conditional_modes(self.at, 0)
        sigma = float(self.fits.sigma[self.i])
        for indices in members:
            back = np.vstack([modes[i][1] for i in indices])
            blocks = posterior[self.at.problem.system.terms[indices[0]].group][0]
            yield np.hstack([modes[i][0] for i in indices]), back @ blocks @ back.T * sigma**2

    def _missing_modes(self, members) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for indices in members:
            terms = [self.fits.matrices.random[i] for i in indices]
            levels, q = len(terms[0].levels), sum(len(term.effects) for term in terms)
            yield np.full((levels, q), np.nan), np.full((levels, q, q), np.nan)
