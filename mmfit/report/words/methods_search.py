"""What the methods paragraph says of a search, and of the audit of a selection."""

from collections.abc import Iterator

from mmfit.report.records import ReportInput
from mmfit.report.words.laws import deciding_sentence
from mmfit.report.words.numbers import plural
from mmfit.selection.words import law_of

Sentence = tuple[str, tuple[str, ...]]
"""A sentence with the keys of the references that it cites."""


def search_sentences(report: ReportInput) -> list[Sentence]:
    """How the search went about it; nothing without a search."""
    asked = report.analysis.selection
    if asked.search is None:
        return []
    minimal = asked.scope.minimal or "an intercept"
    scope = f"between {minimal} and {asked.scope.maximal}"
    by = {"lrt": f"a likelihood-ratio test at a level of {asked.alpha:g}"}
    by |= {"aic": "AIC", "bic": "BIC", "caic": "the conditional AIC (Greven and Kneib 2010)"}
    cited = ("caic",) if asked.criterion == "caic" else ()
    end = "The model that it ended with is reported as fitted by REML."
    if asked.search == "exhaustive":
        text = (
            f"All models {scope} were fitted by ML and ranked by {by[asked.criterion]}; singular "
            "fits were left out where a model with a simpler random part was among the others."
        )
        end = "The first of them is reported as fitted by REML."
    else:
        first, second = ("ML", "ML") if asked.criterion == "caic" else ("REML", "ML")
        text = (
            f"A {asked.search} search {scope} decided each step by {by[asked.criterion]}: in the "
            f"random part first (by {first}, with the fixed part of the largest model), then in "
            f"the fixed part (by {second}); no term left the model before those that contain it, "
            "and none entered without those that it contains."
        )
    sentences = [(f"{text} {end}", cited), *_edges(report)]
    beside = "" if asked.stability is None else ", but for those with the selection counted"
    warning = f"Tests and intervals of that model do not allow for the search{beside}."
    return [*sentences, (warning, ())]


def _edges(report: ReportInput) -> Iterator[Sentence]:
    laws = report.tables["search"]["null_distribution"].dropna()
    if len(laws):
        yield (
            deciding_sentence(
                (law_of(law) for law in laws),
                "likelihood-ratio test in the search",
                "likelihood-ratio tests in the search",
            ),
            (),
        )
    if any(law.count("chi2(") > 1 for law in laws):
        yield (
            "Where a test of the search puts a variance on the boundary of the parameter space, "
            "the large-sample distribution is a mixture of chi-squares (Self and Liang 1987; "
            "Stram and Lee 1994).",
            ("boundary", "mixture"),
        )
    if any(law_of(law) == "calibrated" for law in laws):
        yield (
            "The χ² of fixed effects was scaled to the mean of bootstrap replicates (Bartlett "
            "1937; Rocke 1989), the tail of the distributions of variances to their mean excess; "
            f"replicates were drawn from the null, fitted by REML (seed "
            f"{report.analysis.bootstrap.seed}).",
            ("bartlett", "rocke"),
        )


def stability_sentences(report: ReportInput) -> list[Sentence]:
    """What the audit repeated; nothing without one."""
    asked = report.analysis.selection.stability
    if asked is None:
        return []
    drawn = {
        "parametric": "drawn from the REML fit of the chosen model",
        "cluster": "made of levels of the coarsest grouping factor drawn with replacement",
    }
    text = (
        f"How stable the selection is was judged by repeating it on "
        f"{plural(asked.samples, 'data set')} {drawn[asked.method]} (seed {asked.seed})."
    )
    counted = (
        "Intervals and p-values of the coefficients were found anew with the selection counted: in "
        "the richest model, given that the coefficient is reported (Fithian, Sun and Taylor 2014)."
    )
    return [(text, ()), (counted, ("selective",))]
