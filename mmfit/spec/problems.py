"""What is wrong with a file, place by place; and the nearest name to one that is not known."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from mmfit.errors import SpecError

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file.

    Attributes
    ----------
    path : tuple of str and int, the keys and list positions that lead to the place; empty for
        the whole file.
    found : str, what stands there.
    allowed : str, what would be right.
    line : int or None; None means the line of ``path``.
    """

    path: KeyPath
    found: str
    allowed: str
    line: int | None = None


def key_text(path: KeyPath) -> str:
    """The path as it is shown: ``data.categorical[1]``."""
    text = ""
    for step in path:
        text += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that ``name`` was probably meant to be, or None; case does not count."""
    by_lower: dict[str, str] = {}
    for known in names:
        by_lower.setdefault(known.lower(), known)
    close = get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` or nothing."""
    close = nearest(name, names)
    return "" if close is None else f" (did you mean {close!r}?)"


def listing(names: Iterable[str], most: int = 12) -> str:
    """Names separated by commas; the end of a long list is counted, not shown."""
    names = list(names)
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown}, … ({len(names)} in all)"


def spec_error(file: str, lines: dict[KeyPath, int], problems: Iterable[Problem]) -> SpecError:
    """All problems of one file as one error, in the order of the file."""

    def line_of(problem: Problem) -> int | None:
        if problem.line is not None:
            return problem.line
        path = problem.path
        while path and path not in lines:
            path = path[:-1]
        return lines.get(path)

    located = [(line_of(problem), problem) for problem in problems]
    located.sort(key=lambda pair: (pair[0] or 0, key_text(pair[1].path)))
    messages = []
    for line, problem in located:
        where = file if line is None else f"{file}:{line}"
        key = f" {key_text(problem.path)}:" if problem.path else ""
        # A caret text ends its message: what is allowed then goes before it.
        head, caret, tail = problem.found.partition("\n")
        messages.append(f"{where}:{key} {head}; {problem.allowed}{caret}{tail}")
    return SpecError(dict.fromkeys(messages))
