import math

import pytest

from mmfit.report.words import numbers


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.02713, "0.027"), (2.3e-6, "<\u00a00.001"), (1.0, "1.000"), (0.0, "<\u00a00.001")],
)
def test_p_values_as_papers_print_them(p, text):
    assert numbers.p_text(p) == text


@pytest.mark.parametrize("missing", [None, math.nan])
def test_missing_numbers_are_a_dash(missing):
    assert numbers.p_text(missing) == numbers.fixed(missing, 2) == "–"


def test_p_phrase_has_one_relation_sign():
    assert numbers.p_phrase(0.0271) == "p\u00a0=\u00a00.027"
    assert numbers.p_phrase(1e-9) == "p\u00a0<\u00a00.001"


@pytest.mark.parametrize(
    ("value", "text"), [(-1.25, "−1.2"), (-0.01, "0.0"), (math.inf, "∞"), (-math.inf, "−∞")]
)
def test_fixed(value, text):
    assert numbers.fixed(value, 1) == text


def test_a_column_shares_its_decimals():
    assert numbers.column([105.7146, 0.32229]) == ["105.7146", "0.3223"]
    assert numbers.column([474.027, 2765.07, 50.844]) == ["474.03", "2765.07", "50.84"]
    assert numbers.column([0.0, None]) == ["0", "–"]


def test_a_column_that_spans_many_powers_goes_scientific():
    assert numbers.column([1234567.0, 2.5e-9]) == ["1.235\u00a0×\u00a010⁶", "2.5\u00a0×\u00a010⁻⁹"]


def test_words():
    assert numbers.listed([]) == ""
    assert numbers.listed(["a", "b", "c"]) == "a, b and c"
    assert numbers.plural(1, "row") == "1 row"
    assert numbers.plural(73421, "row") == "73\u202f421 rows"
    assert numbers.plural(2, "analysis", "analyses") == "2 analyses"


def test_powers_in_a_text():
    free = numbers.typeset_powers("a decrease of 3.9e-16, 2e+05")
    assert free.replace("\u00a0", " ") == "a decrease of 3.9 × 10⁻¹⁶, 2 × 10⁵"
    guarded = numbers.typeset_powers("m1e-5: p = 1.2e-06", before="p = ")
    assert guarded.replace("\u00a0", " ") == "m1e-5: p = 1.2 × 10⁻⁶"
