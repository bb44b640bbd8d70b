"""YAML text to plain values, with the line of every key and a strict subset of the language.

The subset is that of YAML 1.2's core schema: ``no`` and ``on`` are text, ``1e-3`` is a number.
Anchors, aliases, merge keys and tags are refused: an analysis says what it means in place.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mmfit.errors import SpecError
from mmfit.spec.problems import KeyPath, Problem, did_you_mean, spec_error

_DEEPEST = 30
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


@dataclass(frozen=True, slots=True)
class Source:
    """A YAML file as read.

    Attributes
    ----------
    file : str, its path as given.
    value : the content: mappings, lists, text, numbers, booleans, None.
    lines : dict from key path to line number, counted from 1.
    problems : list of Problem found on the way (duplicate keys, keys that are not text).
    sha256 : str, checksum of the file's bytes; "" where there is no file.
    """

    file: str
    value: Any
    lines: dict[KeyPath, int]
    problems: list[Problem]
    sha256: str = ""

    def error(self, problems: list[Problem]) -> SpecError:
        """These problems and those of reading, as one error."""
        return spec_error(self.file, self.lines, [*self.problems, *problems])


def read_source(path: str | Path, purpose: str) -> Source:
    """Read a YAML file.

    Parameters
    ----------
    path : the file.
    purpose : what the file should hold, for the messages: ``an analysis has data and models``.

    Raises
    ------
    SpecError
        If there is no such file, it is a directory, cannot be decoded, is empty, or is not YAML
        of the subset accepted here.
    """
    file = str(path)
    raw = _read_bytes(Path(path), file)
    text = _decode(file, raw)
    try:
        _refuse_unsafe(file, text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(file, error) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SpecError(
            f"{file}:{line}: not YAML: the character U+{ord(text[error.position]):04X} is not "
            "allowed; remove it"
        ) from None
    if root is None:
        raise SpecError(f"{file}: the file is empty; {purpose}")
    source = Source(file, None, {(): root.start_mark.line + 1}, [])
    value = _construct(root, (), source)
    return Source(file, value, source.lines, source.problems, hashlib.sha256(raw).hexdigest())


def _read_bytes(path: Path, file: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        names = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
        hint = did_you_mean(path.name, names)
        raise SpecError(f"{file}: no such file{hint}; give the path of a YAML file") from None
    except IsADirectoryError:
        raise SpecError(f"{file}: this is a directory; give the path of a YAML file") from None
    except OSError as error:
        raise SpecError(f"{file}: cannot be read: {error.strerror}") from None


def _decode(file: str, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SpecError(
            f"{file}:{line}: byte 0x{raw[error.start]:02x} at position {error.start} is not UTF-8; "
            "save the file as UTF-8"
        ) from None


def _not_yaml(file: str, error: yaml.MarkedYAMLError) -> SpecError:
    mark = error.problem_mark or error.context_mark
    place = f"{file}:{mark.line + 1}: column {mark.column + 1}"
    if "another document" in (error.problem or ""):
        return SpecError(f"{place}: a second document begins here; a file holds one")
    said = " ".join(part for part in (error.context, error.problem) if part)
    hint = ""
    if "mapping values are not allowed" in said:
        hint = " (text that holds ': ' needs quotes, and a key needs its own line)"
    elif "'\\t'" in said:
        hint = " (indent with spaces, not tabs)"
    return SpecError(f"{place}: not YAML: {said}{hint}")


def _refuse_unsafe(file: str, text: str) -> None:
    """Refuse what needs no composing to be seen, before anything recursive runs."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        place = f"{file}:{event.start_mark.line + 1}: column {event.start_mark.column + 1}"
        if getattr(event, "anchor", None) is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            raise SpecError(
                f"{place}: {sign}{event.anchor} is a YAML anchor or alias; write the value out"
            )
        if getattr(event, "tag", None) is not None:
            raise SpecError(f"{place}: the YAML tag {event.tag!r} is not allowed; remove it")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise SpecError(f"{place}: nested deeper than {_DEEPEST} levels; an analysis needs 5")


def _construct(node: yaml.Node, path: KeyPath, source: Source) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if isinstance(node, yaml.SequenceNode):
        values = []
        for index, item in enumerate(node.value):
            source.lines[(*path, index)] = item.start_mark.line + 1
            values.append(_construct(item, (*path, index), source))
        return values
    return dict(_entries(node, path, source))


def _entries(node: yaml.Node, path: KeyPath, source: Source) -> Iterator[tuple[str, Any]]:
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            source.problems.append(
                Problem(path, "a key that is a list or a mapping", "a key is a word", line)
            )
            continue
        key = key_node.value
        here = (*path, key)
        if here in source.lines:
            source.problems.append(
                Problem(
                    here,
                    f"the key {key!r} stands twice (first in line {source.lines[here]})",
                    "each key is allowed once",
                    line,
                )
            )
            continue
        source.lines[here] = line
        yield key, _construct(value_node, here, source)


def _scalar(node: yaml.ScalarNode) -> Any:
    text = node.value
    if node.style is not None:  # quoted or a block: text
        return text
    if text in _SPECIAL:
        return _SPECIAL[text]
    # A whole number beyond the range of a float is of no use here, and long ones are slow to read.
    if _INT.fullmatch(text) and len(text) < 300:
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
