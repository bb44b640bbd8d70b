import contextlib
import itertools
import os
import shutil
from pathlib import Path

import pytest

from mmfit.common.files import recording, replacing, replacing_folder, write_bytes, write_text


def test_text_is_written_as_it_stands(tmp_path):
    path = tmp_path / "new" / "folder" / "text.csv"
    write_text(path, "a,ä\n1,2\r\n")
    assert path.read_bytes() == "a,ä\n1,2\r\n".encode()
    assert os.listdir(path.parent) == ["text.csv"]


def test_an_earlier_file_is_replaced(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"long content")
    write_bytes(path, b"short")
    assert path.read_bytes() == b"short"


def test_a_failure_leaves_the_earlier_file_and_no_other(tmp_path):
    path = tmp_path / "data.parquet"
    write_bytes(path, b"earlier")

    def write_half():
        with replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_bytes() == b"earlier"
    assert os.listdir(tmp_path) == ["data.parquet"]


def test_the_temporary_name_lies_beside_the_final_one_and_keeps_its_ending(tmp_path):
    with replacing(tmp_path / "data.parquet") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".parquet"
        temporary.touch()


def test_a_file_in_the_way_of_the_folder_is_an_oserror(tmp_path):
    (tmp_path / "results").touch()
    with pytest.raises(OSError, match="results"):
        write_text(tmp_path / "results" / "index.html", "")


def test_permissions_follow_the_umask(tmp_path):
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    write_text(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == ordinary.stat().st_mode


def test_what_is_written_is_recorded(tmp_path):
    write_text(tmp_path / "before", "")
    with recording() as written:
        write_text(tmp_path / "one", "")
        with replacing(tmp_path / "two") as temporary:
            temporary.touch()
        with pytest.raises(KeyError), replacing(tmp_path / "three"):
            raise KeyError
    write_text(tmp_path / "after", "")
    assert written == [tmp_path / "one", tmp_path / "two"]


def place(target, text="new"):
    with replacing_folder(target, ("ours", "deep")) as folder:
        (folder / "ours").write_text(text)


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def target(tmp_path):
    """A folder with files of ours, which a new one lacks, and one of somebody else."""
    folder = tmp_path / "results" / "a.b"
    for path in ("ours", "deep/ours", "logs/theirs"):
        write_text(folder / path, "old")
    return folder


def test_a_folder_is_replaced_as_a_whole(target):
    place(target)
    assert contents(target.parent) == {"a.b/ours": "new", "a.b/logs/theirs": "old"}


def test_a_failure_leaves_the_folder_as_it_was(target):
    before = contents(target.parent)
    with contextlib.suppress(KeyError), replacing_folder(target, ("ours",)) as folder:
        (folder / "ours").write_text("new")
        raise KeyError
    assert contents(target.parent) == before


def test_a_folder_that_is_not_there_yet(tmp_path):
    place(tmp_path / "results" / "new")
    assert contents(tmp_path) == {"results/new/ours": "new"}
    with pytest.raises(KeyError), replacing_folder(tmp_path / "results" / "other", ()):
        raise KeyError
    assert os.listdir(tmp_path / "results") == ["new"]


def test_a_link_to_a_folder_stays_one(tmp_path, target):
    link = tmp_path / "link"
    link.symlink_to(target)
    place(link)
    assert link.is_symlink()
    assert contents(target) == {"ours": "new", "logs/theirs": "old"}


def test_a_file_in_the_place_of_the_folder_is_kept(tmp_path):
    (tmp_path / "a").write_text("file")
    with pytest.raises(NotADirectoryError, match="a"):
        place(tmp_path / "a")
    assert (tmp_path / "a").read_text() == "file"


@pytest.mark.parametrize("call", range(9))
def test_a_process_killed_at_any_moment_loses_nothing(target, call):
    """It dies at its ``call``-th change of a name; the next one begins, and fails, in its place."""
    before = contents(target)
    child = os.fork()
    if child == 0:
        moments = itertools.count()

        def mortal(function):
            def run(*args, **options):
                return function(*args, **options) if next(moments) < call else os._exit(9)

            return run

        for place_of, names in ((Path, ("mkdir", "rename")), (shutil, ("copytree", "rmtree"))):
            for name in names:
                setattr(place_of, name, mortal(getattr(place_of, name)))
        place(target)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with pytest.raises(KeyError), replacing_folder(target, ("ours",)):
        raise KeyError
    assert os.listdir(target.parent) == ["a.b"]
    found = contents(target)
    assert found in (before, {"ours": "new", "logs/theirs": "old"})
    assert status == (9 if call < 7 else 0)


def test_a_process_that_lives_keeps_its_folder(target):
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        with replacing_folder(target, ("ours", "deep")) as folder:
            os.write(ready[1], b".")
            os.read(go[0], 1)
            (folder / "ours").write_text("theirs")
        os._exit(0)
    os.read(ready[0], 1)
    place(target)
    assert len(os.listdir(target.parent)) == 2
    os.write(go[1], b".")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert contents(target.parent) == {"a.b/ours": "theirs", "a.b/logs/theirs": "old"}
