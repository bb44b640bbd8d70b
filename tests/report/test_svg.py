import re

from mmfit.report.figures import svg
from tests.report.markup import Page


def sample(key: str = "one", label: str = "Fitted y", scale: float = 1.0) -> str:
    with svg.drawing() as (figure, axes):
        axes.plot([0, 1, 2], [0, scale, 4], "o", color=svg.ACCENT)
        axes.axhline(1, color=svg.MUTED)
        axes.set_xlabel(label)
        return svg.inline(figure, key, "Title <1>", "What it shows & how")


def test_same_drawing_same_bytes():
    assert sample() == sample()
    assert sample(scale=1.5) != sample()


def test_nothing_points_outside():
    markup = sample()
    for forbidden in ("http:", "https:", "<?xml", "<!DOCTYPE", "<metadata", "<style", "xmlns"):
        assert forbidden not in markup


def test_ids_are_unique_over_figures_and_every_reference_finds_its_own():
    page = Page(sample("one") + sample("two"))
    assert len(page.ids) == len(set(page.ids))
    assert {name.partition("-")[0] for name in page.ids} == {"one", "two"}
    targets = [name.removeprefix("#") for name in page.references]
    assert targets
    assert set(targets) <= set(page.ids)
    clips = re.findall(r"url\(#([^)]*)\)", sample("one"))
    assert clips
    assert set(clips) <= set(page.ids)


def test_colours_are_roles_of_the_page():
    markup = sample()
    assert "var(--figure-accent)" in markup
    assert not re.findall(r"#[0-9a-f]{6}\b", markup)


def test_labels_are_text_and_escaped():
    page = Page(sample(label="x < y & $z_1$"))
    assert "x < y & $z_1$" in page.plain
    assert "Title <1>" in page.plain


def test_read_out_in_place_of_the_drawing():
    (tag, values), *_ = Page(sample()).tags
    assert (tag, values["role"]) == ("svg", "img")
    assert values["aria-labelledby"] == "one-title one-desc"
