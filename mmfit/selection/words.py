"""Words for null distributions, their conditions and what must be said of a test.

The records hold data; tables, terminal, page and methods text take their words from here.
"""

from collections.abc import Iterable

from mmfit.inference.null_distributions.mixtures import ChiBarSquare
from mmfit.selection.records import NullDistribution, Remark

_BOOTSTRAP = "parametric bootstrap ({} replicates)"
_OTHERS_KNOWN = ", other random effects as known"


def distribution(found: NullDistribution) -> str:
    """A null distribution as printed: ``0.5 chi2(0) + 0.5 chi2(1)``, ``exact RLRT`` ..."""
    if found.method == "exact":
        name = "exact RLRT" if found.criterion == "REML" else "exact LRT"
        return name if found.holds else name + _OTHERS_KNOWN
    if found.method == "bootstrap":
        return _BOOTSTRAP.format(found.replicates)
    law = str(ChiBarSquare(found.dfs, found.weights))
    if found.method != "calibrated":
        return law
    what = "tail scaled" if found.tail else "scaled"
    return f"{law}, {what} by {found.scale:.4g} ({found.replicates} replicates)"


def law_of(text: str) -> str:
    """The method of a distribution as :func:`distribution` prints it."""
    if text.startswith("exact"):
        return "exact"
    if text.startswith("parametric bootstrap"):
        return "bootstrap"
    if "scaled by" in text:
        return "calibrated"
    return "chibar2" if text.count("chi2(") > 1 else "chi2"


def condition(found: NullDistribution) -> str:
    """When a null distribution holds, or why it does not."""
    return remarks(found.condition) or ""


def remarks(found: Iterable[Remark | None]) -> str | None:
    """Remarks in a row; None without any."""
    return "; ".join(remark(one) for one in found if one is not None) or None


def remark(found: Remark) -> str:
    """One remark in words."""
    return _WORDS[found.kind](*found.values)


def _large_samples(with_fixed: bool) -> str:
    words = "for large samples"
    if with_fixed:
        words += "; with few groups the test of fixed effects by ML rejects too often"
    return words


def _mean_scaled(conditional: bool, groups: tuple[str, ...]) -> str:
    words = "the chi-square, scaled to the mean of bootstrap replicates"
    if not conditional:
        return words
    which = f"singular in {', '.join(groups)}" if groups else "not singular"
    return f"{words} whose null fit is {which}, as that of the data"


def _too_dear_to_calibrate(fewest: int, seconds: float, most: float) -> str:
    return (
        f"not calibrated to the size of this sample, since {fewest} bootstrap replicates would take"
        f" about {seconds:.0f} s, more than the {most:.2g} s that a test may take; "
        "null_distribution: calibrated makes them"
    )


def _edge_too_large(null: str, count: int) -> str:
    where = "a variance" if count == 1 else f"{count} variances"
    return f"{null} puts {where} at zero, the edge of the range, where this p-value is too large"


def _null_singular(null: str, groups: tuple[str, ...]) -> str:
    return (
        f"the null fit, that of {null}, is singular ({', '.join(groups)}): what it estimates lies "
        "at the edge of its range itself, where no mixture of chi-squares holds"
    )


def _two_edges(correlation: float) -> str:
    return (
        "the null puts two variances at zero, their edge; "
        f"their estimates correlate by {correlation:.3g} there"
    )


def _edges(count: int, covariances: bool) -> str:
    words = f"the null puts {count} variances at zero, their edge"
    return words + (", with the covariances among them" if covariances else "")


def _edges_simulated(count: int, covariances: bool, draws: int, error: float) -> str:
    return (
        f"{_edges(count, covariances)}; the weights of the mixture come from {draws} simulated "
        f"projections (Monte Carlo error of a weight at most {error:.2g})"
    )


def _exact(simulated: bool) -> str:
    words = "for samples of any size, with normal errors"
    return words if simulated else f"{words}; nothing is simulated"


def _exact_approximate(tested: str, null: str, others: tuple[str, ...]) -> str:
    return (
        f"an approximation: the exact law of {tested} alone, which takes the random effects "
        f"of {null} ({', '.join(others)}) as known"
    )


def _no_exact(why: Remark) -> str:
    return f"no exact null distribution: {remark(why)}"


def _several_at_zero(null: str, count: int) -> str:
    return f"{null} puts {count} variances at zero, and it is for one alone"


def _by_bootstrap(*conditions: Remark) -> str:
    words = "p by parametric bootstrap"
    return f"{words}, {remarks(conditions)}" if conditions else words


def _as_asked(found: NullDistribution) -> str:
    return f"p by {distribution(found)}, as asked for; {condition(found)}"


def _basis(alternative: str, null: str, shift: float) -> str:
    return (
        f"{alternative} codes the fixed part in another basis than {null}; "
        f"its REML criterion is expressed in the latter's ({shift:+.6g})"
    )


_WORDS = {
    "said": str,
    # large-sample laws
    "large_samples": _large_samples,
    "edge_too_large": _edge_too_large,
    "null_singular": _null_singular,
    "not_told_apart": lambda: (
        "covariance parameters of the two models cannot all be told apart, so that where the "
        "null lies in the alternative is not known"
    ),
    "one_edge": lambda: "the null puts one variance at zero, its edge",
    "two_edges": _two_edges,
    "edges_simulated": _edges_simulated,
    "edges_untold": lambda *edges: f"{_edges(*edges)}; the data do not tell them apart there",
    # exact laws
    "exact": _exact,
    "exact_approximate": _exact_approximate,
    "no_exact": _no_exact,
    "nothing_left": lambda alternative, term: (
        f"the fixed part of {alternative} leaves nothing of {term}"
    ),
    "none_at_zero": lambda null: f"{null} puts no variance at zero",
    "several_at_zero": _several_at_zero,
    "correlated": lambda term: (
        f"in {term} effects are correlated, and it is for an independent one"
    ),
    "parameters_not_told_apart": lambda: "covariance parameters cannot all be told apart",
    "others_tested_along": lambda: "covariance parameters that are not at an edge are tested along",
    "fixed_tested_along": lambda: (
        "fixed effects are tested along while other random effects are present"
    ),
    # the bootstrap
    "null_taken_as_true": lambda criterion, null: (
        f"the {criterion} fit of {null} taken as the true null"
    ),
    "fewer_replicates": lambda count: f"{count} replicates at most, for the time that they take",
    "settled": lambda count: f"ended after {count} replicates, which settle the matter",
    "stopped": lambda count: f"stopped after {count} replicates had reached the statistic",
    "failed_replicates": lambda count: f"{count} replicates left out, as a fit did not converge",
    "no_bootstrap": lambda why: f"no bootstrap: {why}",
    "by_bootstrap": _by_bootstrap,
    # the calibrated law
    "mean_scaled": _mean_scaled,
    "tail_scaled": lambda above: (
        f"the share of bootstrap replicates for a chi-square up to {above:.2g} (their 60th "
        "percentile), beyond it the tail of the large-sample law, scaled to their mean excess"
    ),
    "no_calibration": lambda why: f"no law calibrated: {why}",
    "too_few_to_calibrate": lambda fewest, given: (
        f"not calibrated to the size of this sample, which takes {fewest} bootstrap replicates "
        f"({given} are allowed)"
    ),
    "not_open": lambda: "not calibrated, as that could not change the decision",
    "calibration_too_dear": _too_dear_to_calibrate,
    "by_calibrated": lambda *conditions: f"p by {remarks(conditions)}",
    # the test
    "as_asked": _as_asked,
    "basis": _basis,
    "singular": lambda model, groups: f"the fit of {model} is singular ({', '.join(groups)})",
    "swapped": lambda null, alternative: (
        f"asked for with {alternative} as the null; {null} is the smaller model, so it is the "
        "null here"
    ),
}
