"""Nesting is an order: reflexive, antisymmetric, transitive, on generated designs."""

import functools
from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfit.selection.relations.families import embed_family
from mmfit.selection.relations.structure import (
    CONTAINS,
    EQUAL,
    INSIDE,
    UNPROVEN,
    fixed_relation,
    random_relation,
    structure,
)
from mmfit.selection.relations.validity import assess
from tests.selection.designs import Bar, dummies, matrices

I = "(Intercept)"  # noqa: E741
unhurried = functools.partial(settings, deadline=None)  # the first call of each seed builds it
MIRROR = {INSIDE: CONTAINS, CONTAINS: INSIDE}


@functools.cache
def columns(seed):
    """A small unbalanced design: g, h crossed, s within g, covariates with odd scales."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(60, 110))
    g, h = rng.integers(0, 6, n), rng.integers(0, 3, n)
    x = rng.normal(size=n) * 10.0 ** rng.integers(-3, 4) + rng.normal() * 10
    return {"one": np.ones(n), "x": x, "z": rng.normal(size=n), "g": g, "h": h}


def fixed_parts(c):
    one, x, z = c["one"], c["x"], c["z"]
    return [
        {I: one},
        {I: one, "x": x},
        {I: one, "x": 5 - 2 * x},
        {I: one, "z": z},
        {I: one, "x": x + z, "z": x - z},
        dummies(c["h"]),
        {**dummies(c["h"]), "x": x},
        {"x": x},
    ]


def random_parts(c):
    one, x, g, h = c["one"], c["x"], c["g"], c["h"]
    gh = g * 3 + h
    return [
        [Bar({I: one}, g)],
        [Bar({I: one}, h)],
        [Bar({I: one}, g), Bar({I: one}, h)],
        [Bar({I: one}, gh)],
        [Bar({I: one}, gh), Bar({I: one}, g)],
        [Bar({I: one, "x": x}, g)],
        [Bar({I: 2 * one, "x": x - one}, g)],
        [Bar({I: one}, g), Bar({"x": x}, g)],
        [Bar({I: one}, g), Bar({"x": x - 1}, g)],
        [Bar(dummies(h), g)],
        [Bar({k: d}, g) for k, d in dummies(h).items()],
        [Bar({I: one, "x": x}, gh)],
        [Bar({I: one, "x": x}, g), Bar({I: one}, gh)],
    ]


@functools.cache
def model(seed, fixed, random):
    c = columns(seed)
    return structure("m", matrices(fixed_parts(c)[fixed], *random_parts(c)[random]))


seeds = st.integers(0, 30)
fixed_index = st.integers(0, 7)
random_index = st.integers(0, 12)
models = st.tuples(fixed_index, random_index)


@given(seeds, models)
@unhurried(max_examples=60)
def test_every_model_is_the_same_as_itself(seed, which):
    assert assess(model(seed, *which), model(seed, *which)).outcome == "same_model"


@given(seeds, models, models)
@unhurried(max_examples=60)
def test_the_other_way_round_is_the_mirror_image(seed, first, second):
    a, b = model(seed, *first), model(seed, *second)
    forward, backward = random_relation(a, b).kind, random_relation(b, a).kind
    assert backward == MIRROR.get(forward, forward)
    assert fixed_relation(b, a) == MIRROR.get(fixed_relation(a, b), fixed_relation(a, b))
    one, other = assess(a, b), assess(b, a)
    assert one.outcome == other.outcome
    if one.outcome == "valid":
        assert (one.null is other.null, one.swapped) == (True, not other.swapped)
        assert one.df == other.df > 0


@given(seeds)
@unhurried(max_examples=12)
def test_containment_is_transitive(seed):
    parts = [model(seed, 0, r) for r in range(13)]
    inside = np.array(
        [[None not in embed_family(a.family, b.family) for b in parts] for a in parts]
    )
    for a, b, c in product(range(13), repeat=3):
        assert not (inside[a, b] and inside[b, c]) or inside[a, c], (a, b, c)


@given(seeds)
@unhurried(max_examples=12)
def test_containment_of_fixed_parts_is_transitive(seed):
    parts = [model(seed, f, 0) for f in range(8)]
    inside = np.array([[fixed_relation(a, b) in (EQUAL, INSIDE) for b in parts] for a in parts])
    for a, b, c in product(range(8), repeat=3):
        assert not (inside[a, b] and inside[b, c]) or inside[a, c], (a, b, c)


@given(seeds, random_index, random_index)
@unhurried(max_examples=60)
def test_the_usual_random_parts_are_always_decided(seed, first, second):
    assert random_relation(model(seed, 0, first), model(seed, 0, second)).kind != UNPROVEN


@given(seeds, random_index, random_index, st.permutations(range(20)))
@unhurried(max_examples=60)
def test_the_labels_of_levels_do_not_matter(seed, first, second, labels):
    c = columns(seed)
    renamed = dict(c, g=np.array(labels)[c["g"]])
    parts = random_parts(renamed)[second]
    other = structure("m", matrices(fixed_parts(c)[0], *parts))
    expected = random_relation(model(seed, 0, first), model(seed, 0, second)).kind
    # g x 3 + h stays one label per combination whatever the labels of g are
    assert random_relation(model(seed, 0, first), other).kind == expected


@given(seeds, random_index, random_index)
@unhurried(max_examples=60)
def test_a_larger_family_never_has_a_smaller_dimension(seed, first, second):
    a, b = model(seed, 0, first), model(seed, 0, second)
    if random_relation(a, b).kind in (EQUAL, INSIDE):
        assert a.family.dimension <= b.family.dimension
