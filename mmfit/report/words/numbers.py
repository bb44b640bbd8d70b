"""Numbers as text for readers; the tables on disk keep every digit."""

import math
import re
from collections.abc import Sequence

MINUS = "−"
MISSING = "–"
NO_BREAK = "\u00a0"


SMALLEST_P = 0.001
"""Smaller p-values are printed as being smaller."""


def p_text(p: float | None) -> str:
    """A p-value as papers print it: three decimals, ``< 0.001`` below that."""
    if p is None or math.isnan(p):
        return MISSING
    if p < SMALLEST_P:
        return f"<{NO_BREAK}{SMALLEST_P:g}"
    return f"{p:.3f}"


def p_phrase(p: float | None, symbol: str = "p") -> str:
    """``p = 0.027`` or ``p < 0.001``."""
    small = p is not None and p < SMALLEST_P
    return f"{symbol}{NO_BREAK}{'' if small else f'={NO_BREAK}'}{p_text(p)}"


def fixed(value: float | None, decimals: int) -> str:
    """A number with that many decimals and a true minus sign; a dash where there is none."""
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def general(value: float | None, digits: int = 4) -> str:
    """A number by itself to ``digits`` significant digits, without trailing zeros."""
    return _general(value, digits)


def scientific(mantissa: str, exponent: int) -> str:
    """``2.35 × 10⁻⁶`` from ``2.35`` and -6."""
    raised = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa}{NO_BREAK}×{NO_BREAK}10{raised}"


def typeset_powers(text: str, before: str = "") -> str:
    """Numbers like ``2.35e-06`` within a text as ``2.35 × 10⁻⁶``.

    ``before`` is a regular expression for what must stand in front of them, where other text
    (names of models) may look like a number.
    """
    pattern = rf"({before})(\d(?:\.\d+)?)e([+-]\d+)"
    return re.sub(pattern, lambda match: match[1] + scientific(match[2], int(match[3])), text)


def column(values: Sequence[float | None], digits: int = 4) -> list[str]:
    """Numbers of one table column with common decimals, as R's ``format`` does.

    The smallest non-zero number shows ``digits`` significant digits. Columns that would need more
    than six decimals fall back to ``digits`` significant digits each, in scientific notation
    where that is shorter.
    """
    finite = [abs(v) for v in values if v is not None and math.isfinite(v) and v != 0]
    decimals = max((_decimals(value, digits) for value in finite), default=0)
    if decimals <= 6:
        return [fixed(value, max(decimals, 0)) for value in values]
    return [_general(value, digits) for value in values]


def count(value: int) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def plural(number: int, one: str, many: str | None = None) -> str:
    """``1 row``, ``3 rows``."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def listed(items: Sequence[str], word: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    items = list(items)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {word} {items[-1]}"


def _decimals(value: float, digits: int) -> int:
    exponent = int(f"{value:.{digits - 1}e}".rpartition("e")[2])
    return digits - 1 - exponent


def _general(value: float | None, digits: int) -> str:
    if value is None or not math.isfinite(value):
        return fixed(value, 0)
    mantissa, _, exponent = f"{value:.{digits}g}".partition("e")
    text = mantissa.replace("-", MINUS)
    return scientific(text, int(exponent)) if exponent else text
