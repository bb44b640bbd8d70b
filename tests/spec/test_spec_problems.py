"""Every kind of mistake in an analysis file, by its message."""

import pytest

from tests.spec.files import DATA, MODELS, problems

# By kind: the file, and its problems.
MISTAKES = {
    "unknown_key": (
        "titel: a\n" + DATA + MODELS,
        ["trial.yaml:1: titel: unknown key (did you mean 'title'?); allowed keys here: "],
    ),
    "unknown_data_key": (
        "data: {file: a.csv, categorial: [g]}\n" + MODELS,
        ["trial.yaml:1: data.categorial: unknown key (did you mean 'categorical'?); allowed keys"],
    ),
    "no_data": (MODELS, ["trial.yaml:1: data: missing; the key `data` is needed here"]),
    "no_models": (DATA, ["trial.yaml:1: models: missing; the key `models` is needed here"]),
    "empty_models": (
        DATA + "models: {}\n",
        ["trial.yaml:2: models: it is empty; at least 1 is needed"],
    ),
    "neither_file_nor_simulation": (
        "data: {missing: drop}\n" + MODELS,
        ["trial.yaml:1: data.file: missing; `data` needs `file` (a data file) or `simulate`"],
    ),
    "both_file_and_simulation": (
        "data:\n  file: a.csv\n  simulate: {seed: 1}\n" + MODELS,
        [
            "trial.yaml:3: data.simulate: both `file` and `simulate` are given; "
            "one of the two is allowed"
        ],
    ),
    "data_is_text": (
        "data: a.csv\n" + MODELS,
        ["trial.yaml:1: data: found the text 'a.csv'; a mapping with `file` or `simulate`"],
    ),
    "title_is_number": (
        "title: 5\n" + DATA + MODELS,
        ["trial.yaml:1: title: found 5; text is allowed here"],
    ),
    "title_is_empty_text": (
        "title: ' '\n" + DATA + MODELS,
        ["trial.yaml:1: title: the text is empty; write something or remove the key"],
    ),
    "list_is_text": (
        "data: {file: a.csv, categorical: g}\n" + MODELS,
        ["trial.yaml:1: data.categorical: found the text 'g'; a list such as [a, b] is allowed"],
    ),
    "column_twice": (
        "data: {file: a.csv, categorical: [g, h, g]}\n" + MODELS,
        [
            "trial.yaml:1: data.categorical[3]: the column 'g' is listed twice; "
            "each column is allowed once"
        ],
    ),
    "missing_word": (
        "data: {file: a.csv, missing: dorp}\n" + MODELS,
        [
            "trial.yaml:1: data.missing: found the text 'dorp' (did you mean 'drop'?); "
            "allowed: drop, error"
        ],
    ),
    "sha256_length": (
        "data: {file: a.csv, sha256: 12ab}\n" + MODELS,
        ["trial.yaml:1: data.sha256: '12ab' (4 characters) is no SHA-256 checksum; 64 characters"],
    ),
    "sha256_letters": (
        "data: {file: a.csv, sha256: " + "g" * 64 + "}\n" + MODELS,
        ["trial.yaml:1: data.sha256: '" + "g" * 64 + "' (64 characters) is no SHA-256 checksum"],
    ),
    "where": (
        "data:\n  file: a.csv\n  where: Days >=\n" + MODELS,
        [
            "trial.yaml:3: data.where: the text ends where a column, a number or '(' is expected; "
            "an expression of columns is allowed: log(x) / 2\n    Days >=\n           ^"
        ],
    ),
    "derive": (
        "data:\n  file: a.csv\n  derive: {z: __import__('os')}\n" + MODELS,
        ["trial.yaml:3: data.derive.z: there is no function '__import__'; known are"],
    ),
    "formula_is_number": (
        DATA + "models: {m1: 7}\n",
        ["trial.yaml:2: models.m1: found 7; a formula, or a mapping with `formula`, is allowed"],
    ),
    "formula_unbalanced": (
        DATA + "models: {m1: y ~ x + (1 | g}\n",
        [
            "trial.yaml:2: models.m1: the '(' that is opened here is never closed; a formula as in "
            "lme4 is allowed: y ~ x + (1 | g)\n    y ~ x + (1 | g\n            ^"
        ],
    ),
    "formula_bar_without_parentheses": (
        DATA + "models: {m1: y ~ x + 1 | g}\n",
        ["trial.yaml:2: models.m1: a random term stands in parentheses"],
    ),
    "model_key": (
        DATA + "models: {m1: {formula: y ~ x + (1 | g), wieghts: w}}\n",
        ["trial.yaml:2: models.m1.wieghts: unknown key (did you mean 'weights'?)"],
    ),
    "model_without_formula": (
        DATA + "models: {m1: {weights: w}}\n",
        ["trial.yaml:2: models.m1.formula: missing; the key `formula` is needed here"],
    ),
    "contrast": (
        DATA + MODELS + "contrasts: {sex: sums}\n",
        [
            "trial.yaml:5: contrasts.sex: found the text 'sums' (did you mean 'sum'?); "
            "allowed: treatment, sum, helmert, poly"
        ],
    ),
    "weights": (
        DATA + MODELS + "weights: 1 +\n",
        ["trial.yaml:5: weights: the text ends where a column"],
    ),
    "model_name": (
        DATA + "models: {../m: y ~ x + (1 | g)}\n",
        ["trial.yaml:2: models.../m: '../m' is no name for a model, because it names files; a let"],
    ),
    "model_names_by_case": (
        DATA + "models:\n  m1: y ~ x + (1 | g)\n  M1: y ~ 1 + (1 | g)\n",
        ["trial.yaml:4: models.M1: differs from the model 'm1' by upper and lower case alone; "],
    ),
    "comparison_of_unknown_model": (
        DATA + MODELS + "comparisons:\n  - [m1, m2]\n  - [m1, m_2]\n",
        ["trial.yaml:7: comparisons[2][2]: unknown model 'm_2' (did you mean 'm2'?); all"],
    ),
    "comparison_with_itself": (
        DATA + MODELS + "comparisons: [[m1, m1]]\n",
        [
            "trial.yaml:5: comparisons[1]: the model 'm1' is compared with itself; "
            "two different models are needed"
        ],
    ),
    "comparison_twice": (
        DATA + MODELS + "comparisons: [[m1, m2], [m2, m1]]\n",
        ["trial.yaml:5: comparisons[2]: the pair m2, m1 stands in item 1 already, the other way"],
    ),
    "comparison_of_three": (
        DATA + MODELS + "comparisons: [[m1, m2, m1]]\n",
        ["trial.yaml:5: comparisons[1]: found a list of 3; a comparison is a pair [null, alternat"],
    ),
    "comparisons_word": (
        DATA + MODELS + "comparisons: al\n",
        ["trial.yaml:5: comparisons: found the text 'al' (did you mean 'all'?); allowed: all"],
    ),
    "comparisons_number": (
        DATA + MODELS + "comparisons: 3\n",
        ["trial.yaml:5: comparisons: found 3; `all` or a list of pairs [null, alternative] is all"],
    ),
    "alpha_too_large": (
        DATA + MODELS + "selection: {alpha: 5}\n",
        ["trial.yaml:5: selection.alpha: found 5; a number less than 1 is allowed here"],
    ),
    "alpha_zero": (
        DATA + MODELS + "selection: {alpha: 0}\n",
        ["trial.yaml:5: selection.alpha: found 0; a number greater than 0 is allowed here"],
    ),
    "alpha_quoted": (
        DATA + MODELS + "selection: {alpha: '0.05'}\n",
        ["trial.yaml:5: selection.alpha: found the text '0.05'; a number is allowed here (without"],
    ),
    "alpha_nan": (
        DATA + MODELS + "selection: {alpha: .nan}\n",
        ["trial.yaml:5: selection.alpha: found nan; a finite number is allowed here"],
    ),
    "df": (
        DATA + MODELS + "df: satterthwait\n",
        ["trial.yaml:5: df: found the text 'satterthwait' (did you mean 'satterthwaite'?); "],
    ),
}


@pytest.mark.parametrize(("content", "expected"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_with_line_key_and_what_is_allowed(tmp_path, content, expected):
    found = problems(tmp_path, content)
    assert len(found) == len(expected)
    for problem, start in zip(found, expected, strict=True):
        assert problem.startswith(start)


def test_everything_wrong_is_reported_at_once_in_the_order_of_the_file(tmp_path):
    content = """\
titel: a
data:
  file: a.csv
  where: (Days
models:
  m1: y ~ x + (1 | g
  m2: y ~ x + (1 | g)
comparisons: [[m1, m3]]
selection: {alpha: 2}
"""
    found = problems(tmp_path, content)
    assert [problem.split(" ")[0] for problem in found] == [
        f"trial.yaml:{line}:" for line in (1, 4, 6, 8, 9)
    ]


def test_the_name_of_the_file_names_a_folder(tmp_path):
    (problem,) = problems(tmp_path, DATA + MODELS, "my trial.yaml")
    assert problem.startswith("my trial.yaml:1: the file name 'my trial' names a folder of results")
