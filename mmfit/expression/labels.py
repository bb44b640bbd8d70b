"""Numbers written as R writes them, for the labels of levels and the names of coefficients."""

from collections.abc import Callable, Container, Iterable, Sequence
from decimal import Decimal

import numpy as np

from mmfit.errors import DataError


class LabelError(DataError):
    """Two different values would get one label, or a value has lost the digits that tell it."""


class Labels(Sequence):
    """The labels of the levels of a factor, formed when one of them is first looked at.

    It stands for a tuple of str and equals it. A grouping factor may have a hundred thousand
    levels, whose labels a fit never needs; how many there are is known without forming them.

    Parameters
    ----------
    count : int, how many labels there are.
    form : function without arguments that gives them, as an iterable of str; called at most once.

    >>> labels = Labels(2, lambda: ("a", "b"))
    >>> len(labels), labels[1], labels == ("a", "b")
    (2, 'b', True)
    """

    __slots__ = ("_count", "_form", "_texts")

    def __init__(self, count: int, form: Callable[[], Iterable[str]]):
        self._count, self._form, self._texts = count, form, None

    @property
    def texts(self) -> tuple[str, ...]:
        """The labels themselves."""
        if self._texts is None:
            self._texts = tuple(self._form())
            # What the labels were formed from need not be kept in memory any longer.
            self._form = None
        return self._texts

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index):
        return self.texts[index]

    def __iter__(self):
        return iter(self.texts)

    def __contains__(self, label: object) -> bool:
        return label in self.texts

    def index(self, label: str, *bounds: int) -> int:
        return self.texts.index(label, *bounds)

    def count(self, label: str) -> int:
        return self.texts.count(label)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Labels | tuple):
            return NotImplemented
        return len(self) == len(other) and self.texts == tuple(other)

    def __hash__(self) -> int:
        return hash(self.texts)

    def __repr__(self) -> str:
        return repr(self.texts)

    def __reduce__(self):
        # A plain tuple is all that another process needs of it.
        return tuple, (self.texts,)


# Whole numbers below are written without an exponent.
_WHOLE = 1e18
# Floats of this many steps apart may each stand for several whole numbers that were labels.
_STEPS = 2


class Literal(float):
    """A number as an expression writes it; ``spelling`` is its text."""

    spelling: str

    def __new__(cls, spelling: str | float):
        self = super().__new__(cls, spelling)
        self.spelling = str(spelling)
        return self


def number_label(value: float) -> str:
    """R's ``as.character`` of a number: 15 significant digits, fixed notation unless longer.

    >>> number_label(308.0), number_label(1.5), number_label(1e5), number_label(0.00012)
    ('308', '1.5', '1e+05', '0.00012')
    """
    return _spelled(value, 15)


def _spelled(value: float, digits: int) -> str:
    value = float(value) + 0.0  # no minus before a zero
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else ("Inf" if value > 0 else "-Inf")
    rounded = f"{value:.{digits - 1}e}"
    mantissa, exponent = rounded.split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    power = int(exponent)
    decimals = max(0, len(mantissa.lstrip("-").replace(".", "")) - 1 - power)
    fixed = f"{float(rounded):.{decimals}f}"
    scientific = f"{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"
    return fixed if len(fixed) <= len(scientific) else scientific


def value_label(value: object) -> str:
    """The label of one level: R's way for numbers and booleans, the text itself otherwise.

    A number's label depends on nothing but the number, and no two numbers have the same: whole
    ones are written out (``100000``, whether they came as an integer or, because another was
    missing, as a float), others have R's 15 digits where these give the number back, and all
    their digits where not.

    >>> value_label(100000.0), value_label(0.3), value_label(0.1 + 0.2)
    ('100000', '0.3', '0.30000000000000004')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return _float_label(value)
    if isinstance(value, Decimal):
        return _decimal_label(value)
    return str(value)


def spellings(value: float | bool | str) -> tuple[str, ...]:
    """The labels that a constant of an expression may mean, the likeliest first.

    >>> spellings(Literal("1e5")), spellings(Literal("1.10"))
    (('1e5', '100000', '1e+05'), ('1.10', '1.1', '1.1'))
    """
    if not isinstance(value, float):
        return (value_label(value),)
    written = (value.spelling,) if isinstance(value, Literal) else ()
    return (*written, value_label(value), number_label(value))


def _float_label(value: float | np.floating) -> str:
    # In single precision the shortest text that gives the number back there: 0.1 is 0.1.
    single = isinstance(value, np.floating) and value.dtype.itemsize < 8
    exact = float(str(value)) if single else float(value)
    if exact == exact and abs(exact) < _WHOLE and exact == int(exact):
        return str(int(exact))
    digits = (15, 16, 17)
    texts = (_spelled(exact, count) for count in digits)
    return next((text for text in texts if float(text) == exact), number_label(exact))


def _decimal_label(value: Decimal) -> str:
    if value.is_finite():
        whole = value == value.to_integral_value()
        short = None if whole else _spelled(float(value), 15)
        if short is None or Decimal(short) != value:
            plain = format(value, "f")
            plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
            return plain if value else "0"
        return short
    return number_label(float(value))


def level_labels(values: Iterable[object]) -> list[str]:
    """Labels of the levels of one factor, see :func:`value_label`.

    Raises
    ------
    LabelError
        Where two of the values have the same label; for whole numbers next to each other among the
        floats that skip whole numbers (identifiers of 16 and more digits that were read as floats).
    """
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        return [str(value) for value in values.tolist()]
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        _refuse_lost_digits(values)
    values = list(values)
    labels = [value_label(value) for value in values]
    require_distinct(labels, values)
    return labels


def _refuse_lost_digits(values: np.ndarray) -> None:
    exact = 2.0 ** (np.finfo(values.dtype).nmant + 1)
    large = np.sort(values[np.isfinite(values) & (np.abs(values) >= exact)])
    close = np.diff(large) <= _STEPS * np.spacing(np.abs(large[1:]))
    if close.any():
        a, b = (int(value) for value in large[np.flatnonzero(close)[0] :][:2])
        raise LabelError(
            f"the labels {a} and {b} are floats beyond {int(exact)}, where whole numbers fall "
            "together; read such labels as text, or as integers (dtype 'Int64' where some are "
            "missing)"
        )


def require_distinct(labels: Sequence[str], values: Sequence[object] | None = None) -> None:
    """Raise LabelError where two levels have one label; ``values`` are what they are made from."""
    if len(set(labels)) == len(labels):
        return
    seen: dict[str, int] = {}
    for place, label in enumerate(labels):
        first = seen.setdefault(label, place)
        if first != place:
            of = "" if values is None else f" ({_shown(values[first])} and {_shown(values[place])})"
            raise LabelError(f"two different levels would both be labelled {label!r}{of}")


def _shown(value: object) -> str:
    return f"the {type(value).__name__} {value!r}" if not isinstance(value, tuple) else f"{value}"


def number_order(labels: Sequence[str]) -> list[int]:
    """Places of labels that are decimal numbers, by value and then by text."""
    keys = [(Decimal(label), label) for label in labels]
    return sorted(range(len(labels)), key=keys.__getitem__)


def text_column(name: str) -> str:
    """The column that holds the texts of a column of numbers, as they stand in the file.

    A data set has it where these numbers are labels as well, and texts say more than numbers do
    (``1.1`` and ``1.10``). No formula can name it: names in backticks cannot hold backticks.
    """
    return f"`{name}` as text"


def label_column(frame: Container[str], name: str) -> str:
    """The column of a frame that holds the labels of a factor: its texts, where they are there."""
    beside = text_column(name)
    return beside if beside in frame else name


def is_text_column(name: object) -> bool:
    """Whether a name is one of ``text_column``."""
    return isinstance(name, str) and name.startswith("`") and name.endswith("` as text")
