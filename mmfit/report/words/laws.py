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
        "statistic, since by itself it may not keep its level in samples of this size"
    ),
    "bootstrap": "the parametric bootstrap",
    "chibar2": "the large-sample mixture of χ², not calibrated to the size of the sample",
    "chi2": "the plain χ², not calibrated to the size of the sample",
}


def grounds_of(found: NullDistribution) -> str:
    """The key of a deciding distribution in :func:`deciding_sentence`."""
    return "approximate" if found.method == "exact" and not found.holds else found.method


def deciding_sentence(
    grounds: Iterable[str],
    test: str = "likelihood-ratio test",
    tests: str = "likelihood-ratio tests",
) -> str:
    """What decided, from the :func:`grounds_of` each test; "" without any.

    ``test`` and ``tests`` are what one and more of them are called.
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
        return f"Of {plural(total, test, tests)} {listed(parts)}."
    subject = f"The {test} was" if total == 1 else f"All {tests} were"
    return f"{subject} decided by {_GROUNDS[methods[0]]}."


def _was(number: int) -> str:
    return "was" if number == 1 else "were"
