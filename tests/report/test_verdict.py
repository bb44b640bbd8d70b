import dataclasses

import pytest

from mmfit.report.words.verdict import alerts, verdict
from mmfit.selection import SelectionStep
from tests.report.builders import data_set, sleep_candidates
from tests.report.inputs import report_input


@pytest.fixture
def report(tmp_path):
    return report_input(tmp_path, sleep_candidates(), data_set("sleepstudy"), ["Subject"])


def with_selection(report, **changes):
    return dataclasses.replace(report, selection=dataclasses.replace(report.selection, **changes))


def test_model_grounds_estimates_and_rankings(report):
    opening, grounds, estimates, rankings = verdict(report)
    assert opening == "m2 is chosen among 2 candidates for Reaction, fitted to 180 observations."
    assert "m2 rather than m1 (REML, χ² = 42.84, p\u00a0<\u00a00.001)" in grounds
    assert estimates.startswith("Estimates: Days 10.47 (95% interval")
    assert rankings == "AIC and BIC rank it first too."


def test_a_kept_null_and_a_plain_p_value(report):
    step = SelectionStep(
        "random",
        ("m1", "m2"),
        "words",
        "m1",
        "test",
        "m1",
        "m2",
        "REML",
        0.5,
        1,
        0.48,
        "plain",
    )
    grounds = verdict(with_selection(report, steps=(step,)))[1]
    assert "m1 rather than m2 (REML, χ² = 0.50, p\u00a0=\u00a00.480 by the plain χ²)" in grounds


def test_settled_by_aic(report):
    step = SelectionStep(
        "random", ("m1", "m2"), "words", "m2", "AIC", "m1", "m2", "ML", aic=(2.0, 1.0)
    )
    grounds = verdict(with_selection(report, steps=(step,)))[1]
    assert "m2 rather than m1 (neither contains the other; AIC, ML)" in grounds


def test_a_ranking_that_disagrees_is_said(report):
    aic, bic = report.selection.rankings
    first, second = bic.models
    swapped = dataclasses.replace(
        bic,
        models=(
            dataclasses.replace(second, rank=1),
            dataclasses.replace(first, rank=2),
        ),
    )
    texts = verdict(with_selection(report, rankings=(aic, swapped)))
    assert texts[-1] == "AIC ranks it first too; BIC prefers m1."


def test_no_alert_for_sound_fits(report):
    assert alerts(report) == ()
