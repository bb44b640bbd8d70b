"""A likelihood-ratio test of two fitted models whose relation is known, as searches need it."""

from dataclasses import dataclass, replace

from mmfit.engine.records import Fit
from mmfit.errors import ComputationError
from mmfit.inference.null_distributions.mixtures import plain
from mmfit.selection.pair_tests.boundary import null_law
from mmfit.selection.pair_tests.compare import (
    OBJECTIVE_ROUNDING,
    OBJECTIVE_TOLERANCE,
    basis_constant,
)
from mmfit.selection.pair_tests.null_choice import FittedPair, choose_null
from mmfit.selection.records import NullSettings
from mmfit.selection.relations.validity import PairAssessment

# The best distribution that holds, but no bootstrap: a search makes many tests.
WITHOUT_BOOTSTRAP = NullSettings("auto", replicates=0)


def search_nulls(settings: NullSettings) -> NullSettings:
    """The same settings for the tests of a search: ``auto`` makes no bootstrap there."""
    return replace(settings, replicates=0) if settings.method == "auto" else settings


def audit_nulls(settings: NullSettings) -> NullSettings:
    """The same settings for a selection that is repeated many times: no bootstrap at all.

    A bootstrap of every test of every sample would tell little more for a thousandfold cost.
    """
    return WITHOUT_BOOTSTRAP if settings.method == "bootstrap" else search_nulls(settings)


@dataclass(frozen=True, slots=True)
class LikelihoodRatio:
    """A test of the null against the alternative.

    Attributes
    ----------
    chisq : float, not negative;  df : int, difference of the models' dimensions.
    p_value : float, of the plain chi-square.
    p_value_boundary : float or None, of ``null_distribution``, where one was found that holds.
    null_distribution : str or None.
    note : str or None, what must be said about it.
    """

    chisq: float
    df: int
    p_value: float
    p_value_boundary: float | None
    null_distribution: str | None
    note: str | None

    @property
    def deciding(self) -> float:
        """The p-value to go by: that of the null distribution, or else the plain one.

        Without one the null is singular, and the plain chi-square errs on the side of the null.
        """
        return self.p_value if self.p_value_boundary is None else self.p_value_boundary

    @property
    def kind(self) -> str:
        """``boundary`` or ``plain``, as ``deciding``."""
        return "plain" if self.p_value_boundary is None else "boundary"

    @property
    def distribution(self) -> str:
        """The distribution of ``deciding``, in words."""
        return self.null_distribution or f"chi2({self.df})"


def likelihood_ratio(
    pair: PairAssessment,
    null_fit: Fit,
    alternative_fit: Fit,
    settings: NullSettings = WITHOUT_BOOTSTRAP,
) -> LikelihoodRatio:
    """Test a valid pair; both fits by one criterion, under REML with X of equal span.

    Raises
    ------
    ComputationError
        When the null fits better than the alternative by more than rounding.
    """
    shift = 0.0
    if null_fit.criterion == "REML":
        shift = basis_constant(pair.null, pair.alternative)
    chisq = float(null_fit.objective - alternative_fit.objective - shift)
    noise = OBJECTIVE_TOLERANCE + OBJECTIVE_ROUNDING * abs(null_fit.objective)
    if chisq < -noise:
        raise ComputationError(
            f"{null_fit.formula} fits better than {alternative_fit.formula}, which contains it "
            f"({null_fit.criterion}, chi-square {chisq:.3g}): one of the two fits has not reached "
            "its optimum"
        )
    # Optima are known to about 1e-6: what is below is a statistic of zero.
    chisq = chisq if chisq > noise else 0.0
    plain_law = plain(pair.df)
    fitted = FittedPair(
        replace(pair, criterion=null_fit.criterion), null_fit, alternative_fit, chisq, shift
    )
    p_value, distribution, note = _null(fitted, settings)
    return LikelihoodRatio(
        chisq=chisq,
        df=pair.df,
        p_value=plain_law.survival(chisq),
        p_value_boundary=p_value,
        null_distribution=distribution,
        note=note,
    )


def _null(
    fitted: FittedPair, settings: NullSettings
) -> tuple[float | None, str | None, str | None]:
    """The p-value, its distribution, and what must be said about them."""
    if _large_sample_decides(fitted, settings):
        # What ``choose_null`` would choose, without the exact law that it sets beside.
        law = null_law(fitted.pair, fitted.null_fit, fitted.alternative_fit)
        if law.distribution is None:
            return None, None, law.note
        return law.distribution.survival(fitted.chisq), str(law.distribution), law.note
    choice = choose_null(fitted, settings)
    if choice.chosen is None:
        return None, None, choice.note
    return choice.chosen.p_value, choice.chosen.distribution, choice.note


def _large_sample_decides(fitted: FittedPair, settings: NullSettings) -> bool:
    """Whether neither an exact law nor a bootstrap can come into it."""
    if settings.method == "auto":
        return settings.replicates == 0 and bool(fitted.pair.null.family.terms)
    return settings.method == "chibar2"
