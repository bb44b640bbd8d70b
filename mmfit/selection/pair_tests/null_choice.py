"""The null distributions of a test, side by side, and the one that decides.

``auto`` takes the best that keeps its level in a sample of this size: the exact one, where there is
one; else the large-sample one calibrated by bootstrap replicates, if enough of them cost no more
than the settings allow; else the large-sample one as it is, and says so.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from mmfit.errors import ComparisonError, ComputationError
from mmfit.inference.distributions import NORMAL_95
from mmfit.inference.null_distributions.bootstrap import (
    FIRST_STEP,
    BootstrapPValue,
    Replicates,
    Stopping,
    bootstrap_p_value,
    bootstrap_until,
    enough_exceedances,
)
from mmfit.inference.null_distributions.calibration import (
    CalibratedPValue,
    scaled_chi_square,
    scaled_tail,
    tail_without_law,
)
from mmfit.inference.null_distributions.mixtures import plain
from mmfit.selection.pair_tests.boundary import edge_orders
from mmfit.selection.pair_tests.fitted_pair import FittedPair
from mmfit.selection.records import NullDistribution, NullSettings, Remark

# The fewest replicates that ``auto`` calibrates a law by.
FEWEST_REPLICATES = 99
# Where the first replicates put the whole Monte Carlo interval of the p-value below this, ``auto``
# draws no more.
SETTLED = 1e-4
_REPLICATED = ("calibrated", "bootstrap")
_BEST = ("exact", *_REPLICATED, "chibar2", "chi2")
# Said of the distribution, and not of the test again.
_IN_THE_TABLE = ("null_taken_as_true", "settled", "stopped")


@dataclass(frozen=True, slots=True)
class NullChoice:
    """What was found for one test.

    Attributes
    ----------
    distributions : in the order chi2, chibar2, exact, calibrated, bootstrap; one of them decides.
    remarks : what must be said about the choice.
    """

    distributions: tuple[NullDistribution, ...]
    remarks: tuple[Remark, ...]


def choose_null(
    fitted: FittedPair, settings: NullSettings, replicates: Replicates | None = None
) -> NullChoice:
    """All null distributions that cost little, those by replicates where they are due, the choice.

    ``replicates`` are those of the bootstrap, where they were computed elsewhere.

    Raises
    ------
    ComparisonError : ``replicates`` are too few for the settings.
    """
    found, remarks = _large_sample(fitted), [fitted.law.remark]
    asked, exact = settings.method, _exact(fitted, settings)
    settings = as_possible(fitted, settings)
    if isinstance(exact, NullDistribution):
        found.append(exact)
    by_replicates, missing = _by_replicates(fitted, settings, replicates)
    found += by_replicates
    method = _decides(settings.method, [one.method for one in found])
    if asked == "exact" and isinstance(exact, Remark):
        remarks.append(Remark("no_exact", (exact,)))
    if method in _REPLICATED:
        deciding = next(one for one in found if one.method == method)
        told = [one for one in deciding.condition if one.kind not in _IN_THE_TABLE]
        remarks.append(Remark(f"by_{method}", tuple(told)))
    if method != "exact":
        remarks += missing
    found = [replace(one, decides=one.method == method) for one in found]
    if asked == method:
        remarks += [Remark("as_asked", (one,)) for one in found if one.decides and not one.holds]
    return NullChoice(tuple(found), tuple(one for one in remarks if one is not None))


def _decides(asked: str, found: Collection[str]) -> str:
    """The method that decides: what was asked for, or the best of what needs less."""
    order = _BEST[0 if asked == "auto" else _BEST.index(asked) :]
    return next(method for method in order if method in found)


def _exact(fitted: FittedPair, settings: NullSettings) -> NullDistribution | Remark | None:
    """The exact law, or why there is none; None where nobody asks.

    Beside other random effects it never holds, so that it is found there only if asked for.
    """
    if settings.method == "exact":
        return fitted.exact
    wanted = settings.method == "auto" or not settings.only_deciding
    return fitted.exact if fitted.linear_null and wanted else None


def as_possible(fitted: FittedPair, settings: NullSettings) -> NullSettings:
    """The settings; ``auto`` where an exact law is asked for and there is none."""
    missing = settings.method == "exact" and isinstance(fitted.exact, Remark)
    return replace(settings, method="auto") if missing else settings


def replicates_needed(fitted: FittedPair, settings: NullSettings) -> int:
    """How many replicates the test needs at most; 0 where none are drawn."""
    settings = as_possible(fitted, settings)
    if settings.method in _REPLICATED:
        return settings.replicates
    if settings.method != "auto" or isinstance(_exact(fitted, settings), NullDistribution):
        return 0
    if not _is_open(fitted, settings):
        return 0
    within = int(min(settings.replicates, settings.seconds / fitted.replicate_seconds))
    return within if within >= FEWEST_REPLICATES else 0


def _is_open(fitted: FittedPair, settings: NullSettings) -> bool:
    """Whether replicates can change what the large-sample law says, as far as the settings ask."""
    law, (low, high) = fitted.law.distribution, settings.open_between
    return law is None or low <= law.survival(fitted.chisq) <= high


def stopping_rule(fitted: FittedPair, settings: NullSettings, asked: int) -> Stopping:
    """When the ``asked`` replicates of a test may end."""
    settings = as_possible(fitted, settings)
    if not settings.stop:
        return Stopping(fitted.chisq)

    def settled(first: Replicates) -> bool:
        try:
            return _calibration(fitted, first).high < SETTLED
        except ComputationError:
            return False

    return Stopping(
        fitted.chisq, enough_exceedances(asked), settled if settings.method == "auto" else None
    )


def _by_replicates(
    fitted: FittedPair, settings: NullSettings, replicates: Replicates | None
) -> tuple[list[NullDistribution], list[Remark]]:
    """The calibrated law and the bootstrap, and why one of them is missing."""
    if settings.method not in ("auto", *_REPLICATED):
        return [], []
    asked = replicates_needed(fitted, settings)
    if not asked:
        return [], [_none_drawn(fitted, settings)]
    stopping = stopping_rule(fitted, settings, asked)
    if replicates is None:
        replicates = bootstrap_until(fitted.bootstrap, 0, asked, settings.seed, stopping)
    elif len(replicates) < asked and not stopping.is_over(replicates):
        raise ComparisonError(
            f"{fitted.pair.null.name} against {fitted.pair.alternative.name}: {len(replicates)} "
            f"bootstrap statistics are given, and {asked} replicates are asked for"
        )
    replicates = stopping.used(replicates.first(asked))
    try:
        counted = bootstrap_p_value(replicates.statistics, fitted.chisq, stopping.enough)
    except ComputationError as error:
        return [], [Remark("no_bootstrap", (str(error),))]
    settled = len(replicates) < asked and stopping.is_settled(replicates)
    drawn = _drawn(fitted, settings, asked, settled)
    bootstrap = _bootstrapped(counted, drawn)
    try:
        return [_calibrated(fitted, _calibration(fitted, replicates), drawn), bootstrap], []
    except ComputationError as error:
        return [bootstrap], [Remark("no_calibration", (str(error),))]


def _none_drawn(fitted: FittedPair, settings: NullSettings) -> Remark:
    if settings.replicates < FEWEST_REPLICATES:
        return Remark("too_few_to_calibrate", (FEWEST_REPLICATES, settings.replicates))
    if not _is_open(fitted, settings):
        return Remark("not_open")
    seconds = FEWEST_REPLICATES * fitted.replicate_seconds
    return Remark("calibration_too_dear", (FEWEST_REPLICATES, seconds, settings.seconds))


def _calibration(fitted: FittedPair, replicates: Replicates) -> CalibratedPValue:
    law, df, statistics = fitted.law.distribution, fitted.pair.df, replicates.statistics
    if fitted.tail_alone:
        if law is None:
            return tail_without_law(df, fitted.chisq, statistics)
        return scaled_tail(law, fitted.chisq, statistics)
    return scaled_chi_square(df, fitted.chisq, statistics, replicates.alike)


def _calibrated(
    fitted: FittedPair, found: CalibratedPValue, drawn: tuple[Remark, ...]
) -> NullDistribution:
    how = (
        Remark("tail_scaled", (found.above,))
        if found.above is not None
        else Remark("mean_scaled", (found.conditional, fitted.null_fit.singular_groups))
    )
    return NullDistribution(
        method="calibrated",
        p_value=found.p_value,
        mc_low=found.low,
        mc_high=found.high,
        replicates=found.replicates,
        holds=True,
        condition=(how, *drawn),
        dfs=found.law.dfs,
        weights=found.law.weights,
        scale=found.scale,
        tail=found.above is not None,
    )


def _large_sample(fitted: FittedPair) -> list[NullDistribution]:
    """The chi-square, and the mixture where the null lies at an edge."""
    pair, law = fitted.pair, fitted.law
    usual = Remark("large_samples", (bool(pair.fixed_df),))
    if law.is_mixture:
        condition = Remark("edge_too_large", (pair.null.name, sum(edge_orders(pair))))
    else:
        condition = usual if law.distribution is not None else law.remark
    chi2 = plain(pair.df)
    out = [
        NullDistribution(
            method="chi2",
            p_value=chi2.survival(fitted.chisq),
            holds=law.distribution is not None and not law.is_mixture,
            condition=(condition,),
            dfs=chi2.dfs,
            weights=chi2.weights,
        )
    ]
    return [*out, _mixture(fitted, usual)] if law.is_mixture else out


def _mixture(fitted: FittedPair, usual: Remark) -> NullDistribution:
    law, chisq = fitted.law.distribution, fitted.chisq
    p_value, simulated = law.survival(chisq), law.draws > 0
    margin = NORMAL_95 * law.error(chisq)
    return NullDistribution(
        method="chibar2",
        p_value=p_value,
        mc_low=max(p_value - margin, 0.0) if simulated else None,
        mc_high=min(p_value + margin, 1.0) if simulated else None,
        replicates=law.draws if simulated else None,
        holds=True,
        condition=(usual, fitted.law.remark),
        dfs=law.dfs,
        weights=law.weights,
    )


def _bootstrapped(found: BootstrapPValue, drawn: tuple[Remark, ...]) -> NullDistribution:
    out = list(drawn)
    if found.stopped:
        out.append(Remark("stopped", (found.exceedances,)))
    if found.failures:
        out.append(Remark("failed_replicates", (found.failures,)))
    return NullDistribution(
        method="bootstrap",
        p_value=found.p_value,
        mc_low=found.low,
        mc_high=found.high,
        replicates=found.replicates,
        holds=True,
        condition=tuple(out),
    )


def _drawn(
    fitted: FittedPair, settings: NullSettings, asked: int, settled: bool
) -> tuple[Remark, ...]:
    """What replicates were drawn from, and why fewer than the settings say."""
    out = [Remark("null_taken_as_true", (fitted.drawn_by, fitted.pair.null.name))]
    if asked < settings.replicates:
        out.append(Remark("fewer_replicates", (asked,)))
    if settled:
        out.append(Remark("settled", (FIRST_STEP,)))
    return tuple(out)
