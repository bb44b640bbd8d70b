"""A valid pair with its fits: the statistic, and the laws that it can have, each found once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from mmfit.engine.fit import fit_model
from mmfit.engine.records import Fit
from mmfit.errors import ComputationError, MmfitError
from mmfit.inference.null_distributions.bootstrap import (
    NOISE,
    ROUNDING,
    BootstrapTest,
    NullFits,
    refit_seconds,
)
from mmfit.selection.pair_tests.boundary import NullLaw, edge_orders, null_law
from mmfit.selection.pair_tests.one_variance import exact_distribution
from mmfit.selection.records import NullDistribution, Remark
from mmfit.selection.relations.validity import PairAssessment


@dataclass(frozen=True, slots=True)
class NullSource:
    """What is known of a null model beside its fit by the criterion of the test.

    Attributes
    ----------
    reml : gives its REML fit, which responses are drawn from.
    fits : its fits to drawn responses, shared by all tests of which it is the null.
    """

    reml: Callable[[], Fit]
    fits: NullFits


@dataclass(frozen=True)
class FittedPair:
    """A valid pair with its fits by the criterion of the test.

    Attributes
    ----------
    pair : PairAssessment;  null_fit, alternative_fit : Fit.
    chisq : float, the statistic, not negative.
    shift : float, see :meth:`Structure.basis_constant`.
    source : what else is known of the null, or None.
    """

    pair: PairAssessment
    null_fit: Fit
    alternative_fit: Fit
    chisq: float
    shift: float = 0.0
    source: NullSource | None = None

    @property
    def linear_null(self) -> bool:
        """Whether the null has no random effects: then an exact law holds, if there is one."""
        return not self.pair.null.family.terms

    @cached_property
    def law(self) -> NullLaw:
        """The large-sample null distribution."""
        return null_law(self.pair, self.null_fit, self.alternative_fit)

    @cached_property
    def exact(self) -> NullDistribution | Remark:
        """The exact null distribution with its p-value, or why there is none."""
        return exact_distribution(self.pair, self.null_fit, self.chisq)

    @cached_property
    def tail_alone(self) -> bool:
        """Whether only the tail of the statistic has the shape of the large-sample law.

        Where variances lie at the edge the statistic has a mass at zero and weights that depend on
        the sample; where the null is singular by itself, so has whatever random effects are tested.
        """
        random = self.pair.df > self.pair.fixed_df
        return sum(edge_orders(self.pair)) > 0 or (random and self.null_fit.singular)

    @cached_property
    def bootstrap(self) -> BootstrapTest:
        """What the bootstrap needs of the pair."""
        null, alternative = self.pair.null.matrices, self.pair.alternative.matrices
        fits = {} if self.source is None else self.source.fits
        return BootstrapTest(null, alternative, self.null_fit, self.shift, self._drawn_from(), fits)

    @property
    def drawn_by(self) -> str:
        """The criterion of the null fit that responses are drawn from."""
        return self.bootstrap.drawn_from.criterion

    def _drawn_from(self) -> Fit:
        """The null as responses are drawn from it: by REML, where that fit can be had.

        The law does not depend on sigma, which is all that REML changes without random effects.
        """
        if self.null_fit.criterion == "REML" or not self.null_fit.terms:
            return self.null_fit
        try:
            known = self.source
            fit = fit_model(self.pair.null.matrices) if known is None else known.reml()
        except MmfitError:
            return self.null_fit
        return fit if fit.converged else self.null_fit

    @cached_property
    def replicate_seconds(self) -> float:
        """About how long one replicate of a bootstrap takes."""
        null = refit_seconds(self.pair.null.matrices, self.null_fit)
        return null + refit_seconds(self.pair.alternative.matrices, self.alternative_fit)


def fitted_pair(
    pair: PairAssessment,
    null_fit: Fit,
    alternative_fit: Fit,
    source: NullSource | None = None,
) -> FittedPair:
    """A valid pair with converged fits by one criterion, that of the test.

    A fit stops when a further step promises less than 1e-9 and may sit 1e-6 above the optimum;
    whether two optima differ by less is not known, so that a smaller statistic is zero.

    Raises
    ------
    ComputationError : the null fits better than the alternative by more than the optima's errors.
    """
    pair = replace(pair, criterion=null_fit.criterion)
    shift = pair.null.basis_constant(pair.alternative) if pair.criterion == "REML" else 0.0
    alternative = alternative_fit.objective + shift
    chisq = float(null_fit.objective - alternative)
    noise = NOISE + ROUNDING * abs(null_fit.objective)
    if chisq < -noise:
        raise ComputationError(
            f"{pair.null.name} fits better than {pair.alternative.name}, which contains it "
            f"({pair.criterion} criterion {null_fit.objective:.6f} against {alternative:.6f},"
            f" chi-square {chisq:.3g}): one of the two fits has not reached its optimum"
        )
    chisq = chisq if chisq > noise else 0.0
    return FittedPair(pair, null_fit, alternative_fit, chisq, shift, source)
