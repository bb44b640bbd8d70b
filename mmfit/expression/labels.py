"""Numbers written as R writes them, for the labels of levels and the names of coefficients."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np


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


def number_label(value: float) -> str:
    """R's ``as.character`` of a number: 15 significant digits, fixed notation unless longer.

    >>> number_label(308.0), number_label(1.5), number_label(1e5), number_label(0.00012)
    ('308', '1.5', '1e+05', '0.00012')
    """
    value = float(value) + 0.0  # no minus before a zero
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else ("Inf" if value > 0 else "-Inf")
    mantissa, exponent = f"{value:.14e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    power = int(exponent)
    decimals = max(0, len(mantissa.lstrip("-").replace(".", "")) - 1 - power)
    fixed = f"{float(f'{value:.14e}'):.{decimals}f}"
    scientific = f"{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"
    return fixed if len(fixed) <= len(scientific) else scientific


def value_label(value: object) -> str:
    """The label of one level: R's way for numbers and booleans, the text itself otherwise."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return number_label(value)
    return str(value)


def level_labels(values: Iterable[object]) -> list[str]:
    """Labels of the levels of one factor.

    A float column of whole numbers is labelled like an integer one (``100000``, not ``1e+05``):
    it is what remains of identifiers when one of them was missing.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        finite = np.isfinite(values)
        if finite.all() and (values == np.trunc(values)).all() and (abs(values) < 1e15).all():
            return [str(value) for value in values.astype(np.int64).tolist()]
        return [number_label(value) for value in values.tolist()]
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        return [str(value) for value in values.tolist()]
    return [value_label(value) for value in values]
