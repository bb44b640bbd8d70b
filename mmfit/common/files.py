"""Writing files and folders so that a final name only ever holds something whole."""

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextvars import ContextVar
from pathlib import Path

try:
    import fcntl
except ImportError:  # not a Unix
    fcntl = None

_written: ContextVar[list[Path] | None] = ContextVar("_written", default=None)


@contextlib.contextmanager
def recording() -> Iterator[list[Path]]:
    """Yield a list that every path is added to which `replacing` writes within the block."""
    written: list[Path] = []
    token = _written.set(written)
    try:
        yield written
    finally:
        _written.reset(token)


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; rename it to ``path`` when the block succeeds.

    For writers that want a file name (parquet). Missing folders are made. When the block raises,
    the temporary file is removed and what stood under ``path`` before is left as it was.

    Raises OSError when the folder or the file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last, because some writers choose the format by it. The process number keeps
    # two writers of one file apart.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if (written := _written.get()) is not None:
        written.append(path)


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Write ``content`` to ``path`` whole or not at all (see `replacing`)."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | os.PathLike, content: str) -> None:
    """Write ``content`` to ``path`` in UTF-8, line ends as they are, whole or not at all."""
    write_bytes(path, content.encode("utf-8"))


@contextlib.contextmanager
def replacing_folder(target: str | os.PathLike, ours: Collection[str]) -> Iterator[Path]:
    """Yield an empty folder; put it in the place of ``target`` as a whole when the block succeeds.

    What stands in ``target`` under other names than ``ours`` goes along. When the block raises,
    or the process is killed at whatever moment, no file of ``target`` is lost: at worst it lies,
    whole, in a hidden folder beside, from where the next call takes it back.

    Raises OSError when ``target`` is a file or a folder cannot be written.
    """
    target = Path(target)
    if target.is_symlink():
        target = target.resolve()
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    _clear_left(target)
    holder = target.with_name(f".{target.name}.{os.getpid()}")
    holder.mkdir()
    handle = os.open(holder, os.O_RDONLY)
    try:
        _lock(handle)
        new = holder / "new"
        new.mkdir()
        yield new
        if target.exists():
            for path in sorted(target.iterdir()):
                if path.name not in ours:
                    _copy(path, new / path.name)
            target.rename(holder / "old")
        new.rename(target)
    finally:
        _settle(holder, target)
        os.close(handle)


def _clear_left(target: Path) -> None:
    """Take back or remove what processes that were killed have left beside ``target``."""
    name = re.compile(rf"\.{re.escape(target.name)}\.[0-9]+")
    for holder in sorted(target.parent.iterdir()):
        if not name.fullmatch(holder.name) or not holder.is_dir():
            continue
        handle = os.open(holder, os.O_RDONLY)
        try:
            if _lock(handle):
                _settle(holder, target)
        finally:
            os.close(handle)


def _lock(handle: int) -> bool:
    """Lock an open folder until it is closed; False when a process that lives holds it.

    False also where locks are not to be had: then nobody can say who lives.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _settle(holder: Path, target: Path) -> None:
    """Put back what was taken from ``target`` where nothing has come in its place."""
    old = holder / "old"
    if old.exists() and not target.exists():
        old.rename(target)
    shutil.rmtree(holder, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)
