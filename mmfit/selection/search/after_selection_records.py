"""Coefficients of a chosen model, as if it had been planned and with the selection counted."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AfterSelectionRow:
    """One fixed-effect coefficient of the chosen model.

    What cannot be given is None, and ``note`` says why. Units of the coefficient, but for
    p-values, degrees of freedom and shares.

    Attributes
    ----------
    model, term : str, the chosen model and its coefficient.
    estimate, std_error, df, p_value, conf_low, conf_high : float, of the chosen model's REML fit
        with Satterthwaite's degrees of freedom, which take the model as given; 95%.
    frequency : float, share of the samples used whose selected model has the coefficient.
    samples : int, samples in which a model was selected.
    estimate_selection : float, median-unbiased given that the coefficient is reported.
    std_error_selection, df_selection : float, of the estimate in the richest model.
    p_value_selection, conf_low_selection, conf_high_selection : float, given that it is reported;
        95%.
    note : str, ``""`` for none.
    """

    model: str
    term: str
    estimate: float
    std_error: float
    df: float
    p_value: float
    conf_low: float
    conf_high: float
    frequency: float | None
    samples: int
    estimate_selection: float | None = None
    std_error_selection: float | None = None
    df_selection: float | None = None
    p_value_selection: float | None = None
    conf_low_selection: float | None = None
    conf_high_selection: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class AfterSelection:
    """The coefficients of the chosen model, in its order.

    Attributes
    ----------
    rows : tuple of AfterSelectionRow.
    selections : int, how often the selection was repeated for it beyond the samples.
    """

    rows: tuple[AfterSelectionRow, ...]
    selections: int
