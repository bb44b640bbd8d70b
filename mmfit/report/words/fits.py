"""What is said of a fit: how it converged, what is singular or not identified, its intervals."""

import math
import re

import pandas as pd

from mmfit.engine.records import Fit
from mmfit.inference.diagnosis.diagnosis import convergence_text, singular_text
from mmfit.report.words.numbers import MINUS, MISSING, fixed, typeset_powers

DF_WORDS = {
    "satterthwaite": "Satterthwaite's degrees of freedom",
    "kenward-roger": "Kenward and Roger's covariance and degrees of freedom",
    "residual": "residual degrees of freedom (n − p)",
    "normal": "the normal distribution",
}


def interval_texts(tidy: pd.DataFrame) -> list[str]:
    """Each interval with the decimals that its own width needs."""
    texts = []
    for low, high in zip(tidy["conf_low"], tidy["conf_high"], strict=True):
        if math.isnan(low) and math.isnan(high):
            texts.append(MISSING)
            continue
        exponent = math.floor(math.log10(high - low)) if 0 < high - low < math.inf else 0
        decimals = min(max(2 - exponent, 0), 6)
        texts.append(f"{fixed(low, decimals)} to {fixed(high, decimals)}")
    return texts


def convergence_words(fit: Fit) -> str:
    """How the optimum was found, in one paragraph."""
    return _typeset(convergence_text(fit))


def unidentified_words(fit: Fit) -> tuple[str, ...]:
    """What the data do not tell of the covariances and what the shown numbers are then."""
    if not fit.unidentified:
        return ()
    told = " ".join(f"{record.text[0].upper()}{record.text[1:]}." for record in fit.unidentified)
    text = f"Not identified: {told} The table shows one of many equally good values of these."
    if any(record.beside_fixed for record in fit.unidentified):
        return (f"{text} Standard errors of fixed effects that hang on them are not told either.",)
    return (f"{text} The criterion, the fixed effects and their standard errors are the same.",)


def singular_words(fit: Fit) -> str | None:
    """What is singular in a fit and what that means; None for a regular fit."""
    text = singular_text(fit)
    return None if text is None else _typeset(text)


def _typeset(text: str) -> str:
    """Plain signs and powers as a reader expects them."""
    return re.sub(r"(?<![\w-])-(?=\d)", MINUS, typeset_powers(text))
