"""A dataset on disk and back."""

import json

import pandas as pd
import pytest

from mmfit.data import load_dataset, read_dataset, read_rows, write_dataset
from mmfit.errors import DataError
from tests.data.files import TABLE, analysis, write_data

MODELS = {"m1": "y ~ x + (1 | g) + (1 | h)", "m2": "y ~ x + (1 | h)"}


@pytest.fixture
def dataset(tmp_path):
    write_data(tmp_path, TABLE.replace("7.5,1,b,1", ",1,b,1").replace("c,2\n", "c ü,2\n"))
    data = {"categorical": ["h"], "where": "x < 11", "derive": {"z": "x / 3"}}
    return load_dataset(analysis(tmp_path, MODELS, data=data))


def test_a_dataset_comes_back_without_loss(dataset, tmp_path):
    write_dataset(dataset, tmp_path / "results" / "trial")
    back = read_dataset(tmp_path / "results" / "trial")
    pd.testing.assert_frame_equal(back.frame, dataset.frame, check_exact=True)
    for column in ("g", "h"):
        assert list(back.frame[column].cat.categories) == list(dataset.frame[column].cat.categories)
    assert back.source == dataset.source
    assert back.row_report == dataset.row_report
    assert back.design == dataset.design
    assert back.warnings == dataset.warnings
    assert back.row_report.sentences()[-1] == "1 had missing values: y (1)."


def test_two_writings_give_the_same_bytes_and_nothing_else(dataset, tmp_path):
    for folder in ("a", "b"):
        write_dataset(dataset, tmp_path / folder)
    names = ["data.parquet", "design.json"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_design_in_json(dataset, tmp_path):
    write_dataset(dataset, tmp_path)
    record = json.loads((tmp_path / "design.json").read_text(encoding="utf-8"))
    assert list(record) == ["source", "rows", "factors", "pairs", "notes", "warnings"]
    assert (record["rows"]["read"], record["rows"]["kept"]) == (12, 10)
    (first, second) = record["factors"]
    assert (first["name"], first["levels"], first["balanced"]) == ("g", 4, False)
    assert (second["name"], second["crossed_with"]) == ("h", ["g"])


def test_a_folder_without_data(tmp_path):
    with pytest.raises(DataError, match=r"data\.parquet: no such file; run `mmfit data` first$"):
        read_dataset(tmp_path)


def test_a_folder_with_the_rows_alone(dataset, tmp_path):
    write_dataset(dataset, tmp_path)
    (tmp_path / "design.json").unlink()
    with pytest.raises(DataError, match=r"design\.json: no such file; run `mmfit data` first$"):
        read_dataset(tmp_path)
    frame, source, rows = read_rows(tmp_path)
    pd.testing.assert_frame_equal(frame, dataset.frame)
    assert (source, rows) == (dataset.source, dataset.row_report)


@pytest.mark.parametrize("name", ["data.parquet", "design.json"])
def test_files_of_another_kind(dataset, tmp_path, name):
    write_dataset(dataset, tmp_path)
    (tmp_path / name).write_text("[]")
    with pytest.raises(DataError, match="not a dataset of mmfit"):
        read_dataset(tmp_path)


def test_a_parquet_file_of_another_maker(dataset, tmp_path):
    write_dataset(dataset, tmp_path)
    dataset.frame.to_parquet(tmp_path / "data.parquet")
    with pytest.raises(DataError, match="not a dataset of mmfit"):
        read_dataset(tmp_path)
