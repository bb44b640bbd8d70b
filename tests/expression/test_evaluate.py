"""Values of expressions, with missing values and each kind of column."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfit.expression import condition, evaluate, parse, variables
from mmfit.expression.deparse import deparse
from mmfit.expression.nodes import (
    Argument,
    Binary,
    Boolean,
    Call,
    Name,
    Number,
    Parentheses,
    Text,
    Unary,
    ValueList,
)

N = np.nan
FRAME = pd.DataFrame(
    {
        "n": [1, 2, 3, 4],
        "x": [1.0, N, 3.0, 4.0],
        "b": [True, False, True, True],
        "s": ["a", "b", None, "a"],
        "Subject": pd.Categorical(["308", "309", "308", "310"]),
        "grade": pd.Categorical(
            ["low", "mid", "high", "low"], ["low", "mid", "high"], ordered=True
        ),
        "whole": pd.array([1, None, 3, 4], dtype="Int64"),
        "maybe": pd.array([True, None, False, True], dtype="boolean"),
        "my var": [4.0, 3.0, 2.0, 1.0],
        "a.b_c": [0.0, 0.0, 1.0, 1.0],
    }
)

NUMBERS = [
    ("n - 2", [-1, 0, 1, 2]),
    ("-n^2", [-1, -4, -9, -16]),
    ("2 ** 3 ** n", [8, 512, 2**27, 2**81]),
    ("n^-1", [1, 1 / 2, 1 / 3, 1 / 4]),
    ("n % 3 + n %% 2", [2, 2, 1, 1]),
    ("-n % 3", [2, 1, 0, 2]),
    ("2 * n % 3", [2, 4, 0, 2]),
    ("10 - 3 - n", [6, 5, 4, 3]),
    ("12 / 2 / n", [6, 3, 2, 1.5]),
    ("x + 1", [2, N, 4, 5]),
    ("b + n", [2, 2, 4, 5]),
    ("`my var` * a.b_c", [0, 0, 2, 1]),
    ("whole * 2", [2, N, 6, 8]),
    ("maybe + 0", [1, N, 0, 1]),
    ("log(n, 2) + log2(1) + log10(1)", np.log2([1, 2, 3, 4])),
    ("log(base = 2, n)", np.log2([1, 2, 3, 4])),
    ("sqrt(abs(-n)) + log1p(0) + expm1(0)", np.sqrt([1, 2, 3, 4])),
    ("floor(n / 2) + ceil(n / 2) + ceiling(0)", [1, 2, 3, 4]),
    ("round(n / 3, 1)", [0.3, 0.7, 1.0, 1.3]),
    ("sign(n - 2)", [-1, 0, 1, 1]),
    ("min(n, x, 3) + 0 * pmin(n, 1)", [1, N, 3, 3]),
    ("max(n, 2) + 0 * pmax(1, n)", [2, 2, 3, 4]),
    ("sin(pi * n) ^ 2 + cos(pi * n) ^ 2 + 0 * tan(n) * exp(n)", [1, 1, 1, 1]),
    ("ifelse(x > 2, n, -n)", [-1, N, 3, 4]),
    ("I((n + 1) * 2)", [4, 6, 8, 10]),
    ("1e3 + 2L + .5", [1002.5] * 4),
]
UNKNOWN = None
TRUTHS = [
    ("x > 2", [0, UNKNOWN, 1, 1]),
    ("!(x > 2)", [1, UNKNOWN, 0, 0]),
    ("not x > 2", [1, UNKNOWN, 0, 0]),
    ("x > 2 | n == 2", [0, 1, 1, 1]),
    ("x > 2 and n == 2", [0, UNKNOWN, 0, 0]),
    ("x > 2 & n != 2", [0, 0, 1, 1]),
    ("x > 2 or n <= 0", [0, UNKNOWN, 1, 1]),
    ("n >= 2 and not n < 4", [0, 0, 0, 1]),
    ("x == x", [1, UNKNOWN, 1, 1]),
    ("s == 'a'", [1, 0, UNKNOWN, 1]),
    ("'a' != s", [0, 1, UNKNOWN, 0]),
    ("s < 'b'", [1, 0, UNKNOWN, 1]),
    ("Subject == 308", [1, 0, 1, 0]),
    ("Subject != '308'", [0, 1, 0, 1]),
    ("308 == Subject", [1, 0, 1, 0]),
    ("Subject == 7", [0, 0, 0, 0]),
    ("Subject in [308, '310']", [1, 0, 1, 1]),
    ("Subject not in c(308)", [0, 1, 0, 1]),
    ("s %in% c('a', 'z')", [1, 0, UNKNOWN, 1]),
    ("x in [1, -3, 4]", [1, UNKNOWN, 0, 1]),
    ("n in (2)", [0, 1, 0, 0]),
    ("grade >= 'mid'", [0, 1, 1, 0]),
    ("'mid' > grade", [1, 0, 0, 1]),
    ("is_missing(x) | is.na(s)", [0, 1, 1, 0]),
    ("is_missing(maybe)", [0, 1, 0, 0]),
    ("maybe & b", [1, 0, 0, 1]),
    ("Subject == s", [0, 0, UNKNOWN, 0]),
    ("b", [1, 0, 1, 1]),
    ("true & !false", [1, 1, 1, 1]),
    ("1 < 2", [1, 1, 1, 1]),
    ("ifelse(n > 2, b, x > 3)", [0, UNKNOWN, 1, 1]),
    ("b == TRUE", [1, 0, 1, 1]),
]


@pytest.mark.parametrize(("text", "wanted"), NUMBERS)
def test_numbers(text, wanted):
    got = evaluate(text, FRAME)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, np.array(wanted, dtype=float), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(("text", "wanted"), TRUTHS)
def test_truth_values(text, wanted):
    got = evaluate(text, FRAME)
    if UNKNOWN in wanted:
        assert got.dtype == "boolean"
        assert [None if value is pd.NA else int(value) for value in got] == wanted
    else:
        assert got.dtype == np.bool_
        assert got.astype(int).tolist() == wanted
    kept = condition(text, FRAME)
    assert kept.dtype == np.bool_
    assert kept.astype(int).tolist() == [value or 0 for value in wanted]


def test_texts_and_categoricals():
    assert evaluate("ifelse(x > 2, 'hi', 'lo')", FRAME).tolist() == ["lo", None, "hi", "hi"]
    assert evaluate("s", FRAME).tolist() == ["a", "b", None, "a"]
    assert evaluate("'k'", FRAME).tolist() == ["k"] * 4
    subject = evaluate("Subject", FRAME)
    assert list(subject.categories) == ["308", "309", "310"]
    assert evaluate("grade", FRAME).ordered


def test_a_mapping_of_arrays_serves_as_a_frame():
    columns = {"u": np.array([1, 2]), "v": ["p", "q"]}
    assert evaluate("u * 2", columns).tolist() == [2, 4]
    assert condition("v == 'q'", columns).tolist() == [False, True]


def test_a_result_does_not_share_memory_with_the_frame():
    frame = pd.DataFrame({"x": [1.0, 2.0]})
    evaluate("x", frame)[0] = 9
    assert frame["x"].tolist() == [1.0, 2.0]


def test_integer_categories_are_compared_by_label():
    frame = pd.DataFrame({"g": pd.Categorical([3, 1, 3])})
    assert condition("g == 3", frame).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("log(y / x) + y", ("y", "x")),
        ("`my var` in [1, 2]", ("my var",)),
        ("ifelse(a.b > _c, d, 2 * pi)", ("a.b", "_c", "d")),
        ("1 + 2", ()),
    ],
)
def test_variables(text, names):
    assert variables(text) == names
    assert variables(parse(text)) == names


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("I(x**2)", "I(x^2)"),
        ("x%2", "x%%2"),
        ("a in [1,'b']", 'a %in% c(1, "b")'),
        ("not a and b", "!a & b"),
        ("log( x,base=2 )", "log(x, base = 2)"),
        ("100000 * x", "1e+05 * x"),
        ("`my var`/2", "`my var`/2"),
        ("`x`+pi", "x + pi"),
        ("-(x-1)", "-(x - 1)"),
        ("true", "TRUE"),
    ],
)
def test_deparse_is_in_r_spelling(text, wanted):
    assert deparse(parse(text).root) == wanted


NAMES = st.sampled_from(["x", "Days", "a.b", "my var", "in", "pi", "_c", "2nd"])
LEAVES = st.one_of(
    NAMES.map(Name),
    st.integers(0, 10**6).map(lambda value: Number(float(value))),
    st.decimals("0.001", "999", places=3).map(lambda value: Number(float(value))),
    st.booleans().map(Boolean),
    st.text("ab\"'\\\n ", max_size=5).map(Text),
)


def _grown(children):
    inner = children.map(Parentheses)
    operators = st.sampled_from(["+", "-", "*", "/", "^", "%%", "==", "<", "&", "|"])
    return st.one_of(
        inner,
        st.builds(Binary, operators, inner, inner),
        st.builds(Unary, st.sampled_from(["-", "!"]), inner),
        st.builds(
            Binary, st.just("%in%"), inner, st.lists(LEAVES, max_size=3).map(tuple).map(ValueList)
        ),
        st.builds(
            Call,
            st.sampled_from(["exp", "abs", "I"]),
            children.map(lambda child: (Argument(None, child),)),
        ),
    )


@given(st.recursive(LEAVES, _grown, max_leaves=12))
def test_what_is_written_is_read_back(tree):
    text = deparse(tree)
    assert parse(text.replace("\n", " ")).root == tree or "\n" in text
    assert deparse(parse(text).root) == text


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6),
    st.floats(-100, 100),
    st.sampled_from(["+", "-", "*", "/"]),
)
def test_arithmetic_is_that_of_numpy(values, number, operator):
    x = np.array(values)
    with np.errstate(all="ignore"):
        wanted = {"+": x + number, "-": x - number, "*": x * number, "/": x / number}[operator]
    np.testing.assert_array_equal(evaluate(f"x {operator} ({number!r})", {"x": x}), wanted)
