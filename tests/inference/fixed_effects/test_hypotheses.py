"""F tests: invariance to coding, to bases, and agreement with t tests."""

import itertools

import numpy as np
import pandas as pd
import pytest

import mmfit
from mmfit.inference import f_test
from mmfit.inference.precision.degrees_of_freedom import joint_df


@pytest.fixture(scope="module")
def factorial():
    """Two crossed factors and a covariate, unbalanced, within subjects."""
    rng = np.random.default_rng(2)
    rows = list(itertools.product(range(15), "abc", "uv", range(2)))
    frame = pd.DataFrame(rows, columns=["subject", "f", "g", "replicate"])
    frame = frame.sample(frac=0.7, random_state=3).sort_index().reset_index(drop=True)
    frame["x"] = rng.normal(size=len(frame))
    subject = rng.normal(size=15)[frame["subject"]]
    frame["y"] = subject + (frame["f"] == "b") + 0.5 * frame["x"] + rng.normal(size=len(frame))
    return frame


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_contrasts_do_not_matter(factorial, kind):
    formula = "y ~ f * g + x * f + (1 | subject)"
    tables = [
        mmfit.lmer(formula, factorial, contrasts=contrasts).anova(type=kind)
        for contrasts in (None, {"f": "sum", "g": "helmert"}, {"f": "poly", "g": "sum"})
    ]
    for other in tables[1:]:
        pd.testing.assert_frame_equal(tables[0], other, rtol=1e-6)


def test_type_three_of_a_factorial_is_the_sum_coded_coefficients(factorial):
    fit = mmfit.lmer("y ~ f * g + (1 | subject)", factorial, contrasts={"f": "sum", "g": "sum"})
    coefficients = fit.tidy().set_index("term")
    table = fit.anova(type=3).set_index("term")
    assert table.loc["g", "statistic"] == pytest.approx(coefficients.loc["g1", "statistic"] ** 2)
    assert table.loc["g", "den_df"] == pytest.approx(coefficients.loc["g1", "df"])
    assert table.loc["g", "p_value"] == pytest.approx(coefficients.loc["g1", "p_value"])


def test_type_one_depends_on_order_and_its_last_term_is_type_two(factorial):
    one = mmfit.lmer("y ~ x + f + (1 | subject)", factorial)
    other = mmfit.lmer("y ~ f + x + (1 | subject)", factorial)
    first, second = (fit.anova(type=1).set_index("term") for fit in (one, other))
    both = one.anova(type=2).set_index("term")
    assert first.loc["f", "statistic"] == pytest.approx(both.loc["f", "statistic"])
    assert second.loc["x", "statistic"] == pytest.approx(both.loc["x", "statistic"])
    assert first.loc["x", "statistic"] != pytest.approx(second.loc["x", "statistic"], rel=1e-6)


def test_missing_cells_leave_the_estimable_part(factorial):
    frame = factorial[~((factorial["f"] == "c") & (factorial["g"] == "v"))]
    fit = mmfit.lmer("y ~ f * g + (1 | subject)", frame)
    assert fit.record.dropped == ("fc:gv",)
    table = fit.anova(type=3).set_index("term")
    assert table.loc["f:g", "num_df"] == 1
    assert np.isfinite(table["statistic"]).all()


@pytest.mark.parametrize("cell", ["au", "bu", "cv"])
def test_with_missing_cells_the_order_of_the_factors_does_not_matter(factorial, cell):
    frame = factorial.assign(h=np.where(np.arange(len(factorial)) % 3 == 0, "p", "q"))
    frame = frame[frame["f"] + frame["g"] != cell]
    tables = {}
    for order in itertools.permutations("fgh"):
        fit = mmfit.lmer(f"y ~ {' * '.join(order)} + (1 | subject)", frame)
        table = fit.anova(type=3)
        names = ["".join(sorted(term.replace(":", ""))) for term in table["term"]]
        tables[order] = table.drop(columns="term").set_axis(names).sort_index()
    first = tables["f", "g", "h"]
    # each is estimable from the cells that there are, and has lmerTest's degrees of freedom
    expected = {"f": 2, "fg": 1, "fgh": 1, "fh": 2, "g": 1, "gh": 1, "h": 1}
    assert first["num_df"].to_dict() == expected
    for table in tables.values():
        pd.testing.assert_frame_equal(table, first, rtol=1e-6)


def test_denominator_does_not_depend_on_the_basis_of_the_hypothesis(factorial):
    fit = mmfit.lmer("y ~ f * x + (x | subject)", factorial)
    L = np.eye(6)[4:]
    one = f_test(fit.model, L)
    for move in ([[1.0, 2.0], [0.0, 30.0]], [[1.0, -1.0], [1e3, 1.0]]):
        other = f_test(fit.model, np.array(move) @ L)
        assert other.den_df == pytest.approx(one.den_df, rel=1e-9)
        assert other.statistic == pytest.approx(one.statistic, rel=1e-9)


def test_dependent_rows_are_refused(factorial):
    fit = mmfit.lmer("y ~ f + (1 | subject)", factorial)
    with pytest.raises(mmfit.MmfitError, match="linearly dependent"):
        f_test(fit.model, np.array([[0.0, 1, 0], [0.0, 2, 0]]))


@pytest.mark.parametrize(
    ("df", "expected"),
    [([7.0], 7.0), ([5.0, 5.0], 5.0), ([1.5, 30.0], 2.0), ([np.inf, np.inf], np.inf)],
)
def test_joint_degrees_of_freedom_at_the_edges(df, expected):
    assert joint_df(np.array(df)) == expected


def test_joint_degrees_of_freedom_by_fai_and_cornelius():
    # E = 10/8 + 20/18; 2E / (E - 2)
    total = 10 / 8 + 20 / 18
    assert joint_df(np.array([10.0, 20.0])) == pytest.approx(2 * total / (total - 2))
