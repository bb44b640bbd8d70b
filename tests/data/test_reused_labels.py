"""The trap of labels reused across parents: where it is pointed out, and where not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmfit.data import diagnose, load_dataset
from mmfit.data.labels import is_counter
from tests.data.files import analysis

REFERENCE = Path(__file__).parents[1] / "reference" / "data"
TRUE_COLUMNS = ["region", "clinic", "clinic_in_region"]


def nested(*columns, **renamed):
    """Clinics in regions: the columns kept, under other names."""
    frame = pd.read_csv(REFERENCE / "nested.csv")[["y", "x", *columns]]
    frame = frame.astype(dict.fromkeys(columns, "category")).rename(columns=renamed)
    for name in renamed.values():
        frame[name] = frame[name].cat.rename_categories(str)
    return frame


def notes(folder, frame, *formulas, categorical=()):
    models = {f"m{k}": formula for k, formula in enumerate(formulas)}
    data = {"categorical": list(categorical)}
    design = diagnose(frame, analysis(folder, models, data=data))
    return [note for note in design.notes if note.kind == "reused labels"]


WRONG = "y ~ x + (1 | region) + (1 | clinic_in_region)"
WARNED = {
    "both_factors": (WRONG,),
    "inner_first": ("y ~ x + (1 | clinic_in_region) + (1 | region)",),
    "slopes": ("y ~ x + (x | region) + (x || clinic_in_region)",),
    "inner_alone_with_outer_elsewhere": (
        "y ~ x + (1 | clinic_in_region)",
        "y ~ x + (1 | region)",
    ),
    "nested_elsewhere": (WRONG, "y ~ x + (1 | region/clinic_in_region)"),
}


@pytest.mark.parametrize("formulas", WARNED.values(), ids=WARNED.keys())
def test_reused_labels_are_pointed_out_with_the_spelling_that_nests(tmp_path, formulas):
    (note,) = notes(tmp_path, nested(*TRUE_COLUMNS), *formulas)
    assert (note.severity, note.factors) == ("warning", ("region", "clinic_in_region"))
    assert note.message.startswith(
        "As written, (1 | clinic_in_region) is crossed with region: clinic_in_region 1 counts as "
        "one and the same in every level of region where it occurs. Nesting was probably meant"
    )
    assert note.message.endswith("write (1 | region/clinic_in_region).")


def test_an_outer_factor_that_is_only_declared_counts(tmp_path):
    frame = nested(*TRUE_COLUMNS)
    formula = "y ~ x + (1 | clinic_in_region)"
    (note,) = notes(tmp_path, frame, formula, categorical=["region", "clinic_in_region"])
    assert note.severity == "warning"


SIGNS = {
    "another_model": (
        nested("region", "clinic_in_region", clinic_in_region="site"),
        ("y ~ x + (1 | region) + (1 | site)", "y ~ x + (1 | region/site)"),
        "because another model nests them",
    ),
    "name": (
        nested("region", "clinic_in_region"),
        (WRONG,),
        "because the column's name says so",
    ),
    "unique_labels": (
        nested(*TRUE_COLUMNS, clinic_in_region="site", clinic="code"),
        ("y ~ x + (1 | region) + (1 | site)",),
        "because code labels every combination of the two uniquely",
    ),
}


@pytest.mark.parametrize(("frame", "formulas", "sign"), SIGNS.values(), ids=SIGNS.keys())
def test_the_sign_is_said(tmp_path, frame, formulas, sign):
    (note,) = notes(tmp_path, frame, *formulas)
    assert note.severity == "warning"
    assert sign in note.message


def test_without_a_sign_the_meaning_is_noted(tmp_path):
    frame = nested("region", "clinic_in_region", clinic_in_region="clinic")
    (note,) = notes(tmp_path, frame, "y ~ x + (1 | region) + (1 | clinic)")
    assert note.severity == "note"
    assert note.message == (
        "As written, region and clinic are crossed: clinic 1 counts as one and the same in every "
        "level of region where it occurs. If each level of region has levels of clinic of its "
        "own, whose labels only start again, nesting is meant: write (1 | region/clinic), or "
        "(1 | clinic/region) if it is the other way round."
    )


def test_a_counter_within_names_is_noted_whatever_is_written_first(tmp_path):
    frame = nested("region", "clinic_in_region", clinic_in_region="clinic")
    frame["region"] = frame["region"].cat.rename_categories(["north", "east", "south", "west"])
    for formula in ("(1 | region) + (1 | clinic)", "(1 | clinic) + (1 | region)"):
        (note,) = notes(tmp_path, frame, f"y ~ x + {formula}")
        assert note.message.endswith("nesting is meant: write (1 | region/clinic).")


def test_a_combination_that_is_written_on_purpose_is_not_questioned(tmp_path):
    full = WRONG + " + (1 | region:clinic_in_region)"
    frame = nested("region", "clinic_in_region")
    assert notes(tmp_path, frame, full) == []


def test_unique_labels_need_no_word(tmp_path):
    frame = nested(*TRUE_COLUMNS)
    for formula in ("(1 | region/clinic)", "(1 | region) + (1 | clinic)", "(1 | clinic)"):
        assert notes(tmp_path, frame, f"y ~ x + {formula}", categorical=TRUE_COLUMNS[:2]) == []
    assert notes(tmp_path, frame, "y ~ x + (1 | region/clinic_in_region)") == []


def test_penicillin_is_crossed(tmp_path):
    frame = pd.read_csv(REFERENCE / "penicillin.csv")
    formulas = ["diameter ~ 1 + (1 | plate) + (1 | sample)", "diameter ~ 1 + (1 | sample)"]
    assert notes(tmp_path, frame, *formulas, categorical=["plate", "sample"]) == []


def test_pastes_casks_alone_are_pointed_out(tmp_path):
    frame = pd.read_csv(REFERENCE / "pastes.csv")
    frame = frame.astype(dict.fromkeys(["batch", "cask", "sample"], "category"))
    (note,) = notes(tmp_path, frame, "strength ~ 1 + (1 | batch) + (1 | cask)")
    assert (note.severity, note.factors) == ("warning", ("batch", "cask"))
    assert "sample labels every combination" in note.message


def design(subjects, items, repeats=1, keep=1.0, seed=0):
    """Subjects by items, rows of a random share of the combinations."""
    subject, item, _ = np.indices((subjects, items, repeats)).reshape(3, -1)
    rng = np.random.default_rng(seed)
    cells = rng.random((subjects, items)) < keep
    kept = cells[subject, item]
    frame = pd.DataFrame({"subject": subject[kept] + 1, "item": item[kept] + 1})
    frame["y"] = rng.standard_normal(len(frame))
    return frame.astype({"subject": "category", "item": "category"})


CROSSED = "y ~ 1 + (1 | subject) + (1 | item)"


def test_subjects_by_items_once_each_is_crossed(tmp_path):
    assert notes(tmp_path, design(20, 12), CROSSED) == []


def test_a_random_share_of_subjects_by_items_is_crossed(tmp_path):
    assert notes(tmp_path, design(20, 12, repeats=3, keep=0.6), CROSSED) == []


def test_an_identifier_of_single_rows_is_no_sign_of_nesting(tmp_path):
    frame = design(20, 12)
    frame["row"] = np.arange(len(frame))
    assert notes(tmp_path, frame, CROSSED) == []


def test_names_are_no_counter_that_starts_again(tmp_path):
    frame = design(4, 3, repeats=5)
    frame["item"] = frame["item"].cat.rename_categories(["oak", "ash", "elm"])
    frame["subject"] = frame["subject"].cat.rename_categories(["Ada", "Bo", "Cy", "Di"])
    assert notes(tmp_path, frame, CROSSED) == []


SIMULATED = {
    "seed": 1,
    "per_cell": 5,
    "formula": "y ~ 1 + (1 | region) + (1 | clinic)",
    "fixed": {"(Intercept)": 0},
    "random": {"region": {"sd": [1]}, "clinic": {"sd": [1]}},
    "residual_sd": 1,
}


@pytest.mark.parametrize(
    ("clinic", "count"),
    [
        (3, 0),
        ({"levels": 3, "within": "region"}, 0),
        ({"levels": 3, "within": "region", "labels": "reused"}, 1),
    ],
    ids=["crossed", "nested", "reused"],
)
def test_simulated_designs_are_known(tmp_path, clinic, count):
    simulation = SIMULATED | {"design": {"region": 4, "clinic": clinic}}
    models = {"m": "y ~ 1 + (1 | region) + (1 | clinic)"}
    dataset = load_dataset(analysis(tmp_path, models, data={"simulate": simulation}))
    assert len(dataset.warnings) == count
    assert all("the simulated design nests them" in warning for warning in dataset.warnings)


@pytest.mark.parametrize(
    ("labels", "counts"),
    [
        ("123", True),
        ("012", True),
        ("abc", True),
        ("ABCD", True),
        (["P1", "P2", "P3"], True),
        (["01", "02"], True),
        (["1", "10", "2", "3", "4", "5", "6", "7", "8", "9"], True),
        ("124", False),
        ("234", False),
        ("abd", False),
        (["P1", "Q2"], False),
        (["a1", "b"], False),
        (["north", "south"], False),
    ],
)
def test_what_a_counter_is(labels, counts):
    assert is_counter(list(labels)) is counts
