import csv
import io
import math

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from mmfit.tables.csvfile import csv_text, write_csv


def test_one_dialect():
    frame = pd.DataFrame(
        {
            "name": ["a, b", 'say "x"', None],
            "flag": [True, False, True],
            "number": [0.1, math.nan, math.inf],
            "whole": pd.array([1, None, -3], dtype="Int64"),
            "mixed": [np.float64(1e-300), np.int64(7), np.bool_(False)],
        }
    )
    assert csv_text(frame) == (
        "name,flag,number,whole,mixed\n"
        '"a, b",true,0.1,1,1e-300\n'
        '"say ""x""",false,,,7\n'
        ",true,inf,-3,false\n"
    )


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_doubles_come_back_bit_for_bit(values):
    text = csv_text(pd.DataFrame({"row": range(len(values)), "value": values}))
    back = np.array([float(row["value"]) for row in csv.DictReader(io.StringIO(text))])
    np.testing.assert_array_equal(back.view(np.int64), np.array(values).view(np.int64))


def test_empty_table_keeps_its_header():
    assert csv_text(pd.DataFrame(columns=["model", "term"])) == "model,term\n"


def test_file_has_unix_line_ends_and_no_leftovers(tmp_path):
    path = tmp_path / "tables" / "t.csv"
    write_csv(path, pd.DataFrame({"level": ["é", "b"]}))
    assert path.read_bytes() == "level\né\nb\n".encode()
    assert [entry.name for entry in path.parent.iterdir()] == ["t.csv"]
