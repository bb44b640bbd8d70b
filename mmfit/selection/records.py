"""The frozen records of comparisons and of a selection."""

from collections.abc import Mapping
from dataclasses import dataclass

from mmfit.engine.records import Fit
from mmfit.formula.matrices import ModelMatrices


@dataclass(frozen=True, slots=True)
class Candidate:
    """A named model: its matrices and its fits by criterion (``"REML"``, ``"ML"``)."""

    name: str
    matrices: ModelMatrices
    fits: Mapping[str, Fit]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One likelihood-ratio test, or the reason why there is none.

    ``null`` and ``alternative`` are names in the order in which the test is valid. Where ``valid``
    is false every number is None. ``p_value`` is the plain chi-square's; ``p_value_boundary`` is
    that of ``null_distribution`` (None where no closed form holds, with the reason in ``note``).
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
    p_value_boundary: float | None = None
