"""A valid pair with its fits: the statistic, and the laws that it can have, each found once."""

from dataclasses import dataclass, replace
from functools import cached_property

from mmfit.engine.records import Fit
from mmfit.errors import ComputationError
from mmfit.inference.null_distributions.bootstrap import (
    NOISE,
    ROUNDING,
    BootstrapTest,
    refit_seconds,
)
from mmfit.selection.pair_tests.boundary import NullLaw, null_law
from mmfit.selection.pair_tests.one_variance import exact_distribution
from mmfit.selection.records import NullDistribution, Remark
from mmfit.selection.relations.validity import PairAssessment


@dataclass(frozen=True)
class FittedPair:
    """A valid pair with its fits by the criterion of the test.

    Attributes
    ----------
    pair : PairAssessment;  null_fit, alternative_fit : Fit.
    chisq : float, the statistic, not negative.
    shift : float, see :meth:`Structure.basis_constant`.
    """

    pair: PairAssessment
    null_fit: Fit
    alternative_fit: Fit
    chisq: float
    shift: float = 0.0

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

    @property
    def bootstrap(self) -> BootstrapTest:
        """What the bootstrap needs of the pair."""
        null, alternative = self.pair.null.matrices, self.pair.alternative.matrices
        return BootstrapTest(null, alternative, self.null_fit, self.shift)

    @cached_property
    def replicate_seconds(self) -> float:
        """About how long one replicate of a bootstrap takes."""
        null = refit_seconds(self.pair.null.matrices, self.null_fit)
        return null + refit_seconds(self.pair.alternative.matrices, self.alternative_fit)


def fitted_pair(pair: PairAssessment, null_fit: Fit, alternative_fit: Fit) -> FittedPair:
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
    return FittedPair(pair, null_fit, alternative_fit, chisq if chisq > noise else 0.0, shift)
