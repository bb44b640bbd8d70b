"""Small random designs, built without the formula language, for tests of the engine."""

import numpy as np

from mmfit.formula.matrices import ModelMatrices, RandomTerm


def term(group, codes, model, grouping=None):
    """A random term from raw codes (any integers) and its model matrix."""
    labels, codes = np.unique(codes, return_inverse=True)
    model = np.asarray(model, dtype=float).reshape(len(codes), -1)
    effects = tuple(f"e{i}" for i in range(model.shape[1]))
    levels = tuple(str(label) for label in labels)
    return RandomTerm(group, grouping or group, (group,), effects, model, codes, levels)


def matrices(y, X, *random, weights=None, offset=None):
    """ModelMatrices with made-up names; random terms in lme4's order."""
    names = tuple(f"x{i}" for i in range(X.shape[1]))
    ordered = tuple(sorted(random, key=lambda t: -len(t.levels)))
    return ModelMatrices("y ~ test", "y", y, X, names, (), (), names, ordered, weights, offset)


def _base(seed, n):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return rng, x, np.column_stack([np.ones(n), x])


def single(seed=1, n=60, weights=False):
    """One factor, intercept and slope, unbalanced."""
    rng, x, X = _base(seed, n)
    g = rng.integers(0, 9, n)
    effect = rng.normal(size=(9, 2))
    y = 2 + x + effect[g, 0] + effect[g, 1] * x + rng.normal(size=n)
    w = rng.uniform(0.5, 2, n) if weights else None
    return matrices(y, X, term("g", g, X), weights=w, offset=0.3 * x if weights else None)


def wide(seed=8, n=150):
    """One factor with five correlated effects (LAPACK's path for larger blocks)."""
    rng, x, X = _base(seed, n)
    g = rng.integers(0, 12, n)
    Z = np.column_stack([X, rng.normal(size=(n, 3))])
    y = x + np.einsum("nq,nq->n", Z, rng.normal(size=(12, 5))[g]) + rng.normal(size=n)
    return matrices(y, X, term("g", g, Z))


def independent(seed=2, n=60):
    """One factor, intercept and slope as two terms."""
    rng, x, X = _base(seed, n)
    g = rng.integers(0, 9, n)
    y = 2 + x + rng.normal(size=9)[g] + rng.normal(size=9)[g] * x + rng.normal(size=n)
    return matrices(y, X, term("g", g, np.ones(n)), term("g.1", g, x, "g"))


def nested(seed=3, n=160, slopes=True):
    """Three levels, slopes at the middle and the outer one."""
    rng, x, X = _base(seed, n)
    a = rng.integers(0, 4, n)
    b = a * 10 + rng.integers(0, 4, n)
    c = b * 10 + rng.integers(0, 3, n)
    y = 1 + x + rng.normal(size=4)[a] * (1 + x) + rng.normal(size=40)[b] + rng.normal(size=n)
    y = y + rng.normal(size=400)[c]
    left = X if slopes else np.ones(n)
    return matrices(y, X, term("c", c, np.ones(n)), term("b", b, left), term("a", a, left))


def crossed(seed=4, n=150, slopes=True):
    """Two crossed factors and a third one, slopes on the eliminated and on a remainder factor."""
    rng, x, X = _base(seed, n)
    s, d, h = rng.integers(0, 14, n), rng.integers(0, 8, n), rng.integers(0, 3, n)
    y = 1 + x + rng.normal(size=14)[s] * (1 + x) + rng.normal(size=8)[d] + rng.normal(size=n)
    y = y + 0.5 * rng.normal(size=3)[h]
    left = X if slopes else np.ones(n)
    return matrices(y, X, term("s", s, left), term("d", d, left), term("h", h, np.ones(n)))


def pupils(pupil=1, of_class=1, item=1, weights=False, school=True):
    """Pupils in classes in schools, who all meet some of the items; numbers of effects."""
    rng, n = np.random.default_rng(3), 120
    classes = rng.integers(0, 8, 24)
    p, i = rng.integers(0, 24, n), rng.integers(0, 5, n)
    c = classes[p]
    X = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    terms = [term("p", p, X[:, :pupil]), term("c", c, X[:, :of_class]), term("i", i, X[:, :item])]
    if school:
        terms.append(term("s", c // 3, np.ones(n)))
    w = rng.uniform(0.5, 2, n) if weights else None
    return matrices(rng.normal(size=n) + X[:, 1], X[:, :2], *terms, weights=w)


DESIGNS = {
    "single": single,
    "weighted": lambda: single(7, weights=True),
    "wide": wide,
    "independent": independent,
    "nested": nested,
    "nested_intercepts": lambda: nested(slopes=False),
    "crossed": crossed,
    "crossed_intercepts": lambda: crossed(slopes=False),
}
