"""Types I and II by their definition, and what no type of test may depend on."""

import numpy as np
import pytest

import mmfit
from mmfit.inference.fixed_effects.hypotheses import TermSpans
from tests.inference.deficient_designs import FORMULAS, random_frame, recoded, term_columns

COLUMNS = ["num_df", "den_df", "statistic", "sum_sq"]


def projection(columns):
    if not columns:
        return 0.0
    D = np.hstack(columns)
    length = np.sqrt((D**2).sum(axis=0))
    D = D / np.where(length > 0, length, 1)
    return D @ np.linalg.pinv(D, rcond=1e-8)


def adjusted_for(label, labels, kind):
    """The terms that stand before, or that do not contain the tested one."""
    if kind == 1:
        return labels[: labels.index(label)]
    numbers = {"x", "z", "u", "twice", "poly(x, 2)"}
    inner = set(label.split(":"))
    out = []
    for other in labels:
        outer = set(other.split(":")) - {"(Intercept)"}
        if other != label and not (outer > inner and outer & numbers == inner & numbers):
            out.append(other)
    return out


def by_label(table):
    """Rows by the sorted parts of the label."""
    names = table["term"].map(lambda label: ":".join(sorted(label.split(":"))))
    return table.set_index(names).drop(columns="term").sort_index()


@pytest.mark.parametrize("rhs", FORMULAS)
@pytest.mark.parametrize("kind", [1, 2])
def test_tests_are_differences_of_projections(rhs, kind):
    rng = np.random.default_rng(kind)
    data = random_frame(rng)
    columns = term_columns(data, data, rhs)
    for random in ("", " + (1 | g)"):
        fit = mmfit.lmer(f"y ~ {rhs}{random}", data)
        X, beta, phi = fit.matrices.X, fit.fixef.to_numpy(), fit.vcov.to_numpy()
        table = by_label(fit.anova(type=kind))
        # R orders terms by their degree
        labels = sorted(columns, key=lambda t: 0 if t == "(Intercept)" else 1 + t.count(":"))
        for label in labels:
            if label == "(Intercept)":
                continue
            first = [columns[other] for other in adjusted_for(label, labels, kind)]
            E = projection([*first, columns[label]]) - projection(first)
            q, name = round(np.trace(E)), ":".join(sorted(label.split(":")))
            if q == 0:
                assert name not in table.index
                continue
            row = table.loc[name]
            assert row["num_df"] == q
            rows = np.linalg.svd(E)[2][:q] @ X
            F = rows @ beta @ np.linalg.solve(rows @ phi @ rows.T, rows @ beta) / q
            assert row["statistic"] == pytest.approx(F, rel=1e-6)
            if not random:
                y = data["y"].to_numpy()
                assert row["sum_sq"] == pytest.approx(y @ E @ y, rel=1e-6)


@pytest.mark.parametrize("rhs", FORMULAS)
def test_tests_do_not_depend_on_how_the_model_is_written(rhs):
    for seed in range(2):
        rng = np.random.default_rng(seed)
        data = random_frame(rng)
        other, again, contrasts, _ = recoded(data, rhs, rng)
        one = mmfit.lmer(f"y ~ {rhs} + (1 | g)", data)
        two = mmfit.lmer(f"y ~ {again} + (1 | g)", other, contrasts=contrasts)
        if len(one.fixef) != len(two.fixef):
            continue  # R's rules give this order of terms other columns: another model
        kinds = (2, 3) if again != rhs else (1, 2, 3)
        pairs = [(fit.drop1() for fit in (one, two))]
        pairs += [(fit.anova(type=kind) for fit in (one, two)) for kind in kinds]
        for first, second in pairs:
            first, second = by_label(first), by_label(second)
            assert first.index.tolist() == second.index.tolist()
            np.testing.assert_allclose(first[COLUMNS], second[COLUMNS], rtol=2e-4)


def test_without_an_intercept_a_second_factor_brings_the_constant():
    """So that the first one has a degree of freedom less, as in the model with an intercept."""
    data = random_frame(np.random.default_rng(5))
    levels = data["f"].nunique()
    with_intercept = mmfit.lmer("y ~ f + h + (1 | g)", data).anova(type=2)
    for kinds in ({}, {"h": "sum"}, {"h": "helmert", "f": "sum"}):
        fit = mmfit.lmer("y ~ 0 + f + h + (1 | g)", data, contrasts=kinds)
        table = fit.anova(type=2)
        assert table["num_df"][0] == levels - 1
        np.testing.assert_allclose(table[COLUMNS], with_intercept[COLUMNS], rtol=1e-5)
    alone = mmfit.lmer("y ~ 0 + f + x + (1 | g)", data).anova(type=2)
    assert alone["num_df"][0] == levels


def test_contrasts_of_the_users_own_with_fewer_columns_span_what_they_span():
    """A factor of four levels with a linear trend alone: one column, one degree of freedom."""
    rng = np.random.default_rng(2)
    data = random_frame(rng).assign(f=lambda d: rng.choice(list("abcd"), len(d)))
    trend = np.arange(4.0)[:, None] - 1.5
    fit = mmfit.lmer("y ~ f + h + (1 | g)", data, contrasts={"f": trend})
    score = data.assign(f=data["f"].map(dict(zip("abcd", trend[:, 0], strict=True))))
    wanted = mmfit.lmer("y ~ f + h + (1 | g)", score)
    for kind in (1, 2):
        np.testing.assert_allclose(
            fit.anova(type=kind)[COLUMNS], wanted.anova(type=kind)[COLUMNS], rtol=1e-6
        )
    assert TermSpans.of(fit.matrices).coordinates["f"].shape[1] == 1
