"""Fits to JSON and back without loss."""

from dataclasses import replace

from mmfit.common.json_records import from_json, to_json
from mmfit.engine.records import Fit


def fit_to_json(fit: Fit) -> str:
    """One JSON object per fit, keys in the order of the record's fields; null for NaN."""
    return to_json(fit, indent=1)


def fit_from_json(text: str) -> Fit:
    """The inverse of :func:`fit_to_json`.

    Raises
    ------
    DataError
        When the text is not a fit written by this version.
    """
    fit = from_json(text, Fit, "a fit")
    # Where there are no fixed effects or thetas, lists do not tell the shapes of arrays.
    p, k = len(fit.fixef), len(fit.theta)
    hidden, known = fit.uncertainty.confounding, fit.uncertainty
    if hidden is not None:
        half, slopes = hidden.half.reshape(p, p), hidden.slopes.reshape(-1, p, p)
        hidden = replace(hidden, half=half, slopes=slopes)
    return replace(
        fit,
        vcov=fit.vcov.reshape(p, p),
        uncertainty=replace(
            known,
            covariance=known.covariance.reshape(k + 1, k + 1),
            jacobian=known.jacobian.reshape(k + 1, p, p),
            confounding=hidden,
        ),
    )
