"""The null distributions of a test, side by side, and the one that decides.

``auto`` takes the best that holds: a singular null, or covariances that cannot be told apart, leave
the parametric bootstrap; one variance against a linear model has an exact distribution; a null at
the edge of the alternative's range has a mixture of chi-squares, and any other the chi-square.
"""

from dataclasses import dataclass, replace

import numpy as np

from mmfit.errors import ComparisonError, ComputationError
from mmfit.inference.null_distributions.bootstrap import (
    BootstrapPValue,
    bootstrap_p_value,
    bootstrap_until,
    enough_exceedances,
    is_complete,
)
from mmfit.inference.null_distributions.mixtures import plain
from mmfit.selection.pair_tests.boundary import edge_orders
from mmfit.selection.pair_tests.fitted_pair import FittedPair
from mmfit.selection.pair_tests.one_variance import NORMAL_95
from mmfit.selection.records import NullDistribution, NullSettings, Remark
from mmfit.selection.relations.validity import PairAssessment

# Seconds that ``auto`` may spend on the bootstrap of one pair, by ``refit_seconds``, and the fewest
# replicates that are worth it.
AUTO_SECONDS, FEWEST_REPLICATES = 60.0, 99
# Seconds for a bootstrap that decides nothing but stands beside what does.
BESIDE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class NullChoice:
    """What was found for one test.

    Attributes
    ----------
    distributions : in the order chi2, chibar2, exact, bootstrap; at most one of them decides.
    remarks : what must be said about the choice.
    """

    distributions: tuple[NullDistribution, ...]
    remarks: tuple[Remark, ...]


def choose_null(
    fitted: FittedPair, settings: NullSettings, statistics: np.ndarray | None = None
) -> NullChoice:
    """All null distributions that cost little, the bootstrap where it is due, and the choice.

    ``statistics`` are those of the bootstrap's replicates, where they were computed elsewhere.

    Raises
    ------
    ComparisonError : ``statistics`` are too few for the settings.
    """
    method = deciding_method(fitted, settings)
    found, remarks = _large_sample(fitted), [fitted.law.remark]
    # Beside other random effects it never holds.
    beside = fitted.linear_null and not settings.only_deciding
    exact = fitted.exact if method == "exact" or beside else None
    if isinstance(exact, NullDistribution):
        found.append(exact)
    if method == "bootstrap" or bootstrap_replicates(fitted, settings):
        simulated = _bootstrapped(fitted, settings, statistics)
        if isinstance(simulated, NullDistribution):
            found.append(simulated)
        if method == "bootstrap" and (settings.replicates or not settings.only_deciding):
            remarks.append(_bootstrap_remark(simulated))
    if method == "exact" and isinstance(exact, Remark):
        remarks.append(Remark("no_exact", (exact,)))
    found = [replace(one, decides=one.method == method) for one in found]
    remarks += [Remark("as_asked", (one,)) for one in found if one.decides and not one.holds]
    return NullChoice(tuple(found), tuple(one for one in remarks if one is not None))


def deciding_method(fitted: FittedPair, settings: NullSettings) -> str:
    """The method that decides where its distribution can be had."""
    law = fitted.law
    if settings.method == "chibar2":
        return "" if law.distribution is None else "chibar2" if law.is_mixture else "chi2"
    if settings.method != "auto":
        return settings.method
    if fitted.linear_null and isinstance(fitted.exact, NullDistribution):
        return "exact"
    if law.distribution is None:
        return "bootstrap"
    return "chibar2" if law.is_mixture else "chi2"


def bootstrap_replicates(fitted: FittedPair, settings: NullSettings) -> int:
    """How many replicates the test needs at most; 0 where no bootstrap is made."""
    if settings.method in ("chi2", "chibar2", "exact"):
        return 0
    if settings.method == "bootstrap":
        return settings.replicates
    method = deciding_method(fitted, settings)
    if method == "bootstrap":
        return _affordable(fitted, settings)
    return _beside(fitted, settings) if settings.beside and method != "exact" else 0


def _affordable(fitted: FittedPair, settings: NullSettings) -> int:
    """Replicates within what ``auto`` may spend; 0 where those would be too few to be of use."""
    within = min(settings.replicates, int(AUTO_SECONDS / fitted.replicate_seconds))
    return within if within >= min(FEWEST_REPLICATES, settings.replicates) else 0


def _beside(fitted: FittedPair, settings: NullSettings) -> int:
    """All replicates, or none where they would take too long for what does not decide."""
    seconds = settings.replicates * fitted.replicate_seconds
    return settings.replicates if seconds <= BESIDE_SECONDS else 0


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


def _bootstrapped(
    fitted: FittedPair, settings: NullSettings, statistics: np.ndarray | None
) -> NullDistribution | Remark:
    """The bootstrap, or why there is none."""
    replicates = bootstrap_replicates(fitted, settings)
    if not replicates:
        if not settings.replicates:
            return Remark("bootstrap_needed")
        return Remark("bootstrap_too_dear", (FEWEST_REPLICATES, AUTO_SECONDS))
    chisq, enough = fitted.chisq, enough_exceedances(replicates) if settings.stop else None
    if statistics is None:
        statistics = bootstrap_until(fitted.bootstrap, chisq, 0, replicates, settings.seed, enough)
    elif not is_complete(statistics, chisq, replicates, settings.stop):
        raise ComparisonError(
            f"{fitted.pair.null.name} against {fitted.pair.alternative.name}: {len(statistics)} "
            f"bootstrap statistics are given, and {replicates} replicates are asked for"
        )
    try:
        found = bootstrap_p_value(statistics[:replicates], chisq, enough)
    except ComputationError as error:
        return Remark("no_bootstrap", (str(error),))
    fewer = replicates if replicates < settings.replicates else 0
    return NullDistribution(
        method="bootstrap",
        p_value=found.p_value,
        mc_low=found.low,
        mc_high=found.high,
        replicates=found.replicates,
        holds=True,
        condition=_bootstrap_condition(fitted.pair, found, fewer),
    )


def _bootstrap_condition(
    pair: PairAssessment, found: BootstrapPValue, fewer: int
) -> tuple[Remark, ...]:
    out = [Remark("null_taken_as_true", (pair.criterion, pair.null.name))]
    if fewer:
        out.append(Remark("fewer_replicates", (fewer,)))
    if found.stopped:
        out.append(Remark("stopped", (found.exceedances,)))
    if found.failures:
        out.append(Remark("failed_replicates", (found.failures,)))
    return tuple(out)


def _bootstrap_remark(found: NullDistribution | Remark) -> Remark:
    return found if isinstance(found, Remark) else Remark("by_bootstrap", found.condition)
