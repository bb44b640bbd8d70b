"""Candidates that the rows cannot support, refused before any fit."""

import pytest

from mmfit.data import load_dataset
from mmfit.errors import DataError, DesignError, FormulaError
from tests.data.files import TABLE, analysis, write_data

EVEN = "y,x,g,h\n" + "".join(f"{(3 * i) % 7},{i % 5},{'ab'[i % 2]},p\n" for i in range(12))

# By kind: the table, the model, the rest of the analysis, the error and its message.
MISTAKES = {
    "response_text": (
        TABLE.replace("7.5,1,", "'7,5',1,").replace("'7,5'", '"7,5"'),
        "y ~ x + (1 | g)",
        {},
        DataError,
        "the response 'y' is not numeric: '7,5' in row 2 of the data",
    ),
    "response_categorical": (
        TABLE,
        "y ~ x + (1 | g)",
        {"data": {"categorical": ["y"]}},
        DataError,
        "the response 'y' is categorical; a response is numeric, so take it out of `categorical`",
    ),
    "response_constant": (
        EVEN,
        "x ~ 1 + (1 | g)",
        {"data": {"derive": {"x": "0 * x + 3"}}},
        DesignError,
        "the response x is 3 in every row",
    ),
    "covariate_constant": (
        TABLE,
        "y ~ x + k + (1 | g)",
        {"data": {"derive": {"k": "0 * x + 2.5"}}},
        DesignError,
        "the covariate 'k' is 2.5 in all 12 rows used; its effect cannot be told from the "
        "intercept: leave it out",
    ),
    "covariate_constant_after_where": (
        TABLE,
        "y ~ h + (1 | g)",
        {"data": {"where": "h == 1 | x == 13"}},
        DesignError,
        "the covariate 'h' is 1 in all 3 rows used",
    ),
    "covariate_constant_in_a_slope": (
        TABLE,
        "y ~ x + (log(k) | g)",
        {"data": {"derive": {"k": "0 * x + 2"}}},
        DesignError,
        "the covariate 'k' is 2 in all 12 rows used",
    ),
    "factor_with_one_level": (
        EVEN,
        "y ~ h + (1 | g)",
        {},
        DesignError,
        "the factor h has a single level ('p'); two are needed",
    ),
    "group_with_one_level": (
        EVEN,
        "y ~ x + (1 | h)",
        {},
        DesignError,
        "the grouping factor h has a single level ('p')",
    ),
    "group_with_a_level_per_row": (
        TABLE,
        "y ~ 1 + (1 | x)",
        {},
        DesignError,
        "the grouping factor x has 12 levels for 12 rows",
    ),
    "more_random_effects_than_rows": (
        TABLE,
        "y ~ x + (x + h + I(h^2) | g:h)",
        {},
        DesignError,
        "the grouping factor g:h has 12 levels for 12 rows",
    ),
    "as_many_random_effects_as_rows": (
        TABLE,
        "y ~ x + (g | h)",
        {},
        DesignError,
        "the random term of (Intercept), gb, gc by h has 12 random effects (3 for each of 4 "
        "levels) for 12 rows, and in this design its covariance cannot be told from the residual",
    ),
    "weights_negative": (
        TABLE,
        "y ~ x + (1 | g)",
        {"weights": "x - 2", "data": {"where": "x != 1"}},
        DataError,
        "the weights x - 2 are not positive in rows 1, 3 of the data (-2 in the first)",
    ),
    "weights_text": (
        TABLE,
        "y ~ x + (1 | g)",
        {"weights": "g"},
        DataError,
        "the weights g must be numeric, but it is categorical",
    ),
    "offset_text": (
        TABLE,
        "y ~ x + (1 | g)",
        {"offset": "g"},
        DataError,
        "the offset g must be numeric",
    ),
    "expression_without_value": (
        TABLE,
        "y ~ log(x - 4) + (1 | g)",
        {"data": {"where": "x > 1"}},
        FormulaError,
        "log(x - 4) must be finite, but is nan in row 1 (x = 2)",
    ),
    "contrast_of_a_number": (
        TABLE,
        "y ~ x + (1 | g)",
        {"contrasts": {"x": "sum"}},
        DataError,
        "contrasts are given for x, which is numeric",
    ),
}


@pytest.mark.parametrize(
    ("table", "model", "rest", "error", "message"), MISTAKES.values(), ids=MISTAKES.keys()
)
def test_a_candidate_that_cannot_be_fitted(tmp_path, table, model, rest, error, message):
    write_data(tmp_path, table)
    with pytest.raises(error) as caught:
        load_dataset(analysis(tmp_path, {"m1": model}, **rest))
    assert str(caught.value).startswith(f"{tmp_path}/trial.yaml: models.m1: {message}")


def test_every_bad_candidate_is_named(tmp_path):
    write_data(tmp_path, EVEN)
    models = {"m1": "y ~ x + (1 | h)", "m2": "y ~ x + (1 | g)", "m3": "y ~ h + (1 | g)"}
    with pytest.raises(DesignError) as caught:
        load_dataset(analysis(tmp_path, models))
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["models.m1", "models.m3"]


def test_rows_of_a_message_are_those_of_the_data_or_it_says_so(tmp_path):
    write_data(tmp_path, TABLE)
    with pytest.raises(FormulaError) as caught:
        load_dataset(
            analysis(tmp_path, {"m1": "y ~ log(x - 4) + (1 | g)"}, data={"where": "x > 1"})
        )
    assert str(caught.value).endswith("(rows are counted among the 10 used)")


def test_a_column_of_ones_stands_for_the_intercept_where_there_is_none(tmp_path):
    write_data(tmp_path, TABLE)
    data = {"derive": {"one": "0 * x + 1"}}
    used = load_dataset(analysis(tmp_path, {"m1": "y ~ 0 + one + x + (0 + one | g)"}, data=data))
    assert used.frame["one"].eq(1).all()


def test_a_constant_weight_or_offset_is_fine(tmp_path):
    write_data(tmp_path, TABLE)
    data = {"derive": {"two": "0 * x + 2"}}
    used = load_dataset(analysis(tmp_path, data=data, weights="two", offset="two"))
    assert used.row_report.kept == used.row_report.read
