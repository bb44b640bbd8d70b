"""The null distributions of a test, side by side, and the one that decides.

``auto`` takes the best that holds: a singular null, or covariances that cannot be told apart, leave
the parametric bootstrap; one variance against a linear model has an exact distribution; a null at
the edge of the alternative's range has a mixture of chi-squares, and any other the chi-square.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.records import Fit
from mmfit.errors import ComparisonError, ComputationError
from mmfit.inference.null_distributions.bootstrap import (
    BootstrapTest,
    bootstrap_p_value,
    bootstrap_until,
    enough_exceedances,
    is_complete,
    refit_seconds,
)
from mmfit.inference.null_distributions.mixtures import plain
from mmfit.selection.pair_tests.boundary import NullLaw, edge_orders, null_law
from mmfit.selection.pair_tests.one_variance import exact_distribution
from mmfit.selection.records import NullDistribution, NullSettings
from mmfit.selection.relations.validity import PairAssessment

# Seconds that ``auto`` may spend on the bootstrap of one pair, by ``refit_seconds``, and the fewest
# replicates that are worth it.
AUTO_SECONDS, FEWEST_REPLICATES = 60.0, 99
# Seconds for a bootstrap that decides nothing but stands beside what does.
BESIDE_SECONDS = 2.0
NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class FittedPair:
    """A valid pair with its fits by the criterion of the test.

    Attributes
    ----------
    pair : PairAssessment;  null_fit, alternative_fit : Fit.
    chisq : float, the statistic;  shift : float, see ``compare.basis_constant``.
    """

    pair: PairAssessment
    null_fit: Fit
    alternative_fit: Fit
    chisq: float
    shift: float = 0.0

    @property
    def bootstrap(self) -> BootstrapTest:
        """What the bootstrap needs of the pair."""
        null, alternative = self.pair.null.matrices, self.pair.alternative.matrices
        return BootstrapTest(null, alternative, self.null_fit, self.shift)


@dataclass(frozen=True, slots=True)
class NullChoice:
    """What was found for one test.

    Attributes
    ----------
    distributions : tuple of NullDistribution, in the order chi2, chibar2, exact, bootstrap.
    chosen : NullDistribution or None;  note : str or None, what must be said about it.
    """

    distributions: tuple[NullDistribution, ...]
    chosen: NullDistribution | None
    note: str | None


def choose_null(
    fitted: FittedPair, settings: NullSettings, statistics: np.ndarray | None = None
) -> NullChoice:
    """All null distributions that cost little, the bootstrap where it is due, and the choice.

    ``statistics`` are those of the bootstrap's replicates, where they were computed elsewhere.

    Raises
    ------
    ComparisonError : ``statistics`` are too few for the settings.
    """
    law = null_law(fitted.pair, fitted.null_fit, fitted.alternative_fit)
    found = _large_sample(fitted, law)
    exact, why_not = exact_distribution(fitted.pair, fitted.null_fit, fitted.chisq)
    if exact is not None and (exact.holds or settings.method == "exact"):
        found.append(exact)
    method = _method(settings, law, exact)
    notes = [law.note]
    if method == "bootstrap":
        simulated, note = _bootstrapped(fitted, settings, statistics)
        found += [simulated] if simulated else []
        notes.append(note)
    elif bootstrap_replicates(fitted, settings):
        simulated, _ = _bootstrapped(fitted, settings, statistics)
        found += [simulated] if simulated else []
    if method == "exact" and exact is None:
        notes.append(f"no exact null distribution: {why_not}")
    by_method = {one.method: one for one in found}
    chosen = by_method.get(method)
    if method == "chibar2" and law.distribution is not None:
        chosen = by_method.get("chibar2", by_method["chi2"])
    if chosen is not None and not chosen.holds:
        notes.append(f"p by {chosen.distribution}, as asked for; {chosen.condition}")
    return NullChoice(tuple(found), chosen, "; ".join(n for n in notes if n) or None)


def bootstrap_replicates(fitted: FittedPair, settings: NullSettings) -> int:
    """How many replicates the test needs at most; 0 where no bootstrap is made."""
    if settings.method in ("chi2", "chibar2", "exact"):
        return 0
    if settings.method == "auto":
        law = null_law(fitted.pair, fitted.null_fit, fitted.alternative_fit)
        exact, _ = exact_distribution(fitted.pair, fitted.null_fit, fitted.chisq)
        if _method(settings, law, exact) == "bootstrap":
            return _affordable(fitted, settings)
        alone = exact is not None and exact.holds
        return 0 if alone or not settings.beside else _beside(fitted, settings)
    return settings.replicates


def _method(settings: NullSettings, law: NullLaw, exact: NullDistribution | None) -> str:
    if settings.method != "auto":
        return settings.method
    if exact is not None and exact.holds:
        return "exact"
    if law.distribution is None:
        return "bootstrap"
    return "chi2" if len(law.distribution.dfs) == 1 else "chibar2"


def _affordable(fitted: FittedPair, settings: NullSettings) -> int:
    """Replicates within what ``auto`` may spend; 0 where those would be too few to be of use."""
    within = min(settings.replicates, int(AUTO_SECONDS / _replicate_seconds(fitted)))
    return within if within >= min(FEWEST_REPLICATES, settings.replicates) else 0


def _beside(fitted: FittedPair, settings: NullSettings) -> int:
    """All replicates, or none where they would take too long for what does not decide."""
    seconds = settings.replicates * _replicate_seconds(fitted)
    return settings.replicates if seconds <= BESIDE_SECONDS else 0


def _replicate_seconds(fitted: FittedPair) -> float:
    null = refit_seconds(fitted.pair.null.matrices, fitted.null_fit)
    return null + refit_seconds(fitted.pair.alternative.matrices, fitted.alternative_fit)


def _large_sample(fitted: FittedPair, law: NullLaw) -> list[NullDistribution]:
    """The chi-square, and the mixture where the null lies at an edge."""
    pair, chisq = fitted.pair, fitted.chisq
    mixture = law.distribution is not None and len(law.distribution.dfs) > 1
    simple = law.distribution is not None and not mixture
    condition = _large_words(pair)
    if law.distribution is None or mixture:
        condition = law.note if not mixture else _edge_words(pair)
    law_of_all = plain(pair.df)
    p_value = law_of_all.survival(chisq)
    out = [NullDistribution("chi2", str(law_of_all), p_value, None, None, None, simple, condition)]
    if mixture:
        out.append(_mixture(pair, law, chisq))
    return out


def _mixture(pair: PairAssessment, law: NullLaw, chisq: float) -> NullDistribution:
    p_value = law.distribution.survival(chisq)
    low = high = draws = None
    if law.distribution.draws:
        margin = NORMAL_95 * law.distribution.error(chisq)
        low, high, draws = max(p_value - margin, 0.0), p_value + margin, law.distribution.draws
        high = min(high, 1.0)
    return NullDistribution(
        method="chibar2",
        distribution=str(law.distribution),
        p_value=p_value,
        mc_low=low,
        mc_high=high,
        replicates=draws,
        holds=True,
        condition=f"{_large_words(pair)}; {law.note}",
    )


def _large_words(pair: PairAssessment) -> str:
    words = "for large samples"
    if pair.fixed_df:
        words += "; with few groups the test of fixed effects by ML rejects too often"
    return words


def _edge_words(pair: PairAssessment) -> str:
    count = sum(edge_orders(pair))
    where = "a variance" if count == 1 else f"{count} variances"
    return (
        f"{pair.null.name} puts {where} at zero, the edge of the range, where this p-value is too "
        "large"
    )


def _bootstrapped(
    fitted: FittedPair, settings: NullSettings, statistics: np.ndarray | None
) -> tuple[NullDistribution | None, str | None]:
    """The bootstrap, or why there is none."""
    replicates = bootstrap_replicates(fitted, settings)
    if not replicates:
        return None, _too_dear(settings)
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
        return None, f"no bootstrap: {error}"
    words = [f"the {fitted.pair.criterion} fit of {fitted.pair.null.name} taken as the true null"]
    if replicates < settings.replicates:
        words.append(f"{replicates} replicates at most, for the time that they take")
    if found.stopped:
        words.append(f"stopped after {found.exceedances} replicates had reached the statistic")
    if found.failures:
        words.append(f"{found.failures} replicates left out, as a fit did not converge")
    condition = "; ".join(words)
    simulated = NullDistribution(
        method="bootstrap",
        distribution=f"parametric bootstrap ({found.replicates} replicates)",
        p_value=found.p_value,
        mc_low=found.low,
        mc_high=found.high,
        replicates=found.replicates,
        holds=True,
        condition=condition,
    )
    return simulated, f"p by parametric bootstrap, {condition}"


def _too_dear(settings: NullSettings) -> str:
    if not settings.replicates:
        return "a parametric bootstrap would be needed"
    return (
        f"a parametric bootstrap is needed, of which {FEWEST_REPLICATES} replicates would take "
        f"more than about {AUTO_SECONDS:.0f} s; null_distribution: bootstrap makes it"
    )
