"""Mistakes in a search and in the audit of a selection."""

import pytest

from tests.spec.files import DATA, MODELS, problems

SCOPE = "scope: y ~ x + (x | g)"

# By kind: the whole file but for the data in line 1, and its problems.
MISTAKES = {
    "search": (
        f"selection: {{search: backwards, {SCOPE}}}\n",
        "selection.search: found the text 'backwards' (did you mean 'backward'?); "
        "allowed: backward, forward, exhaustive",
    ),
    "search_without_scope": (
        "selection: {search: forward}\n",
        "selection.search: a search without `scope`; the key `scope` is needed beside it",
    ),
    "scope_without_search": (
        MODELS + f"selection: {{{SCOPE}}}\n",
        "selection.scope: `scope` belongs to a search, and there is none; add `search` "
        "(backward, forward, exhaustive), or remove `scope`",
    ),
    "criterion_without_search": (
        MODELS + "selection: {criterion: aic}\n",
        "selection.criterion: `criterion` belongs to a search, and there is none; add `search`",
    ),
    "criterion": (
        f"selection: {{search: forward, {SCOPE}, criterion: aicc}}\n",
        "selection.criterion: found the text 'aicc' (did you mean 'aic'?); "
        "allowed: lrt, aic, bic, caic",
    ),
    "exhaustive_by_tests": (
        f"selection: {{search: exhaustive, {SCOPE}, criterion: lrt}}\n",
        "selection.criterion: an exhaustive search ranks all models, which tests of pairs cannot; "
        "allowed with it: aic, bic, caic",
    ),
    "scope_is_number": (
        "selection: {search: forward, scope: 3}\n",
        "selection.scope: found 3; a formula, or a mapping with `maximal`, is allowed here",
    ),
    "scope_formula": (
        "selection: {search: forward, scope: y ~ x + (x | g}\n",
        "selection.scope: the '(' that is opened here is never closed; a formula as in lme4",
    ),
    "scope_without_maximal": (
        "selection: {search: forward, scope: {minimal: y ~ 1}}\n",
        "selection.scope.maximal: missing; the key `maximal` is needed here",
    ),
    "scope_key": (
        "selection: {search: forward, scope: {maximal: y ~ x + (x | g), minimum: y ~ 1}}\n",
        "selection.scope.minimum: unknown key (did you mean 'minimal'?); allowed keys here: "
        "maximal, minimal",
    ),
    "responses_differ": (
        "selection: {search: forward, scope: {maximal: y ~ x + (x | g), minimal: z ~ 1}}\n",
        "selection.scope.minimal: its response is z, and that of the maximal model y; one",
    ),
    "other_response_than_the_models": (
        MODELS + "selection: {search: forward, scope: z ~ x + (x | g)}\n",
        "selection.scope: its response is z, and that of the models y; what the search ends with "
        "cannot be compared with them; a response of the models is allowed here",
    ),
    "other_response_than_models_of_several": (
        "models: {m1: y ~ x + (1 | g), m2: {formula: log(y) ~ x + (1 | g)}}\n"
        "selection: {search: forward, scope: {maximal: z ~ x + (x | g)}}\n",
        "selection.scope.maximal: its response is z, and that of the models y, log(y); what the",
    ),
    "minimal_is_no_part": (
        "selection: {search: forward, scope: {maximal: y ~ x + (x | g), minimal: y ~ z}}\n",
        "selection.scope.minimal: the maximal model does not contain it: it has no z; "
        "variables of the maximal model: y, x, g",
    ),
    "reserved_name": (
        f"models: {{selected: y ~ x + (1 | g)}}\nselection: {{search: forward, {SCOPE}}}\n",
        "models.selected: 'selected' is the name of the model that the search ends with; another",
    ),
    "reserved_name_by_case": (
        f"models: {{Selected: y ~ x + (1 | g)}}\nselection: {{search: forward, {SCOPE}}}\n",
        "models.Selected: 'Selected' is the name of the model that the search ends with; another",
    ),
    "no_models_and_no_search": (
        "selection: {alpha: 0.01}\n",
        "models: missing; the key `models` is needed here",
    ),
    "comparison_without_models": (
        f"comparisons: [[a, b]]\nselection: {{search: forward, {SCOPE}}}\n",
        "comparisons[1][1]: unknown model 'a'; `models` has none to compare",
    ),
    "selection_key": (
        f"selection: {{search: forward, {SCOPE}, criteria: aic}}\n",
        "selection.criteria: unknown key (did you mean 'criterion'?); allowed keys here: "
        "alpha, search, scope, criterion, stability",
    ),
    "stability_is_true": (
        MODELS + "selection: {stability: true}\n",
        "selection.stability: found true; a mapping (`name: value` lines, or {name: value})",
    ),
    "stability_samples": (
        MODELS + "selection: {stability: {samples: 1}}\n",
        "selection.stability.samples: found 1; a number of at least 2 is allowed here",
    ),
    "stability_method": (
        MODELS + "selection: {stability: {method: clusters}}\n",
        "selection.stability.method: found the text 'clusters' (did you mean 'cluster'?); "
        "allowed: parametric, cluster",
    ),
    "stability_seed": (
        MODELS + "selection: {stability: {seed: one}}\n",
        "selection.stability.seed: found the text 'one'; a whole number is allowed here",
    ),
    "stability_key": (
        MODELS + "selection: {stability: {replicates: 5}}\n",
        "selection.stability.replicates: unknown key; allowed keys here: samples, method, seed",
    ),
}


@pytest.mark.parametrize(("content", "expected"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_with_key_and_what_is_allowed(tmp_path, content, expected):
    found = problems(tmp_path, DATA + content)
    assert found[0].split(": ", 1)[1].startswith(expected)
    # A pair of two names that do not exist is two problems; the others are one.
    assert len(found) == 1 + ("comparisons" in expected)


def test_the_columns_of_a_scope_are_simulated(tmp_path):
    content = """\
data:
  simulate:
    seed: 1
    design: {g: 8}
    formula: y ~ 1 + (1 | g)
    fixed: {(Intercept): 1}
    random: {g: {sd: [1]}}
    residual_sd: 1
selection:
  search: backward
  scope: {maximal: y ~ x + (1 | g)}
"""
    (problem,) = problems(tmp_path, content)
    assert problem == (
        "trial.yaml:11: selection.scope.maximal: the simulated data have no column 'x'; "
        "columns: y, g"
    )
