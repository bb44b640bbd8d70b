"""The frozen records of a search, to JSON and back."""

from dataclasses import dataclass

from mmfit.common.json_records import from_json, to_json
from mmfit.engine.records import Fit

TAKEN, REJECTED, PASSED, REFUSED = "taken", "rejected", "passed over", "not eligible"
START, CHOSEN, RANKED = "start", "chosen", "ranked"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchStep:
    """One candidate that the search looked at, beside the model that stood there.

    Attributes
    ----------
    step : int, the round: all candidates of a round are compared with the same standing model. In
        an exhaustive search the rank.
    part : ``start``, ``random``, ``fixed``, ``all`` (exhaustive) or ``final``.
    standing, candidate : str, formulas.
    move : str or None, the step in words: ``drop the correlation of Days and (Intercept) by g``.
    criterion : ``REML`` or ``ML``, of the fits compared, or None.
    chisq, df, p_value, p_value_kind, null_distribution, p_value_chi2 : of the test that decided
        (``boundary`` or ``plain``), or None.
    aic, bic, caic : float or None, of the candidate's fit by ``criterion`` (caic only where the
        search goes by it; none of a fit without estimates).
    singular : bool or None, the candidate's fit.
    decision : ``start``; ``taken``, ``rejected`` (by the criterion), ``passed over`` (for a better
        one), ``not eligible`` (cannot be fitted or compared, or is singular); ``ranked``;
        ``chosen``.
    text : str, all of it in words.
    """

    step: int
    part: str
    standing: str
    candidate: str
    move: str | None = None
    criterion: str | None = None
    chisq: float | None = None
    df: int | None = None
    p_value: float | None = None
    p_value_kind: str | None = None
    null_distribution: str | None = None
    p_value_chi2: float | None = None
    aic: float | None = None
    bic: float | None = None
    caic: float | None = None
    singular: bool | None = None
    decision: str
    text: str


@dataclass(frozen=True, slots=True)
class SearchPath:
    """A search from beginning to end.

    Attributes
    ----------
    search : ``backward``, ``forward`` or ``exhaustive``.
    criterion : ``lrt``, ``aic``, ``bic`` or ``caic``.
    alpha : float, level of the tests.
    maximal, minimal : str, formulas between which the search moved.
    steps : tuple of SearchStep, in the order taken.
    chosen : str, formula of the model that stands at the end.
    parts : tuple of str, the terms, random terms and correlations of that model.
    """

    search: str
    criterion: str
    alpha: float
    maximal: str
    minimal: str
    steps: tuple[SearchStep, ...]
    chosen: str
    parts: tuple[str, ...]


def of_fit(fit: Fit | None) -> dict[str, float | bool | None]:
    """What a step has of the candidate's fit: nothing where there is none."""
    if fit is None:
        return {}
    numbers = {"aic": float(fit.aic), "bic": float(fit.bic)}
    known = {name: value for name, value in numbers.items() if value == value}
    return {**known, "singular": bool(fit.singular)}


def search_to_json(path: SearchPath) -> str:
    """One object, keys in the order of the records' fields, full double precision."""
    return to_json(path)


def search_from_json(text: str) -> SearchPath:
    """The inverse of ``search_to_json``.

    Raises
    ------
    DataError : the text is not a search written by this version.
    """
    return from_json(text, SearchPath, "a search")
