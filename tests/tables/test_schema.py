"""One schema: the writer, the reader, the list of outputs and the README's tables come from it."""

import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import pandas as pd
import pytest

from mmfit.errors import DataError
from mmfit.tables import frames, model_tables, schema
from mmfit.tables.schema import KINDS, TABLES, Column, TableSchema, readme_rows, tables_of

README = Path(__file__).parents[2] / "results" / "README.md"
MADE_UP = TableSchema(
    "levels",
    "tables",
    "a grouping factor",
    (
        Column("model", "text"),
        Column("group", "text", "its name"),
        Column("levels", "count"),
        Column("smallest", "integer"),
        Column("share", "number"),
        Column("balanced", "truth"),
        Column("nested", "flag"),
    ),
)
ROWS = [
    ["m1", "a", 3, 2, 1 / 3, True, None],
    ["m2", None, 0, None, None, False, True],
]


def test_the_readme_of_the_results_is_made_from_it():
    text = README.read_text(encoding="utf-8")
    assert readme_rows(("tables", "compare")) in text
    assert readme_rows(("inference", "search")) in text


def test_every_table_belongs_to_a_stage_and_has_columns_of_known_kinds():
    stages = ("tables", "compare", "inference", "search")
    assert sum(len(tables_of(stage)) for stage in stages) == len(TABLES)
    for table in TABLES.values():
        assert len(set(table.header)) == len(table.header)
        assert set(table.kinds.values()) <= set(KINDS)


def test_it_needs_neither_pandas_nor_numpy():
    code = "import mmfit.tables.schema, sys; print(sorted({'pandas', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.fixture
def with_another(monkeypatch):
    """The schema with one more table."""
    more = MappingProxyType({**TABLES, "levels": MADE_UP})
    for module in (schema, frames):
        monkeypatch.setattr(module, "TABLES", more)


def test_a_new_table_is_its_schema_and_its_computation(with_another, monkeypatch, tmp_path):
    rows = [dict(zip(MADE_UP.header, row, strict=True)) for row in ROWS]
    computed = {**model_tables.COMPUTED, "levels": lambda *_: frames.frame_of_rows("levels", rows)}
    monkeypatch.setattr(model_tables, "COMPUTED", computed)
    frames.write_tables(tmp_path, "tables", model_tables.model_tables((), "normal"))
    assert (tmp_path / "levels.csv").read_text() == (
        "model,group,levels,smallest,share,balanced,nested\n"
        "m1,a,3,2,0.3333333333333333,true,\n"
        "m2,,0,,,false,true\n"
    )
    read = frames.read_tables(tmp_path, ("levels",))["levels"]
    pd.testing.assert_frame_equal(read, frames.frame_of_rows("levels", rows), check_exact=True)
    assert MADE_UP in tables_of("tables")
    row = "| `levels.csv` | a grouping factor | model, group (its name), levels, smallest"
    assert row in readme_rows(("tables",))
    assert list(frames.empty_tables()) == list(schema.TABLES)


@pytest.mark.parametrize(
    ("old", "new"), [("model,group", "group,model"), ("m1,a,3", "m1,a,three"), (",false", ",no")]
)
def test_what_does_not_fit_it_is_refused(with_another, tmp_path, old, new):
    rows = [dict(zip(MADE_UP.header, row, strict=True)) for row in ROWS]
    path = tmp_path / "levels.csv"
    tables = {"levels": frames.frame_of_rows("levels", rows)}
    empty = {table.name: frames.empty_frame(table.name) for table in tables_of("tables")}
    frames.write_tables(tmp_path, "tables", {**empty, **tables})
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=r"levels\.csv: not a table.*run `mmfit tables` again"):
        frames.read_tables(tmp_path, ("levels",))
    with pytest.raises(KeyError):
        frames.write_tables(tmp_path, "tables", {})
