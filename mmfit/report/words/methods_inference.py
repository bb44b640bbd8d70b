"""What the methods paragraph says of null distributions, intervals, measures and searches."""

from collections.abc import Iterator

import pandas as pd

from mmfit.report.records import ReportInput
from mmfit.report.words.numbers import listed, plural

REFERENCES = {
    "exact": "Crainiceanu, C. M., Ruppert, D. (2004). Likelihood ratio tests in linear mixed "
    "models with one variance component. Journal of the Royal Statistical Society B 66, 165–185.",
    "cone": "Shapiro, A. (1988). Towards a unified theory of inequality constrained testing in "
    "multivariate analysis. International Statistical Review 56, 49–62.",
    "bartlett": "Bartlett, M. S. (1937). Properties of sufficiency and statistical tests. "
    "Proceedings of the Royal Society of London A 160, 268–282.",
    "rocke": "Rocke, D. M. (1989). Bootstrap Bartlett adjustment in seemingly unrelated "
    "regression. Journal of the American Statistical Association 84, 598–601.",
    "bootstrap": "Davison, A. C., Hinkley, D. V. (1997). Bootstrap Methods and their Application. "
    "Cambridge University Press.",
    "profile": "Venzon, D. J., Moolgavkar, S. H. (1988). A method for computing "
    "profile-likelihood-based confidence intervals. Applied Statistics 37, 87–94.",
    "r2": "Nakagawa, S., Johnson, P. C. D., Schielzeth, H. (2017). The coefficient of "
    "determination R² and intra-class correlation coefficient from generalized linear "
    "mixed-effects models revisited and expanded. Journal of the Royal Society Interface 14, "
    "20170213.",
    "caic": "Greven, S., Kneib, T. (2010). On the behaviour of marginal and conditional AIC in "
    "linear mixed models. Biometrika 97, 773–789.",
    "selective": "Fithian, W., Sun, D. L., Taylor, J. (2014). Optimal inference after model "
    "selection. arXiv:1410.2597.",
    "tukey": "Kramer, C. Y. (1956). Extension of multiple range tests to group means with unequal "
    "numbers of replications. Biometrics 12, 307–310.",
    "holm": "Holm, S. (1979). A simple sequentially rejective multiple test procedure. "
    "Scandinavian Journal of Statistics 6, 65–70.",
    "influence": "Christensen, R., Pearson, L. M., Johnson, W. (1992). Case-deletion diagnostics "
    "for mixed models. Technometrics 34, 38–45.",
}


def inference_sentences(report: ReportInput) -> list[tuple[str, tuple[str, ...]]]:
    """Sentences about the chosen model's further results, each with the keys that it cites."""
    return [*_null_distributions(report), *_chosen(report)]


def _null_distributions(report: ReportInput) -> Iterator[tuple[str, tuple[str, ...]]]:
    laws = [found for comparison in report.comparisons for found in comparison.distributions]
    used = {found.method for found in laws if found.decides and found.holds}
    if "exact" in used:
        yield (
            "Tests against a linear model by one variance, or of fixed effects of linear models, "
            "have the exact null distribution of this design (Crainiceanu and Ruppert 2004).",
            ("exact",),
        )
    if any(found.method == "chibar2" and found.replicates for found in laws):
        yield (
            "Weights of mixtures without a closed form were simulated by projection onto the "
            "tangent cone (Shapiro 1988).",
            ("cone",),
        )
    if "calibrated" in used:
        ours = [found for found in laws if found.decides and found.method == "calibrated"]
        most = max(found.replicates for found in ours)
        yield (
            f"Calibrated distributions rest on up to {plural(most, 'replicate')} drawn from the "
            f"null, fitted by REML (seed {report.analysis.bootstrap.seed}): the χ² is scaled to "
            "their mean (Bartlett 1937; Rocke 1989), of those whose null fit is singular in the "
            "same terms as that of the data where there are 50; where variances are tested only "
            "the tail of the mixture is scaled, to their mean excess.",
            ("bartlett", "rocke"),
        )
    if "bootstrap" in used:
        most = max(found.replicates for found in laws if found.method == "bootstrap")
        yield (
            f"Parametric bootstrap p-values rest on up to {plural(most, 'data set')} drawn from "
            f"the null fit (seed {report.analysis.bootstrap.seed}; Davison and Hinkley 1997).",
            ("bootstrap",),
        )


def _chosen(report: ReportInput) -> Iterator[tuple[str, tuple[str, ...]]]:
    model = report.chosen.name
    own = {
        name: frame[frame["model"] == model]
        for name, frame in report.tables.items()
        if "model" in frame and "kind" not in frame
    }
    yield from _intervals(own["intervals"], report)
    if len(own["means"]):
        yield _means(own["contrasts"])
    if len(own["measures"]):
        yield (
            "R² and intraclass correlations follow Nakagawa, Johnson and Schielzeth (2017), the "
            "conditional AIC Greven and Kneib (2010).",
            ("r2", "caic"),
        )
    if len(own["influence"]):
        yield (
            "The influence of each level of the grouping factors was judged by Cook's distance of "
            "the fixed effects (Christensen, Pearson and Johnson 1992).",
            ("influence",),
        )


def _intervals(intervals: pd.DataFrame, report: ReportInput) -> Iterator[tuple[str, tuple]]:
    level = f"{100 * report.analysis.inference.level:g}%"
    methods = set(intervals["method"])
    if "profile" in methods:
        yield (
            f"{level} intervals of all parameters come from the profile likelihood (ML).",
            ("profile",),
        )
    if "bootstrap" in methods:
        settings = report.analysis.bootstrap
        yield (
            f"{level} bootstrap intervals are percentiles of {settings.replicates} refits to data "
            f"drawn from the fitted model (seed {settings.seed}).",
            ("bootstrap",),
        )


def _means(contrasts: pd.DataFrame) -> tuple[str, tuple[str, ...]]:
    words = {"tukey": "Tukey's method", "holm": "Holm's method", "none": "no adjustment"}
    used = list(dict.fromkeys(contrasts["adjust"]))
    text = "Marginal means count the levels of other factors alike, at the means of covariates"
    if used:
        text += f"; their differences were tested with {listed([words[name] for name in used])}"
    return f"{text}.", tuple(name for name in used if name in REFERENCES)
