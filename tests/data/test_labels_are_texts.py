"""A label is the text that stands in the file: random labels against the texts themselves.

The oracle reads the files with the ``csv`` module of Python, and fits the same rows with every text
renamed to ``L0``, ``L1``, ...: whatever reads texts as numbers gets another partition.
"""

import csv
import io
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mmfit import lmer
from mmfit.data import candidate_matrices, load_dataset, read_dataset, write_dataset
from mmfit.data.new_rows import read_new_rows
from mmfit.engine import fit_model
from mmfit.errors import DataError
from mmfit.expression.labels import text_column
from tests.data.files import analysis, write_data

CLINICS = ["1.1", "1.2", "1.10", "1.20", "2", "2.0", "2.00", "1E1", "10", "10.", "1e1", "+10", ".5"]
LONG = [str(10**16 + k) for k in (1, 2, 3, 4)] + [str(10**24 + k) for k in (0, 1)]
ODD = ["-0", "0", "0.1", "0.10000000000000001", "1e400", "inf", "Inf", "100000", "1e5", "1e+05"]
NAMES = [
    "a",
    "A",
    "a b",
    "a\u00a0b",
    "e\u0301",
    "\u00e9",
    "007",
    "7",
    "TRUE",
    "True",
    "1",
    "x" * 300,
]
POOLS = [CLINICS, LONG, [*CLINICS, *ODD], [*LONG, *ODD], NAMES]
MODEL = "y ~ x + (1 | g)"


@st.composite
def tables(draw, pools=POOLS):
    """A table of y, x and labels g, four rows for each label, and the labels row by row."""
    pool = draw(st.sampled_from(pools))
    texts = draw(st.lists(st.sampled_from(pool), min_size=3, max_size=7, unique=True))
    column = draw(st.permutations(texts * 4))
    blank = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    effect = dict(zip(texts, rng.normal(size=len(texts)), strict=True))
    text = io.StringIO()
    writer = csv.writer(text, quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])))
    writer.writerow(["y", "x", "g"])
    for k, label in enumerate(column):
        y = round(effect[label] * 3 + rng.normal(), 3)
        shown = f" {label} " if draw(st.integers(0, 9)) == 0 else label
        writer.writerow([y, k % 5, "" if blank and k == 2 else shown])
    return text.getvalue()


def rows_of(content):
    """The rows with a label, as Python reads them."""
    rows = csv.DictReader(io.StringIO(content))
    return [{**row, "g": row["g"].strip(" ")} for row in rows if row["g"].strip(" ")]


def renamed_fit(content):
    """The objective of the same rows with other names for the labels."""
    rows = rows_of(content)
    names = {label: f"L{k}" for k, label in enumerate(dict.fromkeys(row["g"] for row in rows))}
    frame = pd.DataFrame(
        {"y": [float(r["y"]) for r in rows], "x": [float(r["x"]) for r in rows]}
    ).assign(g=[names[row["g"]] for row in rows])
    return lmer(MODEL, frame).objective


def run(folder, content, model=MODEL, **data):
    write_data(folder, content)
    found = analysis(folder, {"m1": model}, data=data)
    write_dataset(load_dataset(found), folder)
    dataset = read_dataset(folder)
    return dataset, candidate_matrices(dataset.frame, found.models["m1"]), found


@given(tables(), st.booleans())
@settings(max_examples=30, deadline=None)
def test_levels_are_the_texts_of_the_file(tmp_path_factory, content, declared):
    folder = tmp_path_factory.mktemp("texts")
    dataset, matrices, _ = run(folder, content, categorical=["g"] if declared else [])
    (term,) = matrices.random
    texts = [row["g"] for row in rows_of(content)]
    assert [term.levels[code] for code in term.codes] == texts
    assert dataset.design.factors[0].levels == len(set(texts)) == len(term.levels)
    assert fit_model(matrices).objective == pytest.approx(renamed_fit(content), rel=1e-9)


@given(tables([CLINICS, [*LONG[4:], "5", "-3", "7.50"]]))
@settings(max_examples=20, deadline=None)
def test_a_grouping_factor_that_is_a_covariate_as_well(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("both")
    texts = [row["g"] for row in rows_of(content)]
    assume(len({float(text) for text in texts}) > 1)
    dataset, matrices, _ = run(folder, content, "y ~ g + (1 | g)")
    (term,) = matrices.random
    assert [term.levels[code] for code in term.codes] == texts
    assert matrices.X[:, 1].tolist() == [float(text) for text in texts]
    assert dataset.frame["g"].dtype.kind in "if"
    # Levels are in the order of the numbers, then of the texts.
    order = sorted(set(texts), key=lambda text: (Decimal(text), text))
    assert list(term.levels) == order


@given(tables([CLINICS, LONG, [*CLINICS, *ODD]]), st.booleans(), st.data())
@settings(max_examples=20, deadline=None)
def test_conditions_and_derived_columns_mean_the_texts(tmp_path_factory, content, declared, data):
    folder = tmp_path_factory.mktemp("where")
    texts = [row["g"] for row in rows_of(content)]
    one, other = data.draw(st.permutations(sorted(set(texts))))[:2]
    spelled = data.draw(st.booleans()) and one[0].isdigit() and not one.endswith("nf")
    where = f"g != {one}" if spelled else f"g not in ['{one}', '{other}']"
    derive = {"h": "ifelse(x > 100, g, g)"}
    lost = {one} if spelled else {one, other}
    left = [text for text in texts if text not in lost]
    declared = ["h"] if declared else []
    model = "y ~ x + (1 | h) + (1 | g)"
    assume(len(set(left)) > 1)
    _, matrices, _ = run(folder, content, model, where=where, derive=derive, categorical=declared)
    for term in matrices.random:
        assert [term.levels[code] for code in term.codes] == left


@given(tables([CLINICS, LONG]), st.sampled_from(["y ~ x + (1 | g)", "y ~ x + g + (1 | g)"]))
@settings(max_examples=20, deadline=None)
def test_rows_to_predict_are_read_by_the_same_rule(tmp_path_factory, content, model):
    folder = tmp_path_factory.mktemp("new")
    write_data(folder, content)
    rows = rows_of(content)
    known = dict.fromkeys(row["g"] for row in rows)
    assume(len({float(text) for text in known}) > 1)
    labels = [*known, "1.100", "3.30"]
    new = "x,g\n" + "".join(f"1,{label}\n" for label in labels)
    predictions = {"predictions": {"file": str(write_data(folder, new, "new.csv"))}}
    found = analysis(folder, {"m1": model}, inference=predictions)
    frame = load_dataset(found).frame
    design = candidate_matrices(frame, found.models["m1"]).design
    codes = design.rebuild(read_new_rows(found, frame)).random[0].codes
    levels = design.random[0].groups.levels
    assert [None if code < 0 else levels[code] for code in codes] == [*known, None, None]


@pytest.mark.parametrize(("data", "new"), [("{}", "{}.0"), ("{}.0", "{}"), ("{}", "{}")])
@pytest.mark.parametrize("model", ["y ~ x + (1 | g)", "y ~ x + g + (1 | g)"])
def test_whole_numbers_that_passed_through_floats_are_recognised(tmp_path, data, new, model):
    rows = "".join(f"{(k * 7) % 11},{k},{data.format(k % 4)}\n" for k in range(16))
    write_data(tmp_path, "y,x,g\n" + rows)
    labels = "".join(f"1,{new.format(k)}\n" for k in (3, 1, 9))
    path = write_data(tmp_path, "x,g\n" + labels, "new.csv")
    predictions = {"predictions": {"file": str(path)}}
    found = analysis(tmp_path, {"m1": model}, inference=predictions)
    frame = load_dataset(found).frame
    design = candidate_matrices(frame, found.models["m1"]).design
    codes = design.rebuild(read_new_rows(found, frame)).random[0].codes
    levels = design.random[0].groups.levels
    assert [levels[code] for code in codes[:2]] == [data.format(3), data.format(1)]
    assert codes[2] == -1


IDS = [None if k == 7 else 10**16 + 3 * (k // 6) for k in range(30)]
KINDS = {
    "int64": pa.array(IDS, pa.int64()),
    "uint64": pa.array(IDS, pa.uint64()),
    "decimal": pa.array([None if i is None else Decimal(i) for i in IDS], pa.decimal128(22, 2)),
    "string": pa.array([None if i is None else str(i) for i in IDS]),
    "dictionary": pa.array([None if i is None else str(i) for i in IDS]).dictionary_encode(),
    "integers in a dictionary": pa.array(IDS, pa.int64()).dictionary_encode(),
}
WORDS = [None if i is None else f"person {i}" for i in IDS]
Y = np.random.default_rng(3).normal(size=30) + np.arange(30) // 6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("declared", [True, False])
def test_identifiers_in_parquet_keep_their_digits(tmp_path, kind, declared):
    table = pa.table({"y": Y, "x": np.arange(30) % 4, "g": KINDS[kind]})
    pa.parquet.write_table(table, tmp_path / "trial.parquet")
    block = {"file": str(tmp_path / "trial.parquet"), "categorical": ["g"] if declared else []}
    where = {"where": f"g != {10**16 + 12}"}
    for more, levels in (({}, 5), (where, 4)):
        found = analysis(tmp_path, {"m1": MODEL}, data={**block, **more})
        write_dataset(load_dataset(found), tmp_path)
        matrices = candidate_matrices(read_dataset(tmp_path).frame, found.models["m1"])
        assert list(matrices.random[0].levels) == [str(10**16 + 3 * k) for k in range(levels)]
    frame = pd.DataFrame({"y": Y, "x": np.arange(30) % 4, "g": WORDS})
    found = analysis(tmp_path, {"m1": MODEL}, data=block)
    matrices = candidate_matrices(load_dataset(found).frame, found.models["m1"])
    assert fit_model(matrices).objective == pytest.approx(lmer(MODEL, frame).objective, rel=1e-12)


def columns_of(ids):
    words = [None if i is None else str(i) for i in ids]
    return {
        "Int64": pd.array(ids, dtype="Int64"),
        "Arrow integers": pd.array(ids, dtype=pd.ArrowDtype(pa.int64())),
        "Arrow decimals": pd.array(
            [None if i is None else Decimal(i) for i in ids],
            dtype=pd.ArrowDtype(pa.decimal128(20, 0)),
        ),
        "Arrow texts": pd.array(words, dtype=pd.ArrowDtype(pa.string())),
        "integers as objects": pd.Series(ids, dtype=object),
        "decimals as objects": pd.Series(
            [None if i is None else Decimal(i) for i in ids], dtype=object
        ),
        "texts": pd.Series(words),
        "categorical": pd.Categorical(words),
        "categorical integers": pd.Categorical(pd.array(ids, dtype="Int64")),
    }


@pytest.mark.parametrize("kind", columns_of(IDS))
@pytest.mark.parametrize("declared", [None, ["g"]])
def test_identifiers_in_frames_keep_their_digits(kind, declared):
    frame = pd.DataFrame({"y": Y, "x": np.arange(30) % 4, "g": columns_of(IDS)[kind]})
    fit = lmer(MODEL, frame, categorical=declared)
    wanted = lmer(MODEL, frame.assign(g=WORDS))
    assert list(fit.ranef["g"].index) == [str(10**16 + 3 * k) for k in range(5)]
    assert fit.nobs == 29
    assert fit.objective == pytest.approx(wanted.objective, rel=1e-12)
    new = frame.iloc[[0, 12, 29]]
    np.testing.assert_allclose(
        fit.predict(new), wanted.predict(new.assign(g=[WORDS[0], WORDS[12], WORDS[29]]))
    )


def test_digits_that_a_float_has_lost_are_refused_not_guessed():
    frame = pd.DataFrame({"y": Y, "g": np.array([10**16 + 2 * (k // 6) for k in range(30)], float)})
    with pytest.raises(DataError, match=r"column .g.: .* fall together.*text"):
        lmer("y ~ 1 + (1 | g)", frame)
    apart = frame.assign(g=np.array([10**16 + 1000 * (k // 6) for k in range(30)], float))
    assert len(lmer("y ~ 1 + (1 | g)", apart).ranef["g"]) == 5


def test_the_shown_cases(tmp_path):
    for content, column, model, levels, text in (
        ("1.1 1.10 1.2", "clinic", "y ~ 1 + (1 | clinic)", ("1.1", "1.10", "1.2"), True),
        ("1E3 10E2 7", "well", "y ~ well + (1 | well)", ("7", "10E2", "1E3"), True),
        ("1 2 10", "id", "y ~ id + (1 | id)", ("1", "2", "10"), False),
    ):
        labels = content.split()
        rows = "".join(f"{(k * 7) % 11},{labels[k % 3]}\n" for k in range(15))
        dataset, matrices, _ = run(tmp_path, f"y,{column}\n{rows}", model)
        assert matrices.random[0].levels == levels
        beside = text_column(column) in dataset.frame
        assert beside == (text and model != "y ~ 1 + (1 | clinic)")


CASES = Path(__file__).parent / "cases"


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(
    ("name", "column", "levels", "rows", "log_lik"),
    [
        ("labels_like_numbers", "clinic", 12, 48, -86.80058355194849),
        ("long_identifiers", "person", 8, 47, -77.9533698515759),
    ],
)
def test_small_inputs_that_failed(tmp_path, declared, name, column, levels, rows, log_lik):
    """Log-likelihoods from converged fits of lme4 and others to the same rows."""
    block = {"file": str(CASES / f"{name}.csv"), "categorical": [column] if declared else []}
    model = f"y ~ t + arm + (1 | {column})"
    found = analysis(tmp_path, {"m1": model}, data=block)
    dataset = load_dataset(found)
    fit = fit_model(candidate_matrices(dataset.frame, found.models["m1"]))
    assert (fit.nobs, len(fit.groups[0].levels)) == (rows, levels)
    assert dataset.design.factors[0].levels == levels
    assert fit.log_lik == pytest.approx(log_lik, rel=1e-10)
    frame = pd.read_csv(CASES / f"{name}.csv", dtype={column: str})
    single = lmer(model, frame, categorical=[column] if declared else None)
    assert single.log_lik == pytest.approx(log_lik, rel=1e-10)


def test_an_unclosed_quote_names_its_line(tmp_path):
    found = analysis(
        tmp_path, {"m1": "y ~ t + (1 | s)"}, data={"file": str(CASES / "unclosed_quote.csv")}
    )
    with pytest.raises(DataError, match=r"unclosed_quote\.csv:31: .* never closed"):
        load_dataset(found)
