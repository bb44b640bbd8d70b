"""The methods paragraph and its references: what was done, exactly, and nothing else."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from mmfit.report.records import ReportInput
from mmfit.report.words.laws import deciding_sentence, grounds_of
from mmfit.report.words.methods_inference import REFERENCES, inference_sentences
from mmfit.report.words.methods_search import search_sentences, stability_sentences
from mmfit.report.words.numbers import listed, plural

_REFERENCES = {
    "lme4": "Bates, D., Mächler, M., Bolker, B., Walker, S. (2015). Fitting linear mixed-effects "
    "models using lme4. Journal of Statistical Software 67(1), 1–48.",
    "boundary": "Self, S. G., Liang, K.-Y. (1987). Asymptotic properties of maximum likelihood "
    "estimators and likelihood ratio tests under nonstandard conditions. Journal of the American "
    "Statistical Association 82, 605–610.",
    "mixture": "Stram, D. O., Lee, J. W. (1994). Variance components testing in the longitudinal "
    "mixed effects model. Biometrics 50, 1171–1177.",
    "newton": "Gilmour, A. R., Thompson, R., Cullis, B. R. (1995). Average information REML: an "
    "efficient algorithm for variance parameter estimation in linear mixed models. Biometrics 51, "
    "1440–1450.",
    "satterthwaite": "Kuznetsova, A., Brockhoff, P. B., Christensen, R. H. B. (2017). lmerTest "
    "package: tests in linear mixed effects models. Journal of Statistical Software 82(13), 1–26.",
    "kenward-roger": "Kenward, M. G., Roger, J. H. (1997). Small sample inference for fixed "
    "effects from restricted maximum likelihood. Biometrics 53, 983–997.",
}
_DF = {
    "satterthwaite": "with degrees of freedom by Satterthwaite's approximation, from exact "
    "derivatives of the covariance matrix of the fixed effects (as in lmerTest)",
    "kenward-roger": "with the adjusted covariance matrix and degrees of freedom of Kenward and "
    "Roger (1997)",
    "residual": "with n − p residual degrees of freedom",
    "normal": "with the normal distribution in place of the t distribution",
}


@dataclass(frozen=True, slots=True)
class Methods:
    """Plain text: paragraphs and full references."""

    paragraphs: tuple[str, ...]
    references: tuple[str, ...]


def methods(report: ReportInput) -> Methods:
    """The methods of this analysis: data, estimators, tests, degrees of freedom, versions."""
    chosen = [*search_sentences(report), *stability_sentences(report)]
    further = inference_sentences(report)
    sentences = [_data(report), _fitting(), *_testing(report), *(text for text, _ in chosen)]
    sentences += [_inference(report), *(text for text, _ in further)]
    own = (key for _, keys in (*chosen, *further) for key in keys)
    cited = dict.fromkeys([*_cited(report), *own])
    references = _REFERENCES | REFERENCES
    return Methods((" ".join([*sentences, _software()]),), tuple(references[key] for key in cited))


def _data(report: ReportInput) -> str:
    nobs = report.chosen.matrices.nobs
    number = len(report.candidates)
    if report.analysis.selection.search is not None:
        return f"Linear mixed models were fitted to the same {plural(nobs, 'observation')}."
    models = "One linear mixed model was" if number == 1 else f"{number} linear mixed models were"
    return f"{models} fitted to the same {plural(nobs, 'observation')}."


def _fitting() -> str:
    return (
        "Variance parameters were estimated by restricted maximum likelihood (REML) and by maximum "
        "likelihood (ML), minimising the profiled criterion of Bates et al. (2015) with analytic "
        "derivatives (average-information Newton steps; Gilmour et al. 1995)."
    )


def _testing(report: ReportInput) -> list[str]:
    valid = [comparison for comparison in report.comparisons if comparison.valid]
    searched = report.analysis.selection.search is not None
    if not valid and (searched or len(report.candidates) == 1):
        return []
    if not valid:
        return ["No pair of candidates was nested, so that no likelihood-ratio test was made."]
    criteria = {comparison.criterion for comparison in valid}
    texts = ["Nested candidates were compared by likelihood-ratio tests"]
    if criteria == {"REML"}:
        texts[0] += " of their REML fits, as their fixed parts were the same."
    elif criteria == {"ML"}:
        texts[0] += " of their ML fits, as their fixed parts differed."
    else:
        texts[0] += (
            ": of the REML fits where the fixed parts were the same, of the ML fits where they "
            "differed."
        )
    texts.append(deciding_sentence(grounds_of(comparison.decided_by) for comparison in valid))
    if any(_on_boundary(comparison) for comparison in valid):
        texts.append(
            "Where the null hypothesis puts a variance on the boundary of the parameter space, "
            "the large-sample distribution is a mixture of chi-squares (Self and Liang 1987; "
            "Stram and Lee 1994)."
        )
    if searched:
        return texts
    texts.append(
        "The random part was chosen first, among candidates that share a fixed part (the richest "
        "that comes with more than one random part, tests by REML), then the fixed part (tests by "
        f"ML), at a significance level of {report.selection.alpha:g}; the chosen model is reported "
        "as fitted by REML."
    )
    return texts


def _inference(report: ReportInput) -> str:
    return (
        f"Fixed effects were tested by t and F tests {_DF[report.analysis.df]}; 95% intervals "
        "are Wald intervals on the same degrees of freedom. Intervals of random effects are "
        "conditional modes ± 1.96 conditional standard deviations."
    )


def _software() -> str:
    numerics = listed([f"NumPy {version('numpy')}", f"SciPy {version('scipy')}"])
    return f"Software: mmfit {version('mmfit')}, Python {platform.python_version()}, {numerics}."


def _cited(report: ReportInput) -> Sequence[str]:
    keys = ["lme4", "newton"]
    if any(comparison.valid and _on_boundary(comparison) for comparison in report.comparisons):
        keys += ["boundary", "mixture"]
    return keys + [key for key in (report.analysis.df,) if key in _REFERENCES]


def _on_boundary(comparison) -> bool:
    """True where a mixture of chi-squares decides, as it is or calibrated."""
    by = comparison.decided_by
    return by is not None and by.method in ("chibar2", "calibrated") and len(by.dfs) > 1
