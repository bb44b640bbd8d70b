"""Fields of a record that are computed when they are first asked for.

A fit is often wanted for its criterion alone; conditional modes and the exact curvature can cost
more than the search itself.
"""

from collections.abc import Callable
from typing import Any


class Deferred:
    """A value to come: ``Deferred(function, *arguments)``."""

    __slots__ = ("arguments", "function")

    def __init__(self, function: Callable[..., Any], *arguments: Any):
        self.function, self.arguments = function, arguments


class LazyField:
    """A dataclass field that holds a value or a :class:`Deferred`, and gives the value."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, record: Any, owner: type | None = None) -> Any:
        if record is None:
            # A dataclass takes this to mean that the field has no default.
            raise AttributeError(self.name)
        value = record.__dict__[self.name]
        if isinstance(value, Deferred):
            value = value.function(*value.arguments)
            record.__dict__[self.name] = value
        return value

    def __set__(self, record: Any, value: Any) -> None:
        record.__dict__[self.name] = value


class LazyRecord:
    """Base of records with late fields: a copy or a pickle holds the values themselves."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dict__}
