"""Null distributions of likelihood-ratio tests: mixtures of chi-squares, closed or simulated.

Where the null puts variances at zero, the edge of their range, the statistic converges to a
mixture of chi-squares (chi-bar-square): the squared length of the projection of a normal vector
onto the cone of what the alternative adds (Self & Liang 1987, JASA 82: 605-610; Shapiro 1988,
Int. Stat. Rev. 56: 49-62). With c = number of variances at the edge, each alone in its term,
    c = 0: the cone is a linear space,  chi2(df)
    c = 1: a half-space,  0.5 chi2(df - 1) + 0.5 chi2(df)   (Stram & Lee 1994, Biometrics 50: 1171)
    c = 2: a wedge times a linear space, whose weights depend on the wedge's angle.
One variance (df = 1), one effect added with its q covariances (df = q + 1) and s fixed effects
with one variance (df = s + 1) all are c = 1. Everything else at the edge (three variances, two
correlated effects) is a product of cones of semidefinite matrices, whose weights are simulated:
see :mod:`mmfit.inference.null_distributions.chi_bar_square`.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc


@dataclass(frozen=True, slots=True)
class ChiBarSquare:
    """A mixture of chi-squares: ``weights`` (sum 1) of chi2(``dfs``); chi2(0) is the point 0.

    Simulated weights come with their number of ``draws`` (0: the weights are exact) and the
    ``covariance`` of their Monte Carlo errors, by row.
    """

    dfs: tuple[int, ...]
    weights: tuple[float, ...]
    draws: int = 0
    covariance: tuple[tuple[float, ...], ...] = ()

    def survival(self, x: float) -> float:
        """P(X >= x); 1 at x = 0, whatever the mass there."""
        if x <= 0:
            return 1.0
        return sum(w * tail for w, tail in zip(self.weights, self._tails(x), strict=True))

    def error(self, x: float) -> float:
        """Monte Carlo standard error of ``survival(x)``."""
        if x <= 0 or not self.draws:
            return 0.0
        tails = np.array(self._tails(x))
        return float(np.sqrt(max(tails @ np.array(self.covariance) @ tails, 0.0)))

    @property
    def weight_error(self) -> float:
        """The largest Monte Carlo standard error of a weight."""
        if not self.draws:
            return 0.0
        return float(np.sqrt(max(np.max(np.diag(np.array(self.covariance))), 0.0)))

    def _tails(self, x: float) -> tuple[float, ...]:
        return tuple(0.0 if df == 0 else float(chdtrc(df, x)) for df in self.dfs)

    def __str__(self) -> str:
        if len(self.dfs) == 1:
            return f"chi2({self.dfs[0]})"
        pairs = zip(self.weights, self.dfs, strict=True)
        return " + ".join(f"{weight:.4g} chi2({df})" for weight, df in pairs)


def plain(df: int) -> ChiBarSquare:
    """chi2(df): nothing at the edge of its range."""
    return ChiBarSquare((df,), (1.0,))


def half_space(df: int) -> ChiBarSquare:
    """One of the df added parameters is a variance, at zero under the null (Stram & Lee 1994).

    >>> str(half_space(2))
    '0.5 chi2(1) + 0.5 chi2(2)'
    """
    return ChiBarSquare((df - 1, df), (0.5, 0.5))


def wedge(df: int, correlation: float) -> ChiBarSquare:
    """Two of the df added parameters are variances, at zero under the null.

    ``correlation`` is that of the two variances' unconstrained estimates, nuisance parameters
    estimated too: see ``estimate_correlation``. The projection onto the wedge is its apex with
    probability w0 = acos(correlation) / 2 pi, an edge with 1/2, the inside with 1/2 - w0 (Self &
    Liang 1987, case 7; Shapiro 1988).

    >>> str(wedge(2, 0.0))
    '0.25 chi2(0) + 0.5 chi2(1) + 0.25 chi2(2)'
    """
    apex = float(np.arccos(np.clip(correlation, -1.0, 1.0)) / (2 * np.pi))
    return ChiBarSquare((df - 2, df - 1, df), (apex, 0.5, 0.5 - apex))


def cone(df: int, orders: tuple[int, ...], efficient: np.ndarray) -> ChiBarSquare | None:
    """Cones of semidefinite matrices of the given orders among the df added parameters.

    ``efficient`` (D, D) is the efficient information about the vech of each of them in turn; the
    other df - D parameters are free. None where that information is singular.
    """
    # Here, because most comparisons can do without.
    from mmfit.inference.null_distributions.chi_bar_square import cone_weights

    found = cone_weights(orders, efficient)
    if found is None:
        return None
    D = len(efficient)
    return ChiBarSquare(
        dfs=tuple(range(df - D, df + 1)),
        weights=tuple(float(weight) for weight in found.weights),
        draws=found.draws,
        covariance=tuple(tuple(float(v) for v in row) for row in found.covariance),
    )


def efficient_information(information: np.ndarray, interest: np.ndarray) -> np.ndarray:
    """Information about the parameters ``interest`` (indices) with all others estimated.

    The Schur complement I_bb - I_bn I_nn^-1 I_nb of the (m, m) ``information``; its inverse is the
    covariance of the unconstrained estimates. Parameters are scaled to unit information first, as
    variances of different terms can differ by many orders of magnitude. NaN where the data tell
    nothing of a parameter, so that its information is rounding.
    """
    own = np.diag(information)
    if not (own > 0).all():
        return np.full((len(interest), len(interest)), np.nan)
    scale = np.sqrt(own)
    scaled = information / np.outer(scale, scale)
    nuisance = np.setdiff1d(np.arange(len(information)), interest)
    block = scaled[np.ix_(interest, interest)]
    if len(nuisance):
        across = scaled[np.ix_(nuisance, interest)]
        block = block - across.T @ np.linalg.solve(scaled[np.ix_(nuisance, nuisance)], across)
    return block * np.outer(scale[interest], scale[interest])


def estimate_correlation(efficient: np.ndarray) -> float:
    """Correlation of two estimates from their (2, 2) efficient information.

    Its sign is the reverse of the information's: two variances that explain the same part of the
    response have positive information and negatively correlated estimates, which makes the wedge
    narrow and zero for both the likeliest projection.
    """
    return float(-efficient[0, 1] / np.sqrt(efficient[0, 0] * efficient[1, 1]))
