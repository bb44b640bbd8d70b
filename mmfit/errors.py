"""The errors that mmfit raises on purpose, each with the exit code that the console script gives.

Every message says what is wrong, where it is (file, key, line or column) and what would be right,
so that it can be shown to a user as it stands, without a traceback.
"""

import contextlib
from collections.abc import Iterator


class MmfitError(ValueError):
    """Base of all errors of this package; exit code 2 (bad input) unless a subclass has another."""

    exit_code = 2


class SpecError(MmfitError):
    """An analysis file that cannot be used; holds every problem found in it.

    Attributes
    ----------
    problems : tuple of str, one complete sentence each, in file order.
    """

    def __init__(self, problems):
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class FormulaError(MmfitError):
    """A formula or expression that cannot be read or evaluated.

    When the position is known the message ends with the text and a caret below the place.
    """

    def __init__(self, message, text=None, position=None):
        self.reason = message
        self.text = text
        self.position = position
        if text is not None and position is not None:
            message = f"{message}\n    {text}\n    {' ' * position}^"
        super().__init__(message)


class DataError(MmfitError):
    """A data file or a column that cannot be used."""


class AbsentError(MmfitError):
    """A column that is asked for and not in the model."""


class DesignError(MmfitError):
    """A model that these data cannot identify (one level, more random effects than rows, ...)."""


class ComparisonError(MmfitError):
    """A comparison that was asked for in a way that has no meaning (unknown model, ...)."""


class StaleError(MmfitError):
    """Results that were made from something else than what they would be told with."""


class ComputationError(MmfitError):
    """A computation that failed on good input; exit code 1."""

    exit_code = 1


@contextlib.contextmanager
def naming(place: str) -> Iterator[None]:
    """Let an error of this package say where it happened, e.g. ``the model 'm1'``."""
    try:
        yield
    except MmfitError as error:
        error.add_note(f"in {place}")
        raise
