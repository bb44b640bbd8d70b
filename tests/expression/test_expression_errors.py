"""Every refusal of the expression language: its message and the place of its caret."""

import numpy as np
import pandas as pd
import pytest

from mmfit.errors import DataError, FormulaError
from mmfit.expression import condition, evaluate, parse

FRAME = pd.DataFrame(
    {
        "Days": [0.0, 1.0, 2.0],
        "sex": ["F", "M", "F"],
        "Subject": pd.Categorical(["308", "309", "310"]),
        "grade": pd.Categorical(["low", "high", "low"], ["low", "high"], ordered=True),
        "when": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"]),
    }
)

MALFORMED = [
    ("", "nothing is written", 0),
    ("Days +", "the text ends where a column", 6),
    ("(Days + 1", "the '(' that is opened here is never closed", 0),
    ("log(Days", "the '(' that is opened here is never closed", 3),
    ("Days) + 1", "')' closes nothing", 4),
    ("Days]", "']' closes nothing", 4),
    ("Days = 3", "write ==", 5),
    ("0 < Days < 3", "cannot be chained", 9),
    ("Days 3", "an operator is missing before '3'", 5),
    ("Days, 3", "',' has no meaning outside", 4),
    ("* Days", "is expected before '*'", 0),
    ("Days ~ sex", "'~' belongs to a formula", 5),
    ("Days:sex", "':' belongs to the terms of a formula", 4),
    ("Days || sex", "write | for 'or'", 5),
    ("Days && sex", "write & for 'and'", 5),
    ("sex == 'F", "a text that is opened here is not closed", 7),
    ("`my days", "opened here with a backtick is not closed", 0),
    ("frame$Days", "'$' has no meaning", 5),
    ("Days @ 3", "'@' has no meaning", 5),
    ("Days; sex", "';' has no meaning", 4),
    ("{Days}", "braces", 0),
    ("Days ? 3", "the character '?' has no meaning", 5),
    ("2nd + 1", "cannot start with a digit", 0),
    ("and Days", "a value is missing before 'and'", 0),
    ("Days not 3", "must be 'not in'", 5),
    ("foo(Days)", "there is no function 'foo'; known are c, abs", 0),
    ("Days.mean()", "there is no function 'Days.mean'", 0),
    ("__import__('os')", "there is no function '__import__'", 0),
    ("poly(Days, 2)", "there is no function 'poly'", 0),
    ("log(Days, 2, 3)", "log takes 1 to 2 arguments, not 3", 0),
    ("exp()", "exp takes 1 argument, not 0", 0),
    ("max(Days)", "compares two or more values row by row", 0),
    ("log(Days, bass = 2)", "takes no argument 'bass'; it takes x, base", 10),
    ("log(x = Days, x = 2)", "the argument 'x' twice", 14),
    ("log(base = 2)", "log lacks its argument 'x'", 0),
    ("max(Days, rm = 2)", "max takes its arguments without names", 10),
    ("(" * 80 + "Days" + ")" * 80, "levels of nesting", 60),
    ("+".join(["Days"] * 300), "operators in a row", None),
]

UNSUITABLE = [
    ("Dayz + 1", "there is no column 'Dayz'; did you mean 'Days'?", 0),
    ("SEX == 'F'", "did you mean 'sex'?", 0),
    ("1 + weight", "there is no column 'weight'; the columns are Days, sex", 4),
    ("sex + 1", "a number is needed here, but sex is categorical", 0),
    ("Days + 'a'", 'a number is needed here, but "a" is a text', 7),
    ("!sex", "a truth value is needed here, but sex is a text", 1),
    ("Subject > 308", "needs numbers or an ordered categorical", 8),
    ("grade > 'medium'", "'medium' is not a level", 6),
    ("grade < sex", "no common order", 6),
    ("Days in [sex]", "not columns", 9),
    ("[1, 2]", "a list stands only to the right of 'in'", 0),
    ("ifelse(Days > 1, 'a', 2)", "would mix numbers and texts", 0),
]


def refusal(text, action):
    with pytest.raises(FormulaError) as caught:
        action(text)
    return caught.value


@pytest.mark.parametrize(("text", "message", "position"), MALFORMED)
def test_malformed(text, message, position):
    error = refusal(text, parse)
    assert message in error.reason
    assert position in (None, error.position)
    shown, caret = str(error).splitlines()[1:]
    assert caret == " " * (4 + error.position) + "^"
    assert shown == f"    {text}"


@pytest.mark.parametrize(("text", "message", "position"), UNSUITABLE)
def test_unsuitable(text, message, position):
    error = refusal(text, lambda text: evaluate(text, FRAME))
    assert message in error.reason
    assert error.position == position


@pytest.mark.parametrize(("text", "kind"), [("Days - 2", "numbers"), ("sex", "texts")])
def test_condition_wants_truth_values(text, kind):
    error = refusal(text, lambda text: condition(text, FRAME))
    assert f"this gives {kind}" in error.reason


def test_dates_are_refused_by_name():
    with pytest.raises(DataError, match="'when' holds datetime64"):
        evaluate("when == 1", FRAME)


def test_a_repeated_column_is_refused():
    twice = pd.DataFrame(np.ones((3, 2)), columns=["x", "x"])
    with pytest.raises(DataError, match="'x' stands more than once"):
        evaluate("x + 1", twice)


def test_text_is_wanted():
    with pytest.raises(FormulaError, match="a text is expected, not int"):
        parse(3)


def test_line_breaks_keep_the_caret_in_place():
    error = refusal("Days +\n  Dayz", lambda text: evaluate(text, FRAME))
    assert str(error).splitlines()[1:] == ["    Days +   Dayz", "             ^"]
