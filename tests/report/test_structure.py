import re

import numpy as np
import pytest

from mmfit.formula.grouping_factors import GroupingFactor, grouping_factors
from mmfit.report.figures import structure
from tests.report.builders import nested_candidates, penicillin_candidates
from tests.report.markup import Page


def grouping(name: str, codes, prefix: str = "") -> GroupingFactor:
    codes = np.unique(codes, return_inverse=True)[1]
    return GroupingFactor(name, (), tuple(f"{prefix}{i}" for i in range(codes.max() + 1)), codes)


def factors_of(candidates):
    return grouping_factors(term for c in candidates for term in c.matrices.random)


def marks(figure) -> int:
    """How many points and cells are drawn: matplotlib places its markers so."""
    return figure.svg.count("<use ")


def test_nested_factors_become_one_tree_with_every_level():
    (figure,) = structure.structure_figures(factors_of(nested_candidates()), 240)
    text = Page(figure.svg).plain
    for label in ("all rows", "region (4)", "clinic:region (12)", "12:4"):
        assert label in text
    assert marks(figure) == 1 + 4 + 12
    assert figure.caption.startswith("Nested: clinic:region in region")


def test_crossed_factors_become_a_grid_and_no_tree():
    (figure,) = structure.structure_figures(factors_of(penicillin_candidates()), 144)
    assert figure.caption == ("Crossed: sample by plate; all 144 combinations occur, 1 row each.")
    assert marks(figure) == 144


def test_a_partially_crossed_pair_shows_its_gaps():
    a = grouping("a", [0, 0, 1, 1, 1])
    b = grouping("b", [0, 1, 1, 2, 2])
    (figure,) = structure.structure_figures((a, b), 5)
    assert "4 of 6 combinations occur, 1 to 2 rows each" in figure.caption
    assert marks(figure) == 4


@pytest.mark.parametrize("sizes", [(2, 2, 2), (10, 10, 73), (3, 200), (5000,), (40, 1)])
def test_a_large_tree_is_cut_and_says_how_much_is_missing(sizes):
    rows = int(np.prod(sizes))
    chain, block = [], rows
    for depth, size in enumerate(sizes):
        block //= size
        chain.append(grouping(f"f{depth}", np.arange(rows) // block))
    figure = structure.tree_figure(chain, rows, "tree")
    Page(figure.svg)
    drawn = marks(figure)
    hidden = [int(n.replace("\u202f", "")) for n in re.findall(r"… ([\d\u202f]+) more", figure.svg)]
    assert drawn <= 3 * structure.MOST_LEAVES
    if len(sizes) == 1:
        assert drawn - 1 + sum(hidden) == sizes[0]
    assert bool(hidden) == ("not drawn" in figure.caption)


def test_a_large_grid_is_drawn_in_blocks():
    rng = np.random.default_rng(3)
    a, b = grouping("s", rng.integers(0, 900, 20_000)), grouping("d", rng.integers(0, 300, 20_000))
    figure = structure.grid_figure(b, a, "grid")
    assert len(figure.svg) < 100_000
    assert "A cell stands for up to 10 × 15 levels" in figure.caption


def test_labels_of_the_data_are_escaped():
    figure = structure.tree_figure([grouping("a<b>", [0, 1], "<&")], 2, "tree")
    assert "<&0" in Page(figure.svg).plain


def test_same_input_same_bytes():
    first = structure.structure_figures(factors_of(nested_candidates()), 240)
    assert first == structure.structure_figures(factors_of(nested_candidates()), 240)
