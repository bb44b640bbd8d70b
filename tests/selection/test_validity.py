"""Every outcome of a pair, with the reason that a reader gets."""

from dataclasses import replace

import numpy as np
import pytest

from mmfit.selection.relations.structure import structure
from mmfit.selection.relations.validity import assess
from tests.selection.designs import Bar, dummies, matrices

RNG = np.random.default_rng(8)
N = 120
I = "(Intercept)"  # noqa: E741
ONE = np.ones(N)
G = np.repeat(np.arange(10), 12)
H = np.tile(np.arange(6), 20)
X, Z = RNG.normal(size=(2, N))
Y = RNG.normal(size=N)
F = np.tile(np.repeat([0, 1, 2], 2), 20)
TREATMENT = {I: ONE, "f1": F == 1, "f2": F == 2}
SUM = {I: ONE, "fA": (F == 0) * 1.0 - (F == 2), "fB": (F == 1) * 1.0 - (F == 2)}
INTERCEPT = Bar({I: ONE}, G)
SLOPE = Bar({I: ONE, "x": X}, G)


def model(fixed, *bars, **more):
    return matrices(fixed, *(bars or (INTERCEPT,)), y=more.pop("y", Y), **more)


def pair(first, second):
    return assess(structure("m1", first), structure("m2", second))


BASE = model({I: ONE, "x": X})


def test_different_numbers_of_rows():
    fewer = matrices({I: ONE[:100]}, Bar({I: ONE[:100]}, G[:100]), y=Y[:100])
    found = pair(BASE, fewer)
    assert found.outcome == "different_rows"
    assert found.reason == (
        "different rows: m1 has 120, m2 has 100; models can only be compared on the same rows"
    )


def test_same_number_of_other_rows():
    found = pair(BASE, replace(BASE, y=np.roll(Y, 1)))
    assert found.outcome == "different_rows"
    assert "different values of y (120 of 120)" in found.reason


def test_a_transformed_response_is_another_response():
    found = pair(BASE, model({I: ONE, "x": X}, y=np.exp(Y), response="exp(y)"))
    assert found.outcome == "different_response"
    assert "m1 models y, m2 models exp(y)" in found.reason
    assert "nor their AIC" in found.reason


def test_a_response_written_otherwise_with_the_same_values_is_the_same():
    assert pair(BASE, model({I: ONE}, response="I(y)")).outcome == "valid"


@pytest.mark.parametrize("what", ["weights", "offset"])
def test_different_weights_and_offsets(what):
    values = np.where(G == 0, 2.0, 1.0 if what == "weights" else 0.0)
    found = pair(BASE, replace(BASE, **{what: values}))
    assert found.outcome == f"different_{what}"
    assert f"differ in the {what} of 12 of 120 rows" in found.reason


def test_neutral_weights_and_offset_are_no_difference():
    neutral = replace(model({I: ONE}), weights=ONE, offset=0 * ONE)
    assert pair(neutral, BASE).outcome == "valid"


def test_equal_models_have_nothing_to_test():
    found = pair(model(TREATMENT, SLOPE), model(SUM, Bar({I: ONE, "x3": X - 3}, G, "other")))
    assert found.outcome == "same_model"
    assert "m1 and m2 are the same model, written twice" in found.reason
    assert found.df is None


def test_random_part_larger_by_reml():
    found = pair(BASE, model({I: ONE, "x": X}, SLOPE))
    assert (found.outcome, found.criterion, found.df, found.fixed_df) == ("valid", "REML", 2, 0)
    assert found.reason == (
        "same fixed part, and the random part of m1 lies inside that of m2: both by REML"
    )
    assert found.notes == ()


def test_fixed_part_larger_by_ml():
    found = pair(model({I: ONE}), BASE)
    assert (found.outcome, found.criterion, found.df, found.fixed_df) == ("valid", "ML", 1, 1)
    assert "the fixed part of m1 lies inside that of m2: both by ML" in found.reason


def test_both_parts_larger_by_ml_with_a_note():
    found = pair(model({I: ONE}), model({I: ONE, "x": X, "z": Z}, SLOPE))
    assert (found.outcome, found.criterion, found.df, found.fixed_df) == ("valid", "ML", 4, 2)
    assert "two things change at once" in found.notes[0]


def test_other_contrasts_are_the_same_fixed_part():
    found = pair(model(TREATMENT), model(SUM, SLOPE))
    assert (found.outcome, found.criterion, found.df) == ("valid", "REML", 2)


def test_wrong_order_is_turned_round():
    found = pair(model({I: ONE, "x": X}, SLOPE), BASE)
    assert found.swapped
    assert (found.null.name, found.alternative.name, found.df) == ("m2", "m1", 2)


def test_fixed_parts_not_nested():
    found = pair(BASE, model({I: ONE, "z": Z}))
    assert found.outcome == "fixed_not_nested"
    assert "neither fixed part contains the other" in found.reason
    assert "(x of m1 not inside m2; z of m2 not inside m1)" in found.reason
    assert found.reason.endswith("compare AIC or BIC of the ML fits (the fixed parts differ)")


def test_random_parts_not_nested():
    found = pair(model({I: ONE}, Bar({I: ONE}, G, "plate")), model({I: ONE}, Bar({I: ONE}, H, "s")))
    assert found.outcome == "random_not_nested"
    assert "(1 | plate) of m1 not inside m2, (1 | s) of m2 not inside m1" in found.reason
    assert "compare AIC or BIC (by REML or by ML" in found.reason


def test_larger_in_one_part_and_smaller_in_the_other():
    found = pair(BASE, model({I: ONE}, SLOPE))
    assert found.outcome == "opposite_directions"
    assert "m2 has the smaller fixed part but the larger random part" in found.reason
    found = pair(model({I: ONE}, SLOPE), BASE)
    assert "m1 has the smaller fixed part but the larger random part" in found.reason


def test_a_restricted_range_leaves_no_degrees_of_freedom():
    """(1|g) + (1|g:h) allows only positive correlation within g; (1|g) + (0+s|g) any."""
    h = F == 0
    two = {"s": np.where(h, 0.5, -0.5)}
    restricted = model({I: ONE}, INTERCEPT, Bar({I: ONE}, G * 2 + h))
    free = model({I: ONE}, INTERCEPT, Bar(two, G))
    for found in (pair(restricted, free), pair(free, restricted)):
        assert found.outcome == "no_degrees_of_freedom"
        assert "m1 is m2" in found.reason or "m2 is m1" in found.reason


def test_what_can_neither_be_proved_nor_refuted_is_said_to_be_so():
    """Intercepts by group on one half of the rows, by another factor on the other half.

    The covariances of m1 are a sum over two partitions of m2, which no rule here looks for, and
    no sample can refute what is true.
    """
    left = np.repeat([1.0, 0.0], N // 2)
    right = 1 - left
    other = np.where(left == 1, np.arange(N) % 7, G)
    mixed = model({I: ONE}, Bar({"left": left}, G, "a"), Bar({"right": right}, other, "b"))
    crossed = np.where(left == 1, G, 100 + other)
    joined = model({I: ONE}, Bar({I: ONE}, crossed, "c"))
    found = pair(joined, mixed)
    assert found.outcome in ("not_provably_nested", "valid")
    assert found.outcome == "not_provably_nested"
    assert "not provably nested" in found.reason


def test_a_random_part_that_repeats_itself_is_noted_and_counted_once():
    found = pair(model({I: ONE}), model({I: ONE}, INTERCEPT, SLOPE))
    assert (found.outcome, found.df) == ("valid", 2)
    assert "1 of the 4 covariance parameters of m2 cannot be told apart" in found.notes[0]
    assert "(1 | g) adds nothing to the rest" in found.notes[0]


def test_factor_slopes_contain_compound_symmetry():
    null = model({I: ONE}, INTERCEPT, Bar({I: ONE}, G * 3 + F))
    found = pair(null, model({I: ONE}, Bar(dummies(F), G)))
    assert (found.outcome, found.criterion, found.df) == ("valid", "REML", 4)
