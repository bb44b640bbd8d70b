"""A likelihood-ratio test of two fitted models whose relation is known, as searches need it."""

from dataclasses import dataclass

from mmfit.engine.records import Fit
from mmfit.errors import ComputationError
from mmfit.inference.null_distributions import plain
from mmfit.selection.boundary import null_law
from mmfit.selection.compare import OBJECTIVE_ROUNDING, OBJECTIVE_TOLERANCE, basis_constant
from mmfit.selection.validity import PairAssessment


@dataclass(frozen=True, slots=True)
class LikelihoodRatio:
    """A test of the null against the alternative.

    Attributes
    ----------
    chisq : float, not negative;  df : int, difference of the models' dimensions.
    p_value : float, of the plain chi-square.
    p_value_boundary : float or None, of ``null_distribution``, where one holds.
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
        """The p-value to go by: that of the boundary, where there is one."""
        return self.p_value if self.p_value_boundary is None else self.p_value_boundary

    @property
    def kind(self) -> str:
        """``boundary`` or ``plain``, as ``deciding``."""
        return "plain" if self.p_value_boundary is None else "boundary"

    @property
    def distribution(self) -> str:
        """The distribution of ``deciding``, in words."""
        return self.null_distribution or f"chi2({self.df})"


def likelihood_ratio(pair: PairAssessment, null_fit: Fit, alternative_fit: Fit) -> LikelihoodRatio:
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
    law = null_law(pair, null_fit, alternative_fit)
    found = law.distribution
    return LikelihoodRatio(
        chisq=chisq,
        df=pair.df,
        p_value=plain(pair.df).survival(chisq),
        p_value_boundary=None if found is None else found.survival(chisq),
        null_distribution=None if found is None else str(found),
        note=law.note,
    )
