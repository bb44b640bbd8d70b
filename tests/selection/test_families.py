"""Covariance families: containment as proved, against dense covariances and by hand."""

import numpy as np
import pytest

from mmfit.formula.partition import Partition
from mmfit.selection.relations.families import covariance_family, embed_family, image
from mmfit.selection.relations.structure import random_relation, structure
from tests.selection.designs import Bar, dummies, matrices

RNG = np.random.default_rng(11)
N = 240
I = "(Intercept)"  # noqa: E741
ONE = np.ones(N)
G = np.repeat(np.arange(8), 30)
H2 = np.tile(np.repeat([0, 1], 15), 8)
H3 = RNG.integers(0, 3, N)
SEX = np.repeat([0, 1, 1, 0, 0, 1, 0, 1], 30)
CROSSED = RNG.permutation(np.tile(np.arange(12), 20))
X = RNG.normal(size=N)
GH2, GH3 = G * 2 + H2, G * 3 + H3

PARTS = {
    "(1|g)": [Bar({I: ONE}, G)],
    "(1|g relabelled)": [Bar({I: ONE}, (G * 5 + 3) % 8)],
    "(1+x|g)": [Bar({I: ONE, "x": X}, G)],
    "(1+I(x-3)|g)": [Bar({I: ONE, "x3": X - 3}, G)],
    "(x||g)": [Bar({I: ONE}, G), Bar({"x": X}, G)],
    "(I(x-3)||g)": [Bar({I: ONE}, G), Bar({"x3": X - 3}, G)],
    "(0+x|g)": [Bar({"x": X}, G)],
    "(0+x+(1+x)|g)": [Bar({"x": X, "x1": 1 + X, I: ONE}, G)],
    "(1|c)": [Bar({I: ONE}, CROSSED)],
    "(1|g)+(1|c)": [Bar({I: ONE}, G), Bar({I: ONE}, CROSSED)],
    "(1|g:h3)": [Bar({I: ONE}, GH3)],
    "(1|g)+(1|g:h3)": [Bar({I: ONE}, G), Bar({I: ONE}, GH3)],
    "(0+h3|g)": [Bar(dummies(H3), G)],
    "(1+h3|g)": [Bar({I: ONE, "1": H3 == 1, "2": H3 == 2}, G)],
    "(dummies of h3||g)": [Bar({k: c}, G) for k, c in dummies(H3).items()],
    "(1|g)+(1|g:h2)": [Bar({I: ONE}, G), Bar({I: ONE}, GH2)],
    "(0+h2|g)": [Bar(dummies(H2), G)],
    "(1|g)+(0+s2|g)": [Bar({I: ONE}, G), Bar({"s2": H2 - 0.5}, G)],
    "(dummies of sex||g)": [Bar({k: c}, G) for k, c in dummies(SEX).items()],
    "(0+x|g:h3)": [Bar({"x": X}, GH3)],
    "(0+h3:x|g)": [Bar({k: c * X for k, c in dummies(H3).items()}, G)],
    "(1+x|g:h2)": [Bar({I: ONE, "x": X}, GH2)],
    "(h2*x|g)": [Bar({k + v: c * w for k, c in dummies(H2).items()
                      for v, w in ((I, ONE), ("x", X))}, G)],
}  # fmt: skip
STRUCTURES = {name: structure(name, matrices({I: ONE}, *bars)) for name, bars in PARTS.items()}


def relation(first, second):
    return random_relation(STRUCTURES[first], STRUCTURES[second]).kind


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("(1|g)", "(1|g relabelled)", "equal"),
        ("(1+x|g)", "(1+I(x-3)|g)", "equal"),
        ("(1+x|g)", "(0+x+(1+x)|g)", "equal"),
        ("(0+h3|g)", "(1+h3|g)", "equal"),
        ("(1|g)", "(1+x|g)", "inside"),
        ("(0+x|g)", "(1+x|g)", "inside"),
        ("(1|g)", "(x||g)", "inside"),
        ("(0+x|g)", "(x||g)", "inside"),
        ("(x||g)", "(1+x|g)", "inside"),
        ("(x||g)", "(1+I(x-3)|g)", "inside"),
        ("(x||g)", "(I(x-3)||g)", "neither"),
        ("(0+x|g)", "(I(x-3)||g)", "neither"),
        ("(1|g)", "(0+x|g)", "neither"),
        ("(1|g)", "(1|c)", "neither"),
        ("(1|g)", "(1|g)+(1|c)", "inside"),
        ("(1+x|g)", "(1|g)+(1|c)", "neither"),
        ("(1|g)", "(1|g:h3)", "neither"),
        ("(1|g:h3)", "(0+h3|g)", "inside"),
        ("(1|g)+(1|g:h3)", "(0+h3|g)", "inside"),
        ("(1|g)+(1|g:h3)", "(1+h3|g)", "inside"),
        ("(1|g:h3)", "(dummies of h3||g)", "inside"),
        ("(dummies of h3||g)", "(0+h3|g)", "inside"),
        ("(1|g)", "(dummies of h3||g)", "neither"),
        ("(1|g)+(1|g:h3)", "(dummies of h3||g)", "neither"),
        ("(1|g:h3)", "(0+h2|g)", "neither"),
        ("(1|g)+(1|g:h2)", "(0+h2|g)", "inside"),
        ("(1|g)+(1|g:h2)", "(1|g)+(0+s2|g)", "inside"),
        ("(1|g)", "(dummies of sex||g)", "inside"),
        ("(0+x|g:h3)", "(0+h3:x|g)", "inside"),
        ("(0+x|g)", "(0+h3:x|g)", "inside"),
        ("(1|g:h3)", "(0+h3:x|g)", "neither"),
        ("(1+x|g:h2)", "(h2*x|g)", "inside"),
        ("(1+x|g)", "(h2*x|g)", "inside"),
    ],
)
def test_relation_and_its_mirror(first, second, expected):
    mirror = {"inside": "contains", "equal": "equal", "neither": "neither"}
    assert relation(first, second) == expected
    assert relation(second, first) == mirror[expected]


def dense(family, covariances):
    V = np.zeros((N, N))
    for term, psi in zip(family.terms, covariances, strict=True):
        same = term.codes[:, None] == term.codes[None, :]
        V += np.where(same, term.model @ psi @ term.model.T, 0.0)
    return V


@pytest.mark.parametrize("first", PARTS)
def test_embeddings_give_the_same_covariance_matrices(first):
    """Every containment that is claimed is carried out on random covariances, n x n."""
    rng = np.random.default_rng(2)
    inner = STRUCTURES[first].family
    contained = 0
    for outer in (s.family for s in STRUCTURES.values()):
        embeddings = embed_family(inner, outer)
        if None in embeddings:
            continue
        contained += 1
        psis = [r @ r.T for r in (rng.normal(size=(t.rank, t.rank)) for t in inner.terms)]
        phis = image(embeddings, inner, outer, psis)
        V = dense(inner, psis)
        assert np.abs(dense(outer, phis) - V).max() <= 1e-8 * np.abs(V).max()
        assert all(np.linalg.eigvalsh(phi)[0] >= -1e-8 * np.trace(phi) for phi in phis)
    assert contained > 0


@pytest.mark.parametrize(
    ("name", "parameters", "dimension"),
    [("(1+x|g)", 3, 3), ("(x||g)", 2, 2), ("(0+h3|g)", 6, 6), ("(0+x+(1+x)|g)", 6, 3)],
)
def test_dimension(name, parameters, dimension):
    family = STRUCTURES[name].family
    assert (family.parameters, family.dimension) == (parameters, dimension)
    assert family.regular


def test_redundant_terms_are_found_and_left_out():
    family = covariance_family(matrices({I: ONE}, *PARTS["(1|g)"], *PARTS["(1+x|g)"]))
    assert family.redundant == ("(1 | g)",)
    assert (family.parameters, family.dimension) == (4, 3)
    family = covariance_family(matrices({I: ONE}, *PARTS["(0+h3|g)"], *PARTS["(1|g:h3)"]))
    assert family.redundant == ("(1 | g)",)
    assert family.dimension == 6


def test_covariances_that_never_show_are_not_counted():
    """sex is constant within g: its covariance between the sexes multiplies nothing."""
    family = covariance_family(matrices({I: ONE}, Bar(dummies(SEX), G)))
    assert (family.parameters, family.dimension, family.regular) == (3, 2, False)


def test_scale_and_shift_of_a_covariate_do_not_matter():
    wide = structure("wide", matrices({I: ONE}, Bar({I: ONE, "x": 1e6 * X + 1e8}, G)))
    assert random_relation(wide, STRUCTURES["(1+x|g)"]).kind == "equal"


def test_canonical_codes_number_by_first_appearance():
    found = Partition(np.array([7, 2, 2, 9, 7]), 10).canonical()
    codes, levels = found.codes, found.levels
    assert codes.tolist() == [0, 1, 1, 2, 0]
    assert levels == 3


def test_an_incomplete_factor_still_embeds_compound_symmetry():
    """Not every level of h occurs in every g, so some covariances of (0 + h | g) stay open."""
    keep = ~((G % 3 == 0) & (H3 == 2)) & ~((G % 3 == 1) & (H3 == 0))
    one, g, h = ONE[keep], G[keep], H3[keep]
    symmetric = matrices({I: one}, Bar({I: one}, g), Bar({I: one}, g * 3 + h))
    full = matrices({I: one}, Bar(dummies(h), g))
    found = random_relation(structure("a", symmetric), structure("b", full))
    assert found.kind == "inside"


YEAR = 2010.0 + RNG.integers(-2, 3, N)


def test_years_are_judged_by_their_variation():
    """1 and a year differ by a thousandth; an origin at 2000 is another model all the same."""
    parts = {
        "raw": [Bar({I: ONE}, G), Bar({"year": YEAR}, G)],
        "since 2000": [Bar({I: ONE}, G), Bar({"since": YEAR - 2000}, G)],
        "since 2001": [Bar({I: ONE}, G), Bar({"since": YEAR - 2001}, G)],
        "one year on": [Bar({I: ONE}, G), Bar({"since": YEAR - 1}, G)],
        "correlated": [Bar({I: ONE, "since": YEAR - 2000}, G)],
    }
    models = {name: structure(name, matrices({I: ONE}, *bars)) for name, bars in parts.items()}
    assert {m.family.dimension for m in models.values()} == {2, 3}
    for first in list(models)[:4]:
        assert random_relation(models[first], models["correlated"]).kind == "inside"
        for second in list(models)[:4]:
            expected = "equal" if first == second else "neither"
            assert random_relation(models[first], models[second]).kind == expected


def test_seconds_since_1970_keep_their_slope():
    seconds = 1.7e9 + 1e5 * X
    both = covariance_family(matrices({I: ONE}, Bar({I: ONE}, G), Bar({"s": seconds}, G)))
    assert (both.dimension, both.redundant) == (2, ())
    full = structure("full", matrices({I: ONE}, Bar({I: ONE, "s": seconds}, G)))
    assert random_relation(full, STRUCTURES["(1+x|g)"]).kind == "equal"
