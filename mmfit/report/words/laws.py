"""Which null distributions decided, and why: one sentence for the page and the methods text."""

from collections import Counter
from collections.abc import Iterable

from mmfit.report.words.numbers import listed, plural
from mmfit.selection.records import NullDistribution

_GROUNDS = {
    "exact": "the exact null distribution of the design",
    "approximate": (
        "the exact null distribution of the tested variance, other random effects taken as known"
    ),
    "calibrated": (
        "the large-sample distribution calibrated to the design by bootstrap replicates of the "
        "statistic, since by itself it does not keep its level in small samples"
    ),
    "bootstrap": "the parametric bootstrap",
    "chibar2": "the large-sample mixture of χ², not calibrated to the size of the sample",
    "chi2": "the plain χ², not calibrated to the size of the sample",
}


def grounds_of(found: NullDistribution) -> str:
    """The key of a deciding distribution in :func:`deciding_sentence`."""
    return "approximate" if found.method == "exact" and not found.holds else found.method


def deciding_sentence(grounds: Iterable[str], tests: str = "likelihood-ratio test") -> str:
    """What decided, from the :func:`grounds_of` each test; "" without any.

    ``tests`` is what they are called, in the singular.
    """
    counts = Counter(grounds)
    total = counts.total()
    if not total:
        return ""
    methods = [method for method in _GROUNDS if counts[method]]
    if len(methods) > 1:
        parts = [
            f"{counts[method]} {_was(counts[method])} decided by {_GROUNDS[method]}"
            for method in methods
        ]
        return f"Of {plural(total, tests)} {listed(parts)}."
    subject = f"The {tests} was" if total == 1 else f"All {tests}s were"
    return f"{subject} decided by {_GROUNDS[methods[0]]}."


def _was(number: int) -> str:
    return "was" if number == 1 else "were"
