"""How often a run does what is to be done once: no model is prepared twice, no file read back."""

import collections
import functools
import importlib
import pkgutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mmfit
from mmfit.cli import main
from mmfit.engine import fit_from_json, fit_to_json
from mmfit.selection.serialize import selection_from_json, selection_to_json
from mmfit.spec import load_analysis
from mmfit.stages.paths import CRITERIA, ResultFiles
from mmfit.stages.session import Session
from mmfit.tables.frames import read_tables

COUNTED = {
    "prepare": "mmfit.engine.preparation",
    "build_system": "mmfit.engine.system.whitened_system",
    "build_matrices": "mmfit.formula.build",
    "fit_from_json": "mmfit.engine.serialize",
    "read_rows": "mmfit.data.storage",
    "structure": "mmfit.selection.relations.structure",
    "read_design": "mmfit.data.storage",
    "read_tables": "mmfit.tables.frames",
    "adjusted_covariance": "mmfit.engine.derived.kenward_roger",
}
MODELS = 3
"""Of sleepall, each with its REML and its ML fit."""


@pytest.fixture
def calls(monkeypatch):
    """Calls by function and by the function that asked, of those that COUNTED names."""
    for found in pkgutil.walk_packages(mmfit.__path__, "mmfit."):
        importlib.import_module(found.name)
    counts = collections.Counter()

    def counted(name, function):
        @functools.wraps(function)
        def call(*args, **named):
            counts[name] += 1
            counts[name, sys._getframe(1).f_code.co_name] += 1
            return function(*args, **named)

        return call

    for name, module in COUNTED.items():
        function = getattr(sys.modules[module], name)
        call = counted(name, function)
        for holder in [m for key, m in sys.modules.items() if key.startswith("mmfit")]:
            for key, value in list(vars(holder).items()):
                if value is function:
                    monkeypatch.setattr(holder, key, call)
    return counts


def test_a_run_builds_and_prepares_every_model_once(calls, tmp_path):
    assert main(["run", "config/analyses/sleepall.yaml", "--results", str(tmp_path)]) == 0
    assert calls["build_matrices"] == MODELS
    # Besides its own models: one without a random effect for each, and one with a square.
    assert calls["prepare", "prepared"] == MODELS
    assert calls["prepare", "fit_model"] == 2 * MODELS
    # What it is to the others, and to those without one of its effects.
    assert calls["structure", "structure"] == calls["structure", "ranova"] == MODELS
    # Simulated responses need systems of their own.
    assert (
        calls["prepare", "prepared"] + calls["prepare", "fit_model"]
        == calls["prepare"] - (calls["prepare", "prepared_blocks"])
    )
    assert calls["build_system", "with_rows"] == MODELS
    assert calls["build_system"] == calls["prepare"] + MODELS


def test_a_run_reads_nothing_back(calls, tmp_path):
    assert main(["run", "config/analyses/sleepall.yaml", "--results", str(tmp_path)]) == 0
    for name in ("fit_from_json", "read_rows", "read_design"):
        assert calls[name] == 0, name
    assert calls["read_tables"] == 0


def test_every_question_shares_one_adjusted_covariance(calls, tmp_path):
    text = Path("config/analyses/sleepall.yaml").read_text(encoding="utf-8")
    path = tmp_path / "adjusted.yaml"
    path.write_text(f"{text}df: kenward-roger\n", encoding="utf-8")
    assert main(["run", str(path), "--results", str(tmp_path / "results")]) == 0
    assert calls["adjusted_covariance"] == MODELS


def test_the_model_of_a_search_is_built_and_prepared_with_it(calls, tmp_path):
    assert main(["run", "config/analyses/sleepsearch.yaml", "--results", str(tmp_path)]) == 0
    assert calls["build_matrices", "candidate_matrices"] == 1
    assert calls["prepare", "prepared"] == 1
    assert calls["prepare", "fit_both"] == 0


def same_fields(one, other):
    """Whether two records, or what they hold, are the same to the bit and in their types."""
    assert type(one) is type(other)
    if hasattr(one, "__dataclass_fields__"):
        for name in one.__dataclass_fields__:
            same_fields(getattr(one, name), getattr(other, name))
    elif isinstance(one, tuple):
        assert len(one) == len(other)
        for parts in zip(one, other, strict=True):
            same_fields(*parts)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other, strict=True)
    else:
        assert one == other or (one != one and other != other)


@pytest.mark.parametrize("name", ["sleepall", "sleepsearch", "pastes"])
def test_what_is_handed_on_is_what_the_files_hold(name, tmp_path, monkeypatch):
    """The session at the end of a run against one that reads everything."""
    kept = []
    monkeypatch.setattr(
        "mmfit.stages.running.Session", lambda *args: kept.append(Session(*args)) or kept[0]
    )
    assert main(["run", f"config/analyses/{name}.yaml", "--results", str(tmp_path)]) == 0
    (session,) = kept
    analysis = load_analysis(f"config/analyses/{name}.yaml")
    read = Session(analysis, ResultFiles(tmp_path / name))
    pd.testing.assert_frame_equal(session.rows[0], read.rows[0], check_exact=True)
    assert session.rows[1:] == read.rows[1:]
    assert session.design == read.design
    assert session.selection == read.selection
    assert session.completed == read.completed
    assert session.comparisons == read.comparisons
    for one, other in zip(session.candidates, read.candidates, strict=True):
        for criterion in CRITERIA:
            same_fields(one.fits[criterion], other.fits[criterion])
        for part in ("y", "X", "weights", "offset"):
            first, second = getattr(one.matrices, part), getattr(other.matrices, part)
            assert (first is None) == (second is None)
            assert first is None or first.tobytes() == second.tobytes()
        assert one.matrices.formula == other.matrices.formula
        assert len(one.matrices.random) == len(other.matrices.random)
        for first, second in zip(one.matrices.random, other.matrices.random, strict=True):
            same_fields(first, second)
        assert repr(one.matrices.design.formula) == repr(other.matrices.design.formula)
    tables = read_tables(read.files.tables)
    assert set(session.tables) == set(tables)
    for key, table in session.tables.items():
        pd.testing.assert_frame_equal(table, tables[key], check_exact=True)
    for fits in (candidate.fits for candidate in session.candidates):
        same_fields(fit_from_json(fit_to_json(fits["ML"])), fits["ML"])
    assert selection_from_json(selection_to_json(session.selection)) == session.selection
