"""Combinations of many factors with many levels, against dictionaries of tuples."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfit import lmer
from mmfit.errors import DataError, FormulaError
from mmfit.formula import build_matrices
from mmfit.selection.records import Candidate
from mmfit.spec import BootstrapSpec, InferenceSpec
from mmfit.tables.inference_pieces import Wanted, means


@st.composite
def designs(draw):
    """Rows of factors (n, k) whose numbers of levels multiply to more than 64 bits hold."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    k = draw(st.integers(2, 9))
    levels = draw(st.sampled_from([2, 40, 600]))
    groups = rng.integers(0, levels, (max(levels, 30), k))
    return groups[rng.integers(0, len(groups), 2 * len(groups))], rng


def frame_of(rows, text):
    names = [f"l{j}" for j in range(rows.shape[1])]
    frame = pd.DataFrame(rows, columns=names)
    return (frame.astype(str) if text else frame), names


@given(designs(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_codes_and_new_rows(design, text):
    rows, rng = design
    frame, names = frame_of(rows, text)
    frame["y"] = rng.normal(size=len(rows))
    built = build_matrices(f"y ~ 1 + (1 | {':'.join(names)})", frame)
    (term,) = built.random
    labels = [":".join(map(str, row)) for row in rows.tolist()]
    assert [term.levels[code] for code in term.codes] == labels
    assert len(term.levels) == len(set(labels))
    mixed = np.column_stack([rng.permutation(column) for column in rows.T])
    new = np.vstack([rows[:20], mixed[:20], rows[:5] + 7000])
    (found,) = built.design.rebuild(frame_of(new, text)[0]).random
    place = dict(zip(labels, term.codes.tolist(), strict=True))
    wanted = [place.get(":".join(map(str, row)), -1) for row in new.tolist()]
    assert found.codes.tolist() == wanted


@given(designs())
@settings(max_examples=15, deadline=None)
def test_interaction_codes_what_occurs(design):
    rows, rng = design
    frame, names = frame_of(rows, True)
    frame["y"] = rng.normal(size=len(rows))
    (term,) = build_matrices(f"y ~ 1 + (1 | interaction({', '.join(names)}))", frame).random
    assert [term.levels[code] for code in term.codes] == [".".join(map(str, r)) for r in rows]
    # The first factor varies fastest.
    order = sorted(set(map(tuple, frame[names].to_numpy())), key=lambda row: row[::-1])
    assert list(term.levels) == [".".join(row) for row in order]


def test_predictions_are_those_of_one_column_with_the_same_groups():
    rng = np.random.default_rng(1)
    base = rng.integers(0, 600, (300, 8))
    group = rng.integers(0, 300, 1500)
    frame = frame_of(base[group], False)[0].assign(group=group)
    frame["y"] = 2 * rng.normal(size=300)[group] + rng.normal(size=1500)
    wanted = lmer("y ~ 1 + (1 | group)", frame)
    for k in (7, 8):
        fit = lmer(f"y ~ 1 + (1 | {':'.join(f'l{j}' for j in range(k))})", frame)
        assert fit.objective == pytest.approx(wanted.objective, rel=1e-12)
        np.testing.assert_allclose(fit.predict(frame), wanted.predict(frame), rtol=1e-9)
        strange = frame.iloc[:9].assign(l0=600 - frame["l0"].iloc[:9])
        np.testing.assert_allclose(fit.predict(strange), fit.fixef.iloc[0])


CLASH = pd.DataFrame(
    {
        "y": np.random.default_rng(2).normal(size=24),
        "a": np.resize(["a:b", "a", "a"], 24),
        "b": np.resize(["c", "b:c", "z"], 24),
        "p": np.resize(["x.y", "x", "x"], 24),
        "q": np.resize(["z", "y.z", "z"], 24),
    }
)


@pytest.mark.parametrize("kind", ["str", "category"])
def test_combinations_that_would_be_labelled_alike_are_refused(kind):
    frame = CLASH.astype(dict.fromkeys("abpq", kind))
    with pytest.raises(DataError, match=r"grouping factor a:b: two different levels .*'a:b:c'"):
        lmer("y ~ 1 + (1 | a:b)", frame)
    with pytest.raises(FormulaError, match=r"interaction\(p, q\): two different .*'x.y.z'"):
        lmer("y ~ 1 + (1 | interaction(p, q))", frame)
    # In the other order they differ: c:a:b, b:c:a.
    assert len(lmer("y ~ 1 + (1 | b:a)", frame).ranef["b:a"]) == 3


def test_cells_of_means_that_would_be_labelled_alike_are_refused():
    frame = CLASH.assign(a=np.resize(["u", "u:v"], 24), b=np.resize(["v:w", "v:w", "w", "w"], 24))
    for name, clash in (("u:v", True), ("u.v", False)):
        fit = lmer("y ~ a + b + (1 | q)", frame.assign(a=frame["a"].replace("u:v", name)))
        candidate = Candidate("m1", fit.matrices, {"REML": fit.record})
        wanted = Wanted(InferenceSpec(), BootstrapSpec(), "residual")
        if clash:
            with pytest.raises(DataError, match="'u:v:w'"):
                means(candidate, wanted, "a:b")
        else:
            assert means(candidate, wanted, "a:b")["means"]["level"].is_unique
