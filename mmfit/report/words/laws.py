"""Which null distributions decided, and why: one sentence for the page and the methods text."""

from collections import Counter
from collections.abc import Iterable

from mmfit.report.words.numbers import listed, plural

_GROUNDS = {
    "exact": "the exact null distribution of the design",
    "calibrated": (
        "the large-sample distribution calibrated to the design by bootstrap replicates of the "
        "statistic, since by itself it does not keep its level in small samples"
    ),
    "bootstrap": "the parametric bootstrap",
    "chibar2": "the large-sample mixture of χ², not calibrated to the size of the sample",
    "chi2": "the plain χ², not calibrated to the size of the sample",
}


def deciding_sentence(methods: Iterable[str]) -> str:
    """What decided, from the methods of the deciding distributions, one per test; "" for none."""
    counts = Counter(methods)
    total = counts.total()
    if not total:
        return ""
    methods = [method for method in _GROUNDS if counts[method]]
    if len(methods) > 1:
        parts = [
            f"{counts[method]} {_was(counts[method])} decided by {_GROUNDS[method]}"
            for method in methods
        ]
        return f"Of {plural(total, 'likelihood-ratio test')} {listed(parts)}."
    tests = "The likelihood-ratio test was" if total == 1 else "All likelihood-ratio tests were"
    return f"{tests} decided by {_GROUNDS[methods[0]]}."


def _was(number: int) -> str:
    return "was" if number == 1 else "were"
