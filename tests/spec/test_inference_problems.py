"""Mistakes in what an analysis asks of its models: null distributions, bootstrap, inference."""

import pytest

from tests.spec.files import DATA, MODELS, problems

HEAD = DATA + MODELS

# By kind: what follows the data and the models (line 5 on), and the problem.
MISTAKES = {
    "null_distribution": (
        "null_distribution: chibar\n",
        "trial.yaml:5: null_distribution: found the text 'chibar' (did you mean 'chibar2'?); "
        "allowed: auto, chi2, chibar2, exact, calibrated, bootstrap",
    ),
    "pair_null_distribution": (
        "comparisons:\n  - {null: m1, alternative: m2, null_distribution: exakt}\n",
        "trial.yaml:6: comparisons[1].null_distribution: found the text 'exakt' "
        "(did you mean 'exact'?); allowed: auto, chi2, chibar2, exact, calibrated, bootstrap",
    ),
    "pair_key": (
        "comparisons: [{null: m1, alternativ: m2, alternative: m2}]\n",
        "trial.yaml:5: comparisons[1].alternativ: unknown key (did you mean 'alternative'?); "
        "allowed keys here: null, alternative, null_distribution",
    ),
    "pair_without_alternative": (
        "comparisons: [{null: m1}]\n",
        "trial.yaml:5: comparisons[1].alternative: missing; the key `alternative` is needed here",
    ),
    "pair_of_unknown_model": (
        "comparisons: [{null: m1, alternative: m3}]\n",
        "trial.yaml:5: comparisons[1].alternative: unknown model 'm3'; allowed: m1, m2",
    ),
    "pair_with_itself": (
        "comparisons: [{null: m1, alternative: m1}]\n",
        "trial.yaml:5: comparisons[1]: the model 'm1' is compared with itself; two different",
    ),
    "pair_twice": (
        "comparisons: [[m1, m2], {null: m2, alternative: m1}]\n",
        "trial.yaml:5: comparisons[2]: the pair m2, m1 stands in item 1 already, the other way",
    ),
    "pair_is_text": (
        "comparisons: [m1, [m1, m2]]\n",
        "trial.yaml:5: comparisons[1]: found the text 'm1'; a pair [null, alternative], or a "
        "mapping with these keys, is allowed here",
    ),
    "bootstrap_is_number": (
        "bootstrap: 999\n",
        "trial.yaml:5: bootstrap: found 999; a mapping (`name: value` lines, or {name: value})",
    ),
    "bootstrap_key": (
        "bootstrap: {replicate: 99}\n",
        "trial.yaml:5: bootstrap.replicate: unknown key (did you mean 'replicates'?); "
        "allowed keys here: replicates, seed, chunks, stop",
    ),
    "too_few_replicates": (
        "bootstrap: {replicates: 18}\n",
        "trial.yaml:5: bootstrap.replicates: found 18; a number of at least 19 is allowed here",
    ),
    "too_few_replicates_for_intervals": (
        "bootstrap: {replicates: 38}\ninference: {intervals: [wald, bootstrap]}\n",
        "trial.yaml:5: bootstrap.replicates: 38 replicates are too few for bootstrap intervals of "
        "coverage 0.95; at least 39 are needed",
    ),
    "level_beyond_the_usual_replicates": (
        "inference: {level: 0.999, intervals: [bootstrap]}\n",
        "trial.yaml:5: inference.level: 999 replicates are too few for bootstrap intervals of "
        "coverage 0.999; at least 1999 are needed",
    ),
    "half_a_replicate": (
        "bootstrap: {replicates: 99.5}\n",
        "trial.yaml:5: bootstrap.replicates: found 99.5; a whole number is allowed here",
    ),
    "negative_seed": (
        "bootstrap: {seed: -1}\n",
        "trial.yaml:5: bootstrap.seed: found -1; a number of at least 0 is allowed here",
    ),
    "no_chunk": (
        "bootstrap: {chunks: 0}\n",
        "trial.yaml:5: bootstrap.chunks: found 0; a number of at least 1 is allowed here",
    ),
    "more_chunks_than_replicates": (
        "bootstrap:\n  replicates: 20\n  chunks: 21\n",
        "trial.yaml:7: bootstrap.chunks: 21 chunks of 20 replicates; at most 20 is allowed here",
    ),
    "more_chunks_than_the_usual_replicates": (
        "bootstrap: {chunks: 1000}\n",
        "trial.yaml:5: bootstrap.chunks: 1000 chunks of 999 replicates; at most 999 is allowed",
    ),
    "stop_is_a_word": (
        "bootstrap: {stop: yes}\n",
        "trial.yaml:5: bootstrap.stop: found the text 'yes'; true or false is allowed here",
    ),
    "inference_key": (
        "inference: {interval: [wald]}\n",
        "trial.yaml:5: inference.interval: unknown key (did you mean 'intervals'?); "
        "allowed keys here: level, intervals, term_tests, random_term_tests, measures, means, "
        "adjust, slopes, influence, diagnosis, predictions",
    ),
    "level_in_percent": (
        "inference: {level: 95}\n",
        "trial.yaml:5: inference.level: found 95; a number less than 1 is allowed here",
    ),
    "level_zero": (
        "inference: {level: 0}\n",
        "trial.yaml:5: inference.level: found 0; a number greater than 0 is allowed here",
    ),
    "intervals_text": (
        "inference: {intervals: wald}\n",
        "trial.yaml:5: inference.intervals: found the text 'wald'; a list such as [a, b] is",
    ),
    "unknown_interval": (
        "inference: {intervals: [wald, profil]}\n",
        "trial.yaml:5: inference.intervals[2]: found the text 'profil' (did you mean 'profile'?); "
        "allowed: profile, wald, bootstrap",
    ),
    "interval_twice": (
        "inference: {intervals: [wald, wald]}\n",
        "trial.yaml:5: inference.intervals: 'wald' is listed twice; each is allowed once",
    ),
    "measures_number": (
        "inference: {measures: 1}\n",
        "trial.yaml:5: inference.measures: found 1; true or false is allowed here",
    ),
    "means_word": (
        "inference: {means: x}\n",
        "trial.yaml:5: inference.means: found the text 'x'; allowed: all",
    ),
    "means_number": (
        "inference: {means: 3}\n",
        "trial.yaml:5: inference.means: found 3; `all` or a list such as [a, b] is allowed here",
    ),
    "means_of_unknown": (
        "inference:\n  means: [x, z]\n",
        "trial.yaml:6: inference.means[2]: no model has the variable 'z' in its fixed part; "
        "variables: x",
    ),
    "means_of_unknown_cells": (
        "inference: {means: ['x:X']}\n",
        "trial.yaml:5: inference.means[1]: no model has the variable 'X' in its fixed part "
        "(did you mean 'x'?); variables: x",
    ),
    "means_within_unknown": (
        "inference: {means: ['x | z']}\n",
        "trial.yaml:5: inference.means[1]: no model has the variable 'z' in its fixed part; ",
    ),
    "means_within_nothing": (
        "inference: {means: [x, 'x | ']}\n",
        "trial.yaml:5: inference.means[2]: 'x | ' is no factor, nor a combination of factors; a "
        "factor, a:b for the cells of two, or a | b for a within each level of b, is allowed",
    ),
    "means_with_two_bars": (
        "inference: {means: ['x | x | x']}\n",
        "trial.yaml:5: inference.means[1]: 'x | x | x' is no factor, nor a combination of factors",
    ),
    "means_within_itself": (
        "inference: {means: ['x | x']}\n",
        "trial.yaml:5: inference.means[1]: 'x | x' names a factor twice; each is allowed once",
    ),
    "means_of_grouping_factor": (
        "inference: {means: [g]}\n",
        "trial.yaml:5: inference.means[1]: no model has the variable 'g' in its fixed part; ",
    ),
    "adjust": (
        "inference: {adjust: bonferroni}\n",
        "trial.yaml:5: inference.adjust: found the text 'bonferroni'; allowed: tukey, holm, none",
    ),
    "slopes_list": (
        "inference: {slopes: [x]}\n",
        "trial.yaml:5: inference.slopes: found a list; a mapping (`name: value` lines",
    ),
    "slopes_of_unknown": (
        "inference: {slopes: {z: []}}\n",
        "trial.yaml:5: inference.slopes.z: no model has the variable 'z' in its fixed part; ",
    ),
    "slopes_by_unknown": (
        "inference: {slopes: {x: z}}\n",
        "trial.yaml:5: inference.slopes.x: no model has the variable 'z' in its fixed part; ",
    ),
    "slopes_by_number": (
        "inference: {slopes: {x: 3}}\n",
        "trial.yaml:5: inference.slopes.x: found 3; a list such as [a, b] is allowed here",
    ),
    "slopes_by_itself": (
        "inference: {slopes: {x: x}}\n",
        "trial.yaml:5: inference.slopes.x: the slope of 'x' by itself; a factor is allowed here",
    ),
    "predictions_text": (
        "inference: {predictions: new.csv}\n",
        "trial.yaml:5: inference.predictions: found the text 'new.csv'; a mapping",
    ),
    "predictions_without_file": (
        "inference: {predictions: {interval: confidence}}\n",
        "trial.yaml:5: inference.predictions.file: missing; the key `file` is needed here",
    ),
    "prediction_interval": (
        "inference: {predictions: {file: new.csv, interval: predictions}}\n",
        "trial.yaml:5: inference.predictions.interval: found the text 'predictions' "
        "(did you mean 'prediction'?); allowed: prediction, confidence",
    ),
}


@pytest.mark.parametrize(("added", "expected"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_once_with_line_key_and_what_is_allowed(tmp_path, added, expected):
    (problem,) = problems(tmp_path, HEAD + added)
    assert problem.startswith(expected)


def test_an_unreadable_formula_hides_what_cannot_be_judged(tmp_path):
    content = DATA + "models: {m1: y ~ x +}\ninference: {means: [z], level: 2}\n"
    found = [problem.split(": ")[1] for problem in problems(tmp_path, content)]
    assert found == ["models.m1", "inference.level"]
