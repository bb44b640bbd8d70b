"""The shipped data sets are those of the reference, and every shipped analysis reads them."""

import csv
from pathlib import Path

import numpy as np
import pytest

from mmfit.data import load_dataset
from mmfit.data.reading import read_table
from mmfit.spec import load_analysis

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "tests" / "reference" / "data"


@pytest.fixture(autouse=True)
def project_folder(monkeypatch):
    monkeypatch.chdir(ROOT)


def dataset(name):
    return load_dataset(load_analysis(f"config/analyses/{name}.yaml"))


@pytest.mark.parametrize("name", ["nested", "conc", "sleepstudy", "penicillin", "pastes"])
def test_shipped_files_are_the_reference_to_the_last_bit(name):
    shipped = read_table(f"config/data/{name}.csv").frame
    with open(REFERENCE / f"{name}.csv", encoding="utf-8", newline="") as file:
        expected = list(csv.DictReader(file))
    assert list(shipped.columns) == list(expected[0])
    for column in shipped.columns:
        values = shipped[column].tolist()
        texts = [row[column] for row in expected]
        assert values == (texts if isinstance(values[0], str) else [float(t) for t in texts])


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("nested", 240),
        ("conc", 40),
        ("sleepall", 144),
        ("sleepstudy", 180),
        ("penicillin", 144),
        ("pastes", 60),
        ("crossed_slopes", 960),
        ("three_levels", 960),
    ],
)
def test_shipped_analyses_use_all_their_rows_and_raise_no_warning(name, rows):
    used = dataset(name)
    assert (used.row_report.kept, used.warnings) == (rows, ())


def test_where_and_derive_make_the_rows_of_the_lecture():
    used, lecture = dataset("sleepall"), read_table(str(REFERENCE / "sleepall.csv")).frame
    assert (used.row_report.read, used.row_report.excluded) == (180, 36)
    for column in ("Reaction", "Days"):
        values = used.frame[column].to_numpy(float)
        assert np.array_equal(values, lecture[column].to_numpy(float))
    assert used.frame["sex"].tolist() == lecture["sex"].tolist()
    assert used.frame["Subject"].astype(float).tolist() == lecture["Subject"].tolist()
