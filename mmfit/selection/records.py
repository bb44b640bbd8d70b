"""The frozen records of comparisons and of a selection."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

from mmfit.engine.records import Fit
from mmfit.errors import ComparisonError
from mmfit.formula.matrices import ModelMatrices
from mmfit.inference.fitted_model import FittedModel, ModelSystem
from mmfit.inference.null_distributions.bootstrap import NullFits


@dataclass(frozen=True, slots=True)
class Candidate:
    """A named model: its matrices and its fits by criterion (``"REML"``, ``"ML"``).

    ``system`` is what follows from the matrices, where that has been begun elsewhere;
    ``drawn_fits`` are its fits to drawn responses, which the tests of which it is the null share.
    """

    name: str
    matrices: ModelMatrices
    fits: Mapping[str, Fit]
    system: ModelSystem | None = field(default=None, repr=False, compare=False)
    _models: dict[str, FittedModel] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    drawn_fits: NullFits = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self):
        if self.system is None or self.system.matrices is not self.matrices:
            object.__setattr__(self, "system", ModelSystem(self.matrices))

    def fit_by(self, criterion: str) -> Fit:
        """The fit by ``criterion``.

        Raises
        ------
        ComparisonError : the model offers none.
        """
        if criterion not in self.fits:
            raise ComparisonError(f'the model "{self.name}" has no {criterion} fit')
        return self.fits[criterion]

    def model(self, criterion: str) -> FittedModel:
        """The fitted model by ``criterion``, one for all who ask; see :meth:`fit_by`.

        What follows from the matrices alone is shared by the models of all criteria.
        """
        if criterion not in self._models:
            fit = self.fit_by(criterion)
            self._models[criterion] = FittedModel(fit, self.matrices, self.system)
        return self._models[criterion]

    @property
    def reported_model(self) -> FittedModel:
        """The fitted model of :attr:`reported`."""
        return self.model(self.reported.criterion)

    @property
    def reported(self) -> Fit:
        """The fit whose estimates are reported: by REML, or by what else the model offers."""
        return self.fits.get("REML") or next(iter(self.fits.values()))


METHODS = ("auto", "chi2", "chibar2", "exact", "calibrated", "bootstrap")
AUTO_SECONDS = 30.0
"""Seconds that ``auto`` may spend on the replicates of one test, as estimated by their operations
(the same on every machine)."""


@dataclass(frozen=True, slots=True)
class NullSettings:
    """How the null distribution of a test is to be found.

    Attributes
    ----------
    method : ``auto`` (the best that keeps its level), ``chi2``, ``chibar2``, ``exact``,
        ``calibrated`` or ``bootstrap``.
    replicates : int, bootstrap replicates at most; 0 for none.
    seed : int, of the bootstrap.
    stop : bool, whether the replicates may end when enough of them exceed the statistic, or (for
        ``auto``) when the first ones settle the matter.
    only_deciding : bool, whether laws that do not decide are left out where they cost something.
    seconds : float, what ``auto`` may spend on the replicates of one test.
    open_between : ``auto`` draws replicates only where the large-sample p-value lies between these.

    Raises
    ------
    ComparisonError : another method, or a number that is no count.
    """

    method: str = "auto"
    replicates: int = 999
    seed: int = 1
    stop: bool = True
    only_deciding: bool = False
    seconds: float = AUTO_SECONDS
    open_between: tuple[float, float] = (0.0, 1.0)

    @classmethod
    def of(cls, method: str, bootstrap: Any) -> "NullSettings":
        """By ``method``, with the settings of a bootstrap (``replicates``, ``seed``, ``stop``)."""
        return cls(method, bootstrap.replicates, bootstrap.seed, bootstrap.stop)

    def __post_init__(self):
        if self.method not in METHODS:
            raise ComparisonError(
                f"null_distribution must be one of {', '.join(METHODS)}, not {self.method!r}"
            )
        for name in ("replicates", "seed"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or isinstance(value, bool) or value < 0:
                raise ComparisonError(f"{name} must be a whole number from 0, not {value!r}")
        if not isinstance(self.seconds, Real) or not self.seconds >= 0:
            raise ComparisonError(f"seconds must be a number from 0, not {self.seconds!r}")
        if self.stop not in (True, False):
            raise ComparisonError(f"stop must be true or false, not {self.stop!r}")
        if self.method in ("bootstrap", "calibrated") and not self.replicates:
            raise ComparisonError(f"{self.method} needs replicates, and 0 are given")


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to be said, as data: its ``kind`` and the ``values`` that belong into it.

    :mod:`mmfit.selection.words` makes words of it.
    """

    kind: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class NullDistribution:
    """One null distribution of a test, with the p-value that it gives.

    Attributes
    ----------
    method : ``chi2``, ``chibar2``, ``exact``, ``calibrated`` or ``bootstrap``.
    p_value : float;  mc_low, mc_high : float or None, its 95% Monte Carlo interval where it is
        simulated;  replicates : int or None, simulated values behind it.
    holds : bool, whether ``condition`` is met.
    condition : Remarks, when the distribution holds, or why it does not here.
    decides : bool, whether the test rests on it.
    dfs, weights : of a mixture of chi-squares (one with weight 1 for ``chi2``), or of the law that
        is calibrated; else empty.
    criterion : ``"REML"`` or ``"ML"``, of an exact distribution, else None.
    scale : float, of a calibrated law, else None;  tail : bool, whether its tail alone is scaled.
    """

    method: str
    p_value: float
    holds: bool
    condition: tuple[Remark, ...]
    mc_low: float | None = None
    mc_high: float | None = None
    replicates: int | None = None
    decides: bool = False
    dfs: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    criterion: str | None = None
    scale: float | None = None
    tail: bool = False


class DecidedTest:
    """What a test rests on: of records with ``p_value`` (the one that decides), ``p_value_chi2``
    (plain) and ``distributions``.
    """

    __slots__ = ()

    @property
    def decided_by(self) -> NullDistribution | None:
        """The null distribution that the test rests on; None where there is no test."""
        return next((found for found in self.distributions if found.decides), None)

    @property
    def kind(self) -> str:
        """``plain`` where the plain chi-square decides although it does not hold, for want of
        anything better or because it was asked for; else ``boundary``.
        """
        by = self.decided_by
        return "plain" if by is None or (by.method == "chi2" and not by.holds) else "boundary"

    @property
    def p_value_boundary(self) -> float | None:
        """The former name of ``p_value``, for one release."""
        warnings.warn(
            "p_value_boundary is the former name of p_value and will go with the next release; "
            "the plain chi-square's is p_value_chi2",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.p_value


@dataclass(frozen=True, slots=True)
class Comparison(DecidedTest):
    """One likelihood-ratio test, or the reason why there is none.

    ``null`` and ``alternative`` are names in the order in which the test is valid. Where ``valid``
    is false every number is None. ``p_value`` is the one to go by, that of ``null_distribution``;
    ``p_value_chi2`` is the plain chi-square's. ``distributions`` has all null distributions that
    were found, side by side; ``decided_by`` is the one that was chosen.
    ``df`` is the difference in dimension of the two models; it equals the difference in npar unless
    a model repeats itself, which ``note`` then says. ``outcome`` is ``reason`` for programs: a word
    of ``mmfit.selection.relations.validity.PairAssessment``, or ``not_converged``.
    """

    null: str
    alternative: str
    criterion: str | None
    valid: bool
    reason: str
    note: str | None = None
    npar_null: int | None = None
    npar_alternative: int | None = None
    aic_null: float | None = None
    aic_alternative: float | None = None
    bic_null: float | None = None
    bic_alternative: float | None = None
    log_lik_null: float | None = None
    log_lik_alternative: float | None = None
    chisq: float | None = None
    df: int | None = None
    p_value: float | None = None
    null_distribution: str | None = None
    p_value_chi2: float | None = None
    outcome: str | None = None
    distributions: tuple[NullDistribution, ...] = ()


@dataclass(frozen=True, slots=True)
class SelectionStep:
    """One decision on the way to the chosen model.

    Attributes
    ----------
    stage : ``candidates``, ``random``, ``fixed`` or ``refit``.
    candidates : tuple of str, the models that the step is about.
    method : ``test`` (likelihood ratio), ``AIC`` (competitors of which neither contains the
        other), or None where nothing is measured.
    null, alternative : str or None, the models compared, in the order of the test.
    criterion : ``"REML"``, ``"ML"`` or None.
    chisq, df, p_value, null_distribution : of the test; ``p_value`` is the one that decided.
    p_value_kind : ``boundary``, or ``plain`` where the plain chi-square stood in for want of a law
        that holds.
    aic : tuple of float, AIC of ``null`` and ``alternative`` where AIC decided, else empty.
    decision : str or None, the model that stands after the step.
    text : str, the step in words.
    """

    stage: str
    candidates: tuple[str, ...]
    text: str
    decision: str | None = None
    method: str | None = None
    null: str | None = None
    alternative: str | None = None
    criterion: str | None = None
    chisq: float | None = None
    df: int | None = None
    p_value: float | None = None
    p_value_kind: str | None = None
    null_distribution: str | None = None
    aic: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class RankedModel:
    """A model's place in a ranking.

    Attributes
    ----------
    rank : int from 1; equal values share a rank.
    value : float, AIC or BIC;  delta : float, its distance from the best.
    weight : float, exp(-delta / 2) as a share of all (Akaike weights; Burnham & Anderson 2002).
    singular : bool.
    """

    model: str
    rank: int
    value: float
    delta: float
    weight: float
    singular: bool


@dataclass(frozen=True, slots=True)
class Ranking:
    """All candidates by an information criterion, best first.

    ``measure`` is ``AIC`` or ``BIC``, ``criterion`` that of the fits, ``text`` why that one.
    """

    measure: str
    criterion: str
    text: str
    models: tuple[RankedModel, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """The outcome of a selection.

    Attributes
    ----------
    alpha : float, level of the tests.
    chosen : str, name of the chosen model (its REML fit is the one to report).
    steps : tuple of SelectionStep, in the order taken.
    rankings : tuple of Ranking (AIC, then BIC).
    """

    alpha: float
    chosen: str
    steps: tuple[SelectionStep, ...]
    rankings: tuple[Ranking, ...]
