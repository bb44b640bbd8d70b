"""Parametric bootstrap of a likelihood-ratio test.

Responses are drawn from the fitted null and both models are fitted to each; the p-value is the
share of statistics that reach the observed one, which counts itself: (1 + exceedances) / (1 +
replicates) (Davison & Hinkley 1997, section 4.2). It is that of a Monte Carlo test in so far as the
fitted null is the true one. Where the test is by ML the null that is drawn from is fitted by REML
all the same: ML puts variances too low, and tests that are calibrated to too small variances reject
too often (docs/size.md).

Replicate i has the i-th stream spawned from the seed, and no replicate's digits depend on its
neighbours, so that statistics may be computed in any number of parts.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from mmfit.engine.covariance.roots import semidefinite_cholesky
from mmfit.engine.criterion import CRITERIA
from mmfit.engine.many import fit_many
from mmfit.engine.preparation import block_size
from mmfit.engine.records import Fit
from mmfit.errors import ComputationError
from mmfit.formula.matrices import ModelMatrices
from mmfit.inference.distributions import binomial_interval

# A sequence that may stop (Besag & Clifford 1991, Biometrika 78: 301-304) does so when so large a
# share of all its replicates has reached the observed statistic, and not before this number has.
_STOPPING_SHARE, _FEWEST_EXCEEDANCES = 0.05, 20
# A statistic this much below the observed one is equal to it: both come from two searches that stop
# within 1e-9 of the optimum, of criteria with rounding of about 1e-12 of their size.
TIE, ROUNDING = 1e-8, 1e-12
# A null that fits better than the alternative by more than this failed, or the alternative did.
NOISE = 1e-6
# Share of replicates that may fail before the others are no sample of the null distribution.
MOST_FAILURES = 0.1
# Solvers whose remainder is dense, by the names that fits give them.
_CROSSED = ("crossed", "crossed, chain eliminated")
# Replicates of the first step of a run that may stop: what a law can be fitted to. It never stops
# before.
FIRST_STEP = 200
_MOST_NUMBERS = 8_000_000


@dataclass(frozen=True, slots=True)
class BootstrapTest:
    """Two models of one data set, the first inside the second, by one criterion.

    Attributes
    ----------
    null, alternative : ModelMatrices;  fit : Fit of the null, by the criterion of the test.
    shift : float, what to add to the alternative's criterion so that both refer to one basis of X.
    drawn_from : Fit of the null that responses are drawn from (None: ``fit``).
    null_fits : fits of the null to the same draws that another test has made, by criterion, seed
        and replicates; what is missing is added. They are the same, whatever the alternative.
    """

    null: ModelMatrices
    alternative: ModelMatrices
    fit: Fit
    shift: float = 0.0
    drawn_from: Fit | None = None
    null_fits: "NullFits" = field(default_factory=dict, repr=False, compare=False)

    def null_fit(self, responses: np.ndarray, seed: int, begin: int) -> "NullFit":
        """The null fitted to ``responses`` (b, n), replicates ``begin`` and on of ``seed``."""
        key = (self.fit.criterion, seed, begin, len(responses))
        if key not in self.null_fits:
            fits = fit_many(
                self.null, responses, criterion=CRITERIA[self.fit.criterion], further=False
            )
            self.null_fits[key] = NullFit(fits.objective, fits.converged, fits.singular)
        return self.null_fits[key]


@dataclass(frozen=True, slots=True, eq=False)
class NullFit:
    """What a test needs of the null's fits to b drawn responses.

    Attributes
    ----------
    objective : (b,);  converged : (b,) bool;  singular : (b, terms) bool.
    """

    objective: np.ndarray
    converged: np.ndarray
    singular: np.ndarray


NullFits = dict[tuple[str, int, int, int], NullFit]


@dataclass(frozen=True, slots=True, eq=False)
class Replicates:
    """Replicates of the statistic, in their order.

    Attributes
    ----------
    statistics : (R,) array, NaN where a fit did not converge.
    alike : (R,) bool array, whether the null fit is singular in the same terms as the data's.
    """

    statistics: np.ndarray
    alike: np.ndarray

    def __post_init__(self):
        if self.statistics.ndim != 1 or self.statistics.shape != self.alike.shape:
            raise ComputationError("as many statistics as signs of likeness are needed, in a row")

    def __len__(self) -> int:
        return len(self.statistics)

    def first(self, count: int) -> "Replicates":
        """The first ``count`` of them."""
        return Replicates(self.statistics[:count], self.alike[:count])


def joined(parts: Iterable[Replicates]) -> Replicates:
    """Parts one after the other."""
    parts = [Replicates(np.empty(0), np.empty(0, dtype=bool)), *parts]
    return Replicates(
        np.concatenate([part.statistics for part in parts]),
        np.concatenate([part.alike for part in parts]),
    )


@dataclass(frozen=True, slots=True)
class BootstrapPValue:
    """A p-value with its Monte Carlo interval.

    Attributes
    ----------
    p_value, low, high : float, the interval by Clopper & Pearson at 95%.
    replicates : int, statistics that were used;  exceedances : int, of them at least the observed.
    failures : int, replicates left out because a fit did not converge.
    stopped : bool, whether the sequence ended early.
    """

    p_value: float
    low: float
    high: float
    replicates: int
    exceedances: int
    failures: int
    stopped: bool


def draw_responses(
    matrices: ModelMatrices, fit: Fit, seed: int, start: int, stop: int
) -> np.ndarray:
    """(stop - start, n) responses drawn from the fit; row i has the stream start + i of ``seed``.

    The same draws as ``mmfit.engine.simulate_responses``.
    """
    mean = matrices.X @ fit.fixef
    if matrices.offset is not None:
        mean = mean + matrices.offset
    spread = fit.sigma
    if matrices.weights is not None:
        spread = spread / np.sqrt(matrices.weights)
    roots = [semidefinite_cholesky(term.covariance) for term in fit.terms]
    out = np.empty((stop - start, matrices.nobs))
    effects = [
        np.empty((stop - start, len(term.levels), len(root)))
        for term, root in zip(matrices.random, roots, strict=True)
    ]
    for row in range(len(out)):
        stream = np.random.SeedSequence(seed, spawn_key=(start + row,))
        rng = np.random.default_rng(stream)
        rng.standard_normal(out=out[row])
        for drawn in effects:
            rng.standard_normal(out=drawn[row])
    out *= spread
    out += mean
    for term, root, drawn in zip(matrices.random, roots, effects, strict=True):
        for column in range(len(root)):
            # by column and not by a matrix product, whose digits depend on the number of rows
            effect = np.einsum("bld,d->bl", drawn, root[column])
            out += effect[:, term.codes] * term.model[:, column]
    return out


def bootstrap_replicates(test: BootstrapTest, start: int, stop: int, seed: int) -> Replicates:
    """The replicates start, ..., stop - 1.

    ``start`` may be any number: replicates do not depend on those before them.

    Raises
    ------
    ComputationError : a criterion cannot be evaluated.
    """
    criterion = CRITERIA[test.fit.criterion]
    drawn_from = test.fit if test.drawn_from is None else test.drawn_from
    flat = test.fit.singular_groups
    pattern = np.array([term.group in flat for term in test.fit.terms], dtype=bool)
    size = max(2, min(_MOST_NUMBERS // test.null.nobs, 8 * block_size(test.alternative)))
    parts = []
    for begin in range(start, stop, size):
        responses = draw_responses(test.null, drawn_from, seed, begin, min(begin + size, stop))
        null = test.null_fit(responses, seed, begin)
        alternative = fit_many(test.alternative, responses, criterion=criterion, further=False)
        statistic = null.objective - alternative.objective - test.shift
        noise = NOISE + ROUNDING * np.abs(null.objective)
        good = null.converged & alternative.converged & (statistic > -noise)
        # As for the observed one: optima are not known to less.
        statistic = np.where(good, np.where(statistic > noise, statistic, 0.0), np.nan)
        parts.append(Replicates(statistic, (null.singular == pattern).all(axis=1)))
    return joined(parts)


def enough_exceedances(replicates: int) -> int:
    """After how many exceedances a sequence of at most so many replicates may stop.

    A twentieth of them, so that the whole sequence would have a p-value above 5%, too; no fewer
    than 20, which leaves a p-value an error of about a fifth of itself.
    """
    return max(_FEWEST_EXCEEDANCES, int(np.ceil(_STOPPING_SHARE * (replicates + 1))))


@dataclass(frozen=True, slots=True)
class Stopping:
    """When a sequence of replicates has told enough; of its order alone, not of what is computed.

    Attributes
    ----------
    observed : float, the statistic.
    enough : int or None, exceedances after which the p-value is plainly above 5%.
    settled : tells of the ``FIRST_STEP`` replicates whether the p-value is plainly below any level;
        or None.
    """

    observed: float
    enough: int | None = None
    settled: Callable[[Replicates], bool] | None = None

    def used(self, replicates: Replicates) -> Replicates:
        """Those that laws are fitted to, at least the ``FIRST_STEP``, whatever lies beyond."""
        if self.is_settled(replicates):
            return replicates.first(FIRST_STEP)
        if self.enough is None:
            return replicates
        reached = np.cumsum(exceedances(replicates.statistics, self.observed)) >= self.enough
        end = int(np.argmax(reached)) + 1 if reached.any() else len(replicates)
        return replicates.first(max(end, FIRST_STEP))

    def is_over(self, replicates: Replicates) -> bool:
        """Whether a sequence that begins with these needs no more."""
        if len(replicates) < FIRST_STEP:
            return False
        reached = exceedances(replicates.statistics, self.observed).sum()
        over = self.enough is not None and reached >= self.enough
        return bool(over or self.is_settled(replicates))

    def is_settled(self, replicates: Replicates) -> bool:
        """Whether the first of them settle the matter."""
        first = replicates.first(FIRST_STEP)
        return self.settled is not None and len(first) == FIRST_STEP and self.settled(first)


def bootstrap_until(
    test: BootstrapTest, start: int, stop: int, seed: int, stopping: Stopping
) -> Replicates:
    """``bootstrap_replicates``, ended soon after ``stopping`` allows; what goes beyond is unused.

    A part that does not begin with replicate 0 ends by its own exceedances alone.
    """
    parts, found, step, at = [], joined([]), FIRST_STEP, start
    own = stopping if start == 0 else replace(stopping, settled=None)
    while at < stop and not own.is_over(found):
        end = min(at + step, stop)
        parts.append(bootstrap_replicates(test, at, end, seed))
        found, at, step = joined(parts), end, 2 * step
    return found


def bootstrap_p_value(
    statistics: np.ndarray, observed: float, enough: int | None = None
) -> BootstrapPValue:
    """The p-value of statistics in the order of their replicates.

    With ``enough`` the sequence ends at that exceedance, in which case the p-value is enough /
    replicates (Besag & Clifford 1991); where it ends depends on the order alone.

    Raises
    ------
    ComputationError : more than a tenth of the replicates failed, or there are none.
    """
    exceeding = exceedances(statistics, observed)
    total, stopped = len(statistics), False
    if enough is not None:
        reached = np.flatnonzero(np.cumsum(exceeding) >= enough)
        if len(reached):
            total, stopped = int(reached[0]) + 1, True
    failures = int(np.isnan(statistics[:total]).sum())
    R, h = total - failures, int(exceeding[:total].sum())
    if R == 0 or failures > MOST_FAILURES * total:
        raise ComputationError(
            f"{failures} of {total} bootstrap replicates did not converge in one of the models, "
            "so that the others are no sample of the null distribution"
        )
    p_value = h / R if stopped else (1 + h) / (1 + R)
    return BootstrapPValue(p_value, *binomial_interval(h, R, stopped), R, h, failures, stopped)


def refit_seconds(matrices: ModelMatrices, fit: Fit) -> float:
    """About how long one replicate's fit takes, by its operations; the same on every machine.

    Rows are drawn and added up once; then every evaluation costs some operations per level and,
    where factors are crossed, the cube of the columns beyond the largest factor. The factors were
    measured once, on one core.
    """
    sizes = sorted((len(t.levels) * t.model.shape[1] for t in matrices.random), reverse=True)
    columns = matrices.X.shape[1] + sum(t.model.shape[1] for t in matrices.random)
    rows = 1e-8 * matrices.nobs * (2 + columns)
    cells = 1e-5 + 8e-9 * sum(sizes) * (2 + columns) ** 2
    tail = 0.0
    if fit.optimizer.solver in _CROSSED:
        tail = 5e-11 * sum(sizes[1:]) ** 3
    elif fit.optimizer.solver == "sparse":
        tail = 2e-7 * sum(sizes[1:]) ** 1.5
    # Replicates are searched from one start.
    count = fit.optimizer.first_search or fit.optimizer.evaluations
    return rows + count * (cells + tail)


def exceedances(statistics: np.ndarray, observed: float) -> np.ndarray:
    """(R,) bool: which statistics reach the observed one; NaN does not."""
    with np.errstate(invalid="ignore"):
        return statistics >= observed - (TIE + ROUNDING * abs(observed))
