"""Every refusal of formulas and designs: its message and, in a text, the place of its caret."""

import numpy as np
import pandas as pd
import pytest

from mmfit.errors import DataError, DesignError, FormulaError
from mmfit.formula import build_matrices, build_matrices_with_design, parse

ROWS = 24
FRAME = pd.DataFrame(
    {
        "y": np.sin(np.arange(ROWS)) + 3,
        "x": np.arange(ROWS) / 4 - 1,
        "z": np.cos(np.arange(ROWS)),
        "sex": ["F", "M"] * 12,
        "f": ["a", "b", "c", "d"] * 6,
        "g": np.repeat([1, 2, 3, 4, 5, 6], 4),
        "row": np.arange(ROWS),
        "same": ["only"] * ROWS,
        "one": 1.0,
        "flag": [True, False] * 12,
        "w": np.r_[0.0, np.ones(ROWS - 1)],
        "gone": np.r_[np.nan, np.ones(ROWS - 1)],
        "hole": ["u", None] + ["v"] * (ROWS - 2),
        "huge": np.r_[1.0, np.inf, np.ones(ROWS - 2)],
    }
)

MALFORMED = [
    ("", "nothing is written", 0),
    ("y + x + (1 | g)", "a formula needs '~'", 15),
    ("y ~ x ~ z + (1 | g)", "a formula has one '~'", 6),
    ("~ x + (1 | g)", "the response is missing before '~'", 0),
    ("y ~", "the text ends where", 3),
    ("y ~ x + (1 | g", "the '(' that is opened here is never closed", 8),
    ("y ~ x + 1 | g)", "')' closes nothing", 13),
    ("y ~ x + (1 | g))", "')' closes nothing", 15),
    ("y ~ x + (1 | )", "is expected before ')'", 13),
    ("y ~ x + ( | g)", "is expected before '|'", 10),
    ("y ~ x + (x || )", "is expected before ')'", 14),
    ("y ~ x + + ", "the text ends where", 10),
    ("y ~ x + 1 | g", "stands in parentheses: write + (1 | group)", 10),
    ("y ~ x * (1 | g)", "only be added with +", 11),
    ("y ~ x - (1 | g)", "cannot be subtracted", 11),
    ("y ~ (1 | g):x", "only be added with +", 7),
    ("y ~ ((1 | f) | g)", "a bar stands within another bar", 8),
    ("y ~ x + (0 | g)", "the left of the bar is empty", 11),
    ("y ~ x + (1 | f + g)", "grouping factors are not added", 15),
    ("y ~ x + (1 | f * g)", "grouping factors are not added", 15),
    ("y ~ x + (1 | 3)", "right of the bar stands a grouping factor", 13),
    ("y ~ x + (1 | (f/g):sex)", "'/' within ':'", 18),
    ("y ~ x + (offset(z) | g)", "offset() has no place in a random term", 19),
    ("y ~ 2 + x + (1 | g)", "can only be 0 or 1", 4),
    ("y ~ x + 'a' + (1 | g)", "a column or a function of columns", 8),
    ("y ~ x^z + (1 | g)", "^ needs a whole number from 1", 6),
    ("y ~ x^0.5 + (1 | g)", "a power of x is I(x^2)", 6),
    ("y ~ . + (1 | g)", "'.' (all other columns) is not supported", 4),
    ("y ~ y + (1 | g)", "the response y stands among the terms", 4),
    ("y | g ~ x + (1 | g)", "the response is one number per row", 2),
    ("3 ~ x + (1 | g)", "the response uses no column", 0),
    ("y ~ frobnicate(x) + (1 | g)", "there is no function 'frobnicate'", 4),
    ("y ~ poly(x, 2, 3, 4) + (1 | g)", "poly takes 1 to 3 arguments", 4),
    ("y ~ I(x || z) + (1 | g)", "write | for 'or' here", 8),
    ("y ~ x = 2 + (1 | g)", "write ==", 6),
    ("(y ~ x) + (1 | g)", "stands between the response and the terms", 3),
    ("y ~ (" + "*".join(f"x{k}" for k in range(14)) + ") + (1 | g)", "more than 5000 terms", None),
]

UNSUITABLE = [
    ("y ~ xx + (1 | g)", "there is no column 'xx'", 4),
    ("y ~ sexx + (1 | g)", "did you mean 'sex'?", 4),
    ("Y ~ x + (1 | g)", "there is no column 'Y'; did you mean 'y'?", 0),
    ("y ~ x + (1 | G)", "did you mean 'g'?", 13),
    ("y ~ x + (zz | g)", "there is no column 'zz'", 9),
    ("log(x) ~ z + (1 | g)", "log(x) must be finite, but is nan in row 1 (x = -1); 5 rows", 0),
    ("y ~ log(x) + (1 | g)", "log(x) must be finite, but is nan in row 1 (x = -1)", 4),
    ("y ~ I(1/x) + (1 | g)", "I(1/x) must be finite, but is inf in row 5 (x = 0)", 4),
    ("y ~ huge + (1 | g)", "huge must be finite, but is inf in row 2", 4),
    ("huge ~ x + (1 | g)", "huge must be finite, but is inf in row 2", 0),
    ("y ~ log(sex) + (1 | g)", "a number is needed here, but sex is categorical", 8),
    ("y ~ I(poly(x, 2)) * z + (1 | g)", None, None),
    ("y ~ I(poly(x, 2) + 1) + (1 | g)", "poly(x, 2) is several columns", 6),
    ("y ~ poly(x, 24) + (1 | g)", "needs more than the 24 distinct values", 4),
    ("y ~ poly(x, 1.5) + (1 | g)", "a whole number from 1", 12),
    ("y ~ poly(x, z) + (1 | g)", "a number is needed here", 12),
    ("y ~ poly(x, 2, raw = 3) + (1 | g)", "TRUE or FALSE is needed", 21),
    ("y ~ scale(one) + (1 | g)", "one has no spread to scale by", 4),
    ("y ~ center(sex) + (1 | g)", "a number is needed here", 11),
    ("y ~ bs(one) + (1 | g)", "one has no range for a spline", 4),
    ("y ~ ns(x, knots = c(1, 99)) + (1 | g)", "the knots must lie between -1 and 4.75", 4),
    ("y ~ bs(x, df = 2) + (1 | g)", "a whole number from 3", 15),
    ("y ~ C(f, nonsense) + (1 | g)", "a contrast is needed here: treatment, sum", 9),
    ("y ~ C(f, sum, base = 2) + (1 | g)", "only treatment contrasts have a base", 21),
    ("y ~ C(f, treatment, base = 9) + (1 | g)", "there are only 4 levels", 27),
    ("y ~ relevel(f, ref = 'q') + (1 | g)", "'q' is not a level: 'a', 'b', 'c', 'd'", 21),
    ("y ~ factor(f, levels = c('a', 'b')) + (1 | g)", "level 'c' occurs but is not", 23),
    ("y ~ factor(f, labels = c('a', 'b')) + (1 | g)", "4 different labels", 23),
    ("y ~ contr.sum(f) + (1 | g)", "contr.sum stands in C(x, ...)", 4),
    ("y ~ I(offset(x)) + (1 | g)", "offset stands among the terms", 6),
]


@pytest.mark.parametrize(("text", "message", "position"), MALFORMED)
def test_malformed(text, message, position):
    with pytest.raises(FormulaError) as caught:
        parse(text)
    assert message in caught.value.reason
    assert position in (None, caught.value.position)
    assert str(caught.value).splitlines()[-1] == " " * (4 + caught.value.position) + "^"


@pytest.mark.parametrize(("text", "message", "position"), UNSUITABLE)
def test_unsuitable(text, message, position):
    if message is None:
        assert build_matrices(text, FRAME).fixed_names[1:3] == ("I(poly(x, 2))1", "I(poly(x, 2))2")
        return
    with pytest.raises(FormulaError) as caught:
        build_matrices(text, FRAME)
    assert message in caught.value.reason
    assert caught.value.position == position


@pytest.mark.parametrize(
    ("formula", "options", "message"),
    [
        ("sex ~ x + (1 | g)", {}, "the response sex must be numeric, but it is text"),
        ("flag ~ x + (1 | g)", {}, "the response flag must be numeric, but it is a truth value"),
        ("y ~ gone + (1 | g)", {}, "gone is missing in row 1; leave such rows out"),
        ("gone ~ x + (1 | g)", {}, "gone is missing in row 1"),
        ("y ~ I(gone^2) + (1 | g)", {}, "gone is missing in row 1"),
        ("y ~ I(gone > 2) + (1 | g)", {}, r"I\(gone > 2\) is missing in row 1"),
        ("y ~ x + (1 | hole)", {}, "hole is missing in row 2"),
        ("y ~ hole + (1 | g)", {}, "hole is missing in row 2"),
        ("y ~ x + (1 | g)", {"weights": "w"}, "the weights w must be positive, but are 0 in row 1"),
        ("y ~ x + (1 | g)", {"weights": "-one"}, "must be positive, but are -1 in row 1 .24 rows"),
        ("y ~ x + (1 | g)", {"weights": "sex"}, "the weights sex must be numeric"),
        ("y ~ x + (1 | g)", {"weights": np.r_[np.inf, np.ones(23)]}, "must be finite, but is inf"),
        ("y ~ x + (1 | g)", {"weights": np.ones(3)}, "must be one number per row .24., not 3"),
        ("y ~ x + (1 | g)", {"weights": ["a"] * 24}, "the weights given must be numeric"),
        ("y ~ x + (1 | g)", {"offset": "sex"}, "the offset sex must be numeric, but it is text"),
        ("y ~ x + (1 | g)", {"offset": np.full(24, np.nan)}, "the offset given must be finite"),
        ("y ~ x + offset(sex) + (1 | g)", {}, r"the offset offset\(sex\) must be numeric"),
        ("y ~ f + (1 | g)", {"contrasts": {"f": "zum"}}, "'zum' of f is unknown; known are treat"),
        ("y ~ f + (1 | g)", {"contrasts": {"f": 3}}, "must be one of treatment"),
        ("y ~ f + (1 | g)", {"contrasts": {"f": np.eye(3)}}, "is 3 x 3; 4 rows"),
        ("y ~ f + (1 | g)", {"contrasts": {"f": np.ones((4, 1))}}, "singular beside the intercept"),
        ("y ~ x + (1 | g)", {"contrasts": {"x": "sum"}}, "given for x, which is numeric"),
        ("y ~ f + (1 | g)", {"contrasts": {"sexx": "sum"}}, "contrasts: .* did you mean 'sex'"),
        ("y ~ x + (1 | g)", {"categorical": ["gg"]}, "categorical: there is no column 'gg'"),
        ("~ x + (1 | g)", {}, "names no response"),
    ],
)
def test_data_errors(formula, options, message):
    with pytest.raises(DataError, match=message):
        build_matrices(formula, FRAME, **options)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ x + (1 | same)", "same has a single level .'only'.; a variance between groups"),
        ("y ~ x + (1 | row)", "row has 24 levels for 24 rows"),
        ("y ~ x + (1 | g/f)", "f:g has 24 levels for 24 rows"),
        ("y ~ x + (f | g)", r"24 random effects \(4 for each of 6 levels\) for 24 rows"),
        ("y ~ same + (1 | g)", "the factor same has a single level .'only'.; two are needed"),
        ("y ~ factor(row) + (1 | g)", "24 coefficients for 24 rows"),
        ("one ~ x + (1 | g)", "the response one is 1 in every row"),
    ],
)
def test_design_errors(formula, message):
    with pytest.raises(DesignError, match=message):
        build_matrices(formula, FRAME)


def test_a_dummy_expansion_without_bounds_is_refused_before_it_is_made():
    rows = 40_000
    frame = pd.DataFrame(
        {"y": np.arange(rows) % 7.0, "id": np.arange(rows), "g": np.arange(rows) % 9}
    )
    message = r"id\) would take 39999 columns over 40000 rows; was a grouping factor meant"
    with pytest.raises(DesignError, match=message):
        build_matrices("y ~ factor(id) + (1 | g)", frame)


def test_an_empty_frame_is_refused():
    with pytest.raises(DataError, match="the data have no rows"):
        build_matrices("y ~ x + (1 | g)", FRAME.iloc[:0])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"f": "q"}, DataError, "f has the level 'q', which the rows of the fit did not have"),
        ({"f": 3.0}, DataError, "f is a factor in one of fit and new data"),
        ({"x": "a"}, DataError, "x is a factor in one of fit and new data"),
        ({"x": np.nan}, DataError, "x is missing in row 1"),
        ({"f": None}, DataError, "f is missing in row 1"),
    ],
)
def test_new_rows_that_do_not_fit(change, error, message):
    _, design = build_matrices_with_design("y ~ x + f + (1 | g)", FRAME)
    new = FRAME.head(2).assign(**change)
    with pytest.raises(error, match=message):
        design.rebuild(new)


def test_new_rows_without_the_grouping_factor():
    _, design = build_matrices_with_design("y ~ x + (1 | g)", FRAME)
    with pytest.raises(DataError, match="lack the column 'g' of the grouping factor g"):
        design.rebuild(FRAME[["x"]])
    assert design.rebuild(FRAME[["x"]], random=False).X.shape == (ROWS, 2)
