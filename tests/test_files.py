import os

import pytest

from mmfit.files import replacing, write_bytes, write_text


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
