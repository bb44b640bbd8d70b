"""Data files: what is read, exactly, and what is refused with which message."""

import gzip
import hashlib
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfit.data.reading import read_table
from mmfit.errors import DataError
from tests.data.files import HEADER, ROWS, TABLE, write_data

BAD_FILES = {
    "empty": ("trial.csv", b"", ": the file is empty; a header and rows are needed"),
    "blank": ("trial.csv", b" \n\n", ": the file is empty; a header and rows are needed"),
    "no_rows": ("trial.csv", HEADER, ": a header but no rows"),
    "duplicate_header": (
        "trial.csv",
        "y,x,g,x\n1,2,3,4\n",
        ":1: the header has two columns named 'x' (columns 2 and 4); each needs a name of its own",
    ),
    "nameless_column": ("trial.csv", "y,,g\n1,2,3\n", ":1: column 2 has no name in the header"),
    "short_row": (
        "trial.csv",
        TABLE + "1,2\n",
        ":14: this row has 2 fields and the header has 4; every row needs as many",
    ),
    "long_row_behind_a_line_break": (
        "trial.csv",
        'y,g\n1,"a\nb"\n\n2,a,3\n',
        ":5: this row has 3 fields and the header has 2; every row needs as many",
    ),
    "semicolons": (
        "trial.csv",
        TABLE.replace(",", ";"),
        ":1: the header has one column, 'y;x;g;h', with semicolons in its name; "
        "fields must be separated by commas",
    ),
    "commas_in_tsv": (
        "trial.tsv",
        TABLE,
        ":1: the header has one column, 'y,x,g,h', with commas in its name; "
        "fields must be separated by tabs",
    ),
    "encoding": (
        "trial.csv",
        HEADER.encode() + b"1,2,\xe9,4\n",
        ":2: byte 0xe9 at position 12 is not UTF-8; save the file as UTF-8",
    ),
    "utf_16": (
        "trial.csv",
        TABLE.encode("utf-16"),
        ":1: byte 0xff at position 0 is not UTF-8; save the file as UTF-8",
    ),
    "not_gzip": ("trial.csv.gz", TABLE, ": not a sound gzip file: Not a gzipped file (b'y,')"),
    "truncated_gzip": (
        "trial.csv.gz",
        gzip.compress(TABLE.encode())[:30],
        ": not a sound gzip file: Compressed file ended before the end-of-stream marker",
    ),
    "not_parquet": ("trial.parquet", TABLE, ": not a parquet file: "),
    "unknown_kind": (
        "trial.xlsx",
        b"1",
        " is of an unknown kind, '.xlsx'; a name that ends in .csv, .tsv or .parquet, with or "
        "without .gz, is allowed",
    ),
}


@pytest.mark.parametrize(("name", "content", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_file_that_cannot_be_read(tmp_path, name, content, message):
    path = write_data(tmp_path, content, name)
    with pytest.raises(DataError) as caught:
        read_table(path)
    assert str(caught.value).startswith(f"{path}{message}")


def test_a_missing_file_names_the_nearest(tmp_path):
    write_data(tmp_path, TABLE, "sleepstudy.csv")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "sleepstdy.csv")
    assert str(caught.value) == (
        f"no such file: {tmp_path}/sleepstdy.csv (did you mean 'sleepstudy.csv'?); "
        "paths are relative to the folder in which mmfit runs"
    )
    with pytest.raises(DataError, match=r"^no such file: .*csv \(there is no folder '.*none'\);"):
        read_table(tmp_path / "none" / "a.csv")


def test_a_directory_is_no_file(tmp_path):
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(DataError, match=r"csv is a directory; a csv, tsv or parquet file"):
        read_table(tmp_path / "a.csv")


def test_the_checksum_is_that_of_the_bytes(tmp_path):
    path = write_data(tmp_path, TABLE)
    right = hashlib.sha256(TABLE.encode()).hexdigest()
    assert read_table(path, right).sha256 == right
    wrong = "ab" * 32
    with pytest.raises(DataError) as caught:
        read_table(path, wrong)
    assert f"the checksum does not match: expected sha256 {wrong}, found {right};" in str(
        caught.value
    )


def read(folder, content, name="trial.csv"):
    return read_table(write_data(folder, content, name)).frame


def test_one_table_in_all_formats(tmp_path):
    frame = read(tmp_path, TABLE)
    assert list(frame.columns) == ["y", "x", "g", "h"]
    assert [dtype.kind for dtype in (frame["y"].dtype, frame["x"].dtype)] == ["f", "i"]
    assert frame["g"].tolist()[:3] == ["a", "b", "c"]
    parquet = tmp_path / "trial.parquet"
    frame.to_parquet(parquet)
    for name, content in {
        "a.tsv": TABLE.replace(",", "\t").encode(),
        "a.csv.gz": gzip.compress(TABLE.encode()),
        "windows.csv": b"\xef\xbb\xbf" + TABLE.replace("\n", "\r\n").encode(),
        "blanks.csv": TABLE.replace(",", " , ").encode(),
        "quoted.csv": ('"' + TABLE.replace(",", '","').replace("\n", '"\n"')[:-1]).encode(),
        "A.CSV": TABLE.encode(),
        "a.parquet": parquet.read_bytes(),
        "a.parquet.gz": gzip.compress(parquet.read_bytes()),
    }.items():
        pd.testing.assert_frame_equal(read(tmp_path, content, name), frame)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_numbers_are_read_to_the_last_bit(tmp_path_factory, numbers):
    folder = tmp_path_factory.mktemp("numbers")
    frame = read(folder, "y,z\n" + "".join(f"{n!r},{n:.17e}\n" for n in numbers))
    for column in ("y", "z"):
        values = frame[column].to_numpy(float)
        assert values.tobytes() == np.array(numbers).tobytes() or (
            frame[column].dtype.kind == "i" and values.tolist() == numbers
        )


COLUMNS = {
    "whole": (["1", "+2", "-3"], [1, 2, -3]),
    "whole_with_missing": (["1", "NA", "3"], [1.0, None, 3.0]),
    "beyond_int64": (["99999999999999999999", "1", "2"], [1e20, 1.0, 2.0]),
    "decimal": ([".5", "5.", "1e-3"], [0.5, 5.0, 1e-3]),
    "infinite": (["Inf", "-inf", "1"], [math.inf, -math.inf, 1.0]),
    "missing_in_three_spellings": (["", "NA", "NaN"], [None, None, None]),
    "leading_zeros_are_labels": (["007", "012", "3"], ["007", "012", "3"]),
    "a_zero_before_the_point_is_none": (["0.5", "0", "-0.25"], [0.5, 0.0, -0.25]),
    "hexadecimal_is_text": (["0x10", "1", "2"], ["0x10", "1", "2"]),
    "underscores_are_text": (["1_000", "1", "2"], ["1_000", "1", "2"]),
    "truth_values_are_text": (["TRUE", "FALSE", "NA"], ["TRUE", "FALSE", None]),
    "dates_are_text": (["2020-01-31", "NA", "x"], ["2020-01-31", None, "x"]),
    "other_words_for_missing_are_text": (["1", "null", "-"], ["1", "null", "-"]),
    "quoted": (['"a,b"', '"a ""b"""', "a"], ["a,b", 'a "b"', "a"]),
}


@pytest.mark.parametrize(("fields", "values"), COLUMNS.values(), ids=COLUMNS.keys())
def test_how_a_column_is_understood(tmp_path, fields, values):
    column = read(tmp_path, "k,v\n" + "".join(f"1,{field}\n" for field in fields))["v"]
    assert [None if pd.isna(value) else value for value in column.tolist()] == values
    assert [type(v) for v in column.dropna()] == [type(v) for v in values if v is not None]


def test_parquet_types(tmp_path):
    frame = pd.DataFrame(
        {
            "truth": [True, False, True],
            "maybe": pd.array([True, None, False], dtype="boolean"),
            "count": pd.array([1, None, 3], dtype="Int64"),
            "level": pd.Categorical(["lo", "hi", "lo"], categories=["lo", "mid", "hi"]),
        }
    )
    frame.set_axis([5, 6, 7]).to_parquet(tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet").frame
    assert list(table.columns) == list(frame.columns)
    assert table["truth"].tolist() == ["TRUE", "FALSE", "TRUE"]
    assert table["maybe"].tolist()[::2] == ["TRUE", "FALSE"]
    assert pd.isna(table["maybe"][1])
    assert table["count"].tolist()[::2] == [1.0, 3.0]
    assert list(table["level"].cat.categories) == ["lo", "mid", "hi"]


def test_rows_are_in_the_order_of_the_file(tmp_path):
    frame = read(tmp_path, HEADER + "".join(reversed(ROWS.splitlines(keepends=True))))
    assert frame["x"].tolist() == list(reversed(range(12)))
