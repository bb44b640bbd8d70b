"""The likelihood-ratio test of two fitted models: the one place where it is computed.

Comparisons, ladders, searches, ``ranova`` and audits are views of its record.
"""

from dataclasses import dataclass, replace

import numpy as np

from mmfit.engine.records import Fit
from mmfit.inference.null_distributions.mixtures import plain
from mmfit.selection import words
from mmfit.selection.pair_tests.fitted_pair import FittedPair, fitted_pair
from mmfit.selection.pair_tests.null_choice import (
    choose_large_sample,
    choose_null,
    large_sample_decides,
)
from mmfit.selection.records import NullDistribution, NullSettings, Remark
from mmfit.selection.relations.validity import PairAssessment

# The best distribution that holds, but no bootstrap: a search makes many tests.
WITHOUT_BOOTSTRAP = NullSettings("auto", replicates=0)


def search_nulls(settings: NullSettings) -> NullSettings:
    """The same settings for the tests of a search: ``auto`` makes no bootstrap there."""
    return replace(settings, replicates=0) if settings.method == "auto" else settings


def audit_nulls(settings: NullSettings) -> NullSettings:
    """The same settings for a selection that is repeated many times: no bootstrap at all.

    A bootstrap of every test of every sample would tell little more for a thousandfold cost.
    """
    return WITHOUT_BOOTSTRAP if settings.method == "bootstrap" else search_nulls(settings)


@dataclass(frozen=True, slots=True)
class LikelihoodRatio:
    """A test of the null against the alternative.

    Attributes
    ----------
    fitted : FittedPair;  distributions : NullDistributions, of which at most one decides.
    remarks : what must be said about the choice among them.
    """

    fitted: FittedPair
    distributions: tuple[NullDistribution, ...]
    remarks: tuple[Remark, ...]

    @property
    def chisq(self) -> float:
        """The statistic, not negative."""
        return self.fitted.chisq

    @property
    def df(self) -> int:
        """The difference of the models' dimensions."""
        return self.fitted.pair.df

    @property
    def p_value(self) -> float:
        """Of the plain chi-square."""
        return plain(self.df).survival(self.chisq)

    @property
    def decided_by(self) -> NullDistribution | None:
        """The null distribution that holds, where one was found."""
        return next((found for found in self.distributions if found.decides), None)

    @property
    def p_value_boundary(self) -> float | None:
        """Of the distribution that decides, where there is one."""
        return None if self.decided_by is None else self.decided_by.p_value

    @property
    def null_distribution(self) -> str | None:
        """The distribution that decides, as printed."""
        return None if self.decided_by is None else words.distribution(self.decided_by)

    @property
    def note(self) -> str | None:
        """The remarks in words."""
        return words.remarks(self.remarks)

    @property
    def deciding(self) -> float:
        """The p-value to go by: that of the null distribution, or else the plain one.

        Without one the null is singular, and the plain chi-square errs on the side of the null.
        """
        return self.p_value if self.decided_by is None else self.decided_by.p_value

    @property
    def kind(self) -> str:
        """``boundary`` or ``plain``, as ``deciding``."""
        return "plain" if self.decided_by is None else "boundary"

    @property
    def distribution(self) -> str:
        """The distribution of ``deciding``, as printed."""
        return self.null_distribution or str(plain(self.df))


def likelihood_ratio(
    pair: PairAssessment,
    null_fit: Fit,
    alternative_fit: Fit,
    settings: NullSettings | None = None,
    statistics: np.ndarray | None = None,
    *,
    side_by_side: bool = True,
) -> LikelihoodRatio:
    """Test a valid pair; both fits converged, by one criterion, under REML with X of equal span.

    Parameters
    ----------
    settings : how the null distribution is found; by default the best that holds.
    statistics : of the bootstrap's replicates, where they were computed elsewhere.
    side_by_side : whether distributions that do not decide are wanted, too.

    Raises
    ------
    ComputationError : the null fits better than the alternative by more than the optima's errors.
    ComparisonError : ``statistics`` are too few for the settings.
    """
    settings = NullSettings() if settings is None else settings
    fitted = fitted_pair(pair, null_fit, alternative_fit)
    if not side_by_side and large_sample_decides(fitted, settings):
        choice = choose_large_sample(fitted, settings)
    else:
        choice = choose_null(fitted, settings, statistics)
    return LikelihoodRatio(fitted, choice.distributions, choice.remarks)
