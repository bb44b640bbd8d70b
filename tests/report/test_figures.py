import numpy as np
import pytest

from mmfit.report.figures import diagnostics as figures
from tests.report.markup import Page


def effect(group, name, levels, estimate, sd) -> figures.EffectModes:
    estimate, half = np.asarray(estimate), 1.959963984540054 * sd
    return figures.EffectModes(group, name, levels, estimate, estimate - half, estimate + half)


def modes(levels: int, spread: float = 1.0, name: str = "(Intercept)") -> figures.EffectModes:
    estimate = spread * np.random.default_rng(5).normal(size=levels)
    return effect("Subject", name, tuple(f"s{i}" for i in range(levels)), estimate, 0.2)


def test_every_level_of_a_small_factor_is_named():
    figure = figures.caterpillar_figure(modes(18, name="Days"), 0.95, "key")
    words = Page(figure.svg).plain.split()
    assert {f"s{i}" for i in range(18)} <= set(words)
    assert "Days by Subject" in figure.caption
    assert "Drawn" not in figure.caption


def test_caption_counts_the_intervals_without_zero():
    group = effect("g", "x", ("a", "b", "c"), [-3.0, 0.1, 1.0], 0.5)
    caption = figures.caterpillar_figure(group, 0.95, "key").caption
    # 1.0 against 1.96 * 0.5 = 0.98
    assert "2 of 3 leave out zero" in caption


def test_thousands_of_levels_stay_small_and_say_so():
    figure = figures.caterpillar_figure(modes(5000), 0.95, "key")
    assert len(figure.svg) < 80_000
    assert "Drawn: 400 levels" in figure.caption
    assert "5\u202f000" in figure.caption


def test_thinned_levels_keep_both_ends():
    shown = figures._thinned(5000, 400)
    assert (shown[0], shown[-1], len(np.unique(shown))) == (0, 4999, 400)


@pytest.mark.parametrize("spread", [0.0, 1e-12, 1e9])
def test_any_scale_can_be_drawn(spread):
    figure = figures.caterpillar_figure(modes(4, spread), 0.95, "key")
    Page(figure.svg)
    assert figure.caption


def test_many_rows_become_hexagons_that_hold_them_all():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 50_000))
    figure = figures.residual_figure(x, y, "y", "key")
    assert len(figure.svg) < 120_000
    assert "hexagons" in figure.caption
    few = figures.residual_figure(x[:100], y[:100], "y", "key")
    assert "hexagons" not in few.caption
    assert few.svg.count("<use") >= 100


def test_quantile_plot_of_many_rows_keeps_the_tails():
    ordered = np.sort(np.random.default_rng(2).normal(size=20_000))
    shown = figures._thinned_by_value(ordered, 500)
    assert len(shown) <= 501
    assert shown[0] == 0
    assert shown[-1] == len(ordered) - 1
    assert set(range(3)) <= set(shown)


def test_residuals_by_level():
    codes = np.repeat([0, 1, 2], 4)
    figure = figures.level_figure(np.arange(12.0), codes, ("a", "b", "c"), "plate", "key")
    text = Page(figure.svg).plain
    assert "plate" in text
    # Medians of 0..3 and of 8..11.
    assert "medians between 1.50 and 9.50" in text


def test_same_input_same_bytes():
    first = figures.caterpillar_figure(modes(60), 0.95, "key")
    assert first == figures.caterpillar_figure(modes(60), 0.95, "key")
