"""The likelihood-ratio test of two fitted models: the one place where it is computed.

Comparisons, ladders, searches, ``ranova`` and audits are views of its record.
"""

from dataclasses import dataclass, replace

import numpy as np

from mmfit.engine.records import Fit
from mmfit.inference.null_distributions.bootstrap import Replicates
from mmfit.inference.null_distributions.mixtures import plain
from mmfit.selection import words
from mmfit.selection.pair_tests.fitted_pair import FittedPair, NullSource, fitted_pair
from mmfit.selection.pair_tests.null_choice import choose_null
from mmfit.selection.records import DecidedTest, NullDistribution, NullSettings, Remark
from mmfit.selection.relations.validity import PairAssessment

# Large-sample and exact laws alone.
WITHOUT_BOOTSTRAP = NullSettings("auto", replicates=0, only_deciding=True)
# Seconds that ``auto`` may spend on the replicates of one test of a search; and of one test of a
# selection that is repeated, in all its samples together.
SEARCH_SECONDS, AUDIT_SECONDS = 5.0, 30.0
# Seconds for one test of a selection that is repeated along a line, about a hundred times.
LINE_SECONDS = 0.3
# A selection that is repeated needs decisions, not p-values: few replicates of a test, and
# none where the large-sample p-value is so far from the level that they could not change its side.
AUDIT_REPLICATES = 99
FAR_BELOW, FAR_ABOVE = 1 / 50, 4.0


def search_nulls(settings: NullSettings) -> NullSettings:
    """The same settings for the tests of a search, of which there are many."""
    seconds = min(settings.seconds, SEARCH_SECONDS)
    return replace(settings, only_deciding=True, seconds=seconds)


def audit_nulls(settings: NullSettings, samples: int, alpha: float) -> NullSettings:
    """The same settings for a selection at a level ``alpha`` that is repeated ``samples`` times.

    Replicates are fewer, and drawn only where they can change a decision.
    """
    few = replace(settings, replicates=min(settings.replicates, AUDIT_REPLICATES))
    return _decisions_alone(few, alpha, AUDIT_SECONDS / samples)


def line_nulls(settings: NullSettings, alpha: float) -> NullSettings:
    """The same settings for a selection that is repeated on responses along a line.

    The replicates are those of the selection itself, drawn only where they can change a decision,
    and fewer where those of a test would take too long.
    """
    return _decisions_alone(settings, alpha, LINE_SECONDS)


def _decisions_alone(settings: NullSettings, alpha: float, seconds: float) -> NullSettings:
    """For a selection whose p-values nobody reads. A bootstrap that was asked for gives way to the
    calibrated law, which needs fewer replicates.
    """
    replicated = settings.method in ("bootstrap", "calibrated")
    return replace(
        settings,
        method="auto" if replicated else settings.method,
        only_deciding=True,
        seconds=min(settings.seconds, seconds),
        open_between=(FAR_BELOW * alpha, FAR_ABOVE * alpha),
    )


def sample_nulls(settings: NullSettings, seed: int, sample: int) -> NullSettings:
    """The same settings for one of the samples that a selection is repeated on.

    Replicates have streams of each sample's own. Were they the same everywhere, the errors of all
    calibrated laws would be one, and would not average out over the samples.
    """
    state = np.random.SeedSequence(seed, spawn_key=(sample, 1)).generate_state(4)
    return replace(settings, seed=int.from_bytes(state.tobytes(), "little"))


@dataclass(frozen=True, slots=True)
class LikelihoodRatio(DecidedTest):
    """A test of the null against the alternative.

    Attributes
    ----------
    fitted : FittedPair;  distributions : NullDistributions, of which one decides.
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
        """Of the distribution that decides."""
        return self.decided_by.p_value

    @property
    def p_value_chi2(self) -> float:
        """Of the plain chi-square."""
        return plain(self.df).survival(self.chisq)

    @property
    def null_distribution(self) -> str:
        """The distribution that decides, as printed."""
        return words.distribution(self.decided_by)

    @property
    def note(self) -> str | None:
        """The remarks in words."""
        return words.remarks(self.remarks)


def likelihood_ratio(
    pair: PairAssessment,
    null_fit: Fit,
    alternative_fit: Fit,
    settings: NullSettings | None = None,
    replicates: Replicates | None = None,
    source: NullSource | None = None,
) -> LikelihoodRatio:
    """Test a valid pair; both fits converged, by one criterion, under REML with X of equal span.

    Parameters
    ----------
    settings : how the null distribution is found; by default the best that keeps its level.
    replicates : of the bootstrap, where they were computed elsewhere.
    source : what else is known of the null, where there is something.

    Raises
    ------
    ComputationError : the null fits better than the alternative by more than the optima's errors.
    ComparisonError : ``replicates`` are too few for the settings.
    """
    settings = NullSettings() if settings is None else settings
    fitted = fitted_pair(pair, null_fit, alternative_fit, source)
    choice = choose_null(fitted, settings, replicates)
    return LikelihoodRatio(fitted, choice.distributions, choice.remarks)
