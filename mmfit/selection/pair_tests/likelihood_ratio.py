"""The likelihood-ratio test of two fitted models: the one place where it is computed.

Comparisons, ladders, searches, ``ranova`` and audits are views of its record.
"""

from dataclasses import dataclass, replace

import numpy as np

from mmfit.engine.records import Fit
from mmfit.inference.null_distributions.mixtures import plain
from mmfit.selection import words
from mmfit.selection.pair_tests.fitted_pair import FittedPair, fitted_pair
from mmfit.selection.pair_tests.null_choice import choose_null
from mmfit.selection.records import DecidedTest, NullDistribution, NullSettings, Remark
from mmfit.selection.relations.validity import PairAssessment

# The best distribution that holds, but no bootstrap: a search makes many tests.
WITHOUT_BOOTSTRAP = NullSettings("auto", replicates=0, only_deciding=True)


def search_nulls(settings: NullSettings) -> NullSettings:
    """The same settings for the tests of a search: ``auto`` makes no bootstrap there."""
    replicates = 0 if settings.method == "auto" else settings.replicates
    return replace(settings, replicates=replicates, only_deciding=True)


def audit_nulls(settings: NullSettings) -> NullSettings:
    """The same settings for a selection that is repeated many times: no bootstrap at all.

    A bootstrap of every test of every sample would tell little more for a thousandfold cost.
    """
    return WITHOUT_BOOTSTRAP if settings.method == "bootstrap" else search_nulls(settings)


@dataclass(frozen=True, slots=True)
class LikelihoodRatio(DecidedTest):
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


def likelihood_ratio(
    pair: PairAssessment,
    null_fit: Fit,
    alternative_fit: Fit,
    settings: NullSettings | None = None,
    statistics: np.ndarray | None = None,
) -> LikelihoodRatio:
    """Test a valid pair; both fits converged, by one criterion, under REML with X of equal span.

    Parameters
    ----------
    settings : how the null distribution is found; by default the best that holds.
    statistics : of the bootstrap's replicates, where they were computed elsewhere.

    Raises
    ------
    ComputationError : the null fits better than the alternative by more than the optima's errors.
    ComparisonError : ``statistics`` are too few for the settings.
    """
    settings = NullSettings() if settings is None else settings
    fitted = fitted_pair(pair, null_fit, alternative_fit)
    choice = choose_null(fitted, settings, statistics)
    return LikelihoodRatio(fitted, choice.distributions, choice.remarks)
