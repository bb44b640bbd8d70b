"""Proof that a random term does *not* lie inside a covariance family.

If the covariances of some rows, written as a linear combination of the family's, leave a rest, or
if the only combination has a negative eigenvalue, the family cannot give them. A sample of rows
can thus refute, and never prove.
"""

import numpy as np

from mmfit.selection.relations.embedding import COVARIANCE_TOLERANCE, SPECTRUM_TOLERANCE
from mmfit.selection.relations.families import CovarianceFamily
from mmfit.selection.relations.term_coordinates import FamilyTerm

SAMPLE_ROWS = 160
ROWS_PER_LEVEL = 20
SAMPLES = 3


def is_outside(term: FamilyTerm, outer: CovarianceFamily, weights: np.ndarray | None) -> bool:
    """Whether a sample of rows shows that ``outer`` (with sigma^2 on the diagonal) lacks ``term``.

    ``weights`` are the (n,) prior weights; the residual covariance is sigma^2 / weights. The
    samples are drawn with fixed seeds: the answer is the same every time.
    """
    if len(term.codes) <= SAMPLE_ROWS:
        return _refutes(np.arange(len(term.codes)), term, outer, weights)
    samples = (_sample(term, np.random.default_rng(seed)) for seed in range(SAMPLES))
    return any(_refutes(rows, term, outer, weights) for rows in samples)


def _refutes(rows, term: FamilyTerm, outer: CovarianceFamily, weights) -> bool:
    views = _views(term, rows)
    residual = np.diag(np.ones(len(rows)) if weights is None else 1 / weights[rows])
    columns, owners = [_equations(views, residual)], [None]
    for target in outer.terms:
        for a in range(target.rank):
            for b in range(a + 1):
                columns.append(_equations(views, _covariance(target, rows, a, b)))
                owners.append((target, a, b))
    design = np.column_stack(columns)
    length = np.linalg.norm(design, axis=0)
    length[length == 0] = 1.0
    design = design / length
    goals = [(i, j) for i in range(term.rank) for j in range(i + 1)]
    wanted = np.column_stack([_equations(views, _covariance(term, rows, i, j)) for i, j in goals])
    found, _, rank, _ = np.linalg.lstsq(design, wanted, rcond=SPECTRUM_TOLERANCE)
    rest = np.linalg.norm(wanted - design @ found, axis=0)
    if np.any(rest > COVARIANCE_TOLERANCE * np.linalg.norm(wanted, axis=0).max()):
        return True
    if rank < design.shape[1]:
        return False
    squares = [g for g, (i, j) in enumerate(goals) if i == j]
    return any(_negative(found[:, g] / length, owners) for g in squares)


def _views(term: FamilyTerm, rows: np.ndarray):
    """Ways (L, R, scale) of looking at covariances V: L V R / scale, of size 1 for the term's own.

    Beside V itself, V without the mean of each level of the term, on one side and on both: what a
    year adds to an intercept is lost beside the square of its mean.
    """
    same = term.codes[rows][:, None] == term.codes[rows][None, :]
    identity = np.eye(len(rows))
    centring = identity - same / same.sum(axis=1)[:, None]
    own = np.where(same, term.model[rows] @ term.model[rows].T, 0.0)
    full = np.linalg.norm(own)
    views = []
    for left, right in ((identity, identity), (identity, centring), (centring, centring)):
        scale = np.linalg.norm(left @ own @ right)
        if scale > SPECTRUM_TOLERANCE * full:
            views.append((left, right, scale))
    return views


def _equations(views, V: np.ndarray) -> np.ndarray:
    return np.concatenate([(left @ V @ right).ravel() / scale for left, right, scale in views])


def _sample(term: FamilyTerm, rng: np.random.Generator) -> np.ndarray:
    """Random rows of some random levels of the term.

    Half of them have effects and half have none, where both kinds exist: rows without effects
    refute by their zeros.
    """
    order = rng.permutation(term.levels)
    kinds = [np.flatnonzero(term.support), np.flatnonzero(~term.support)]
    kinds = [rng.permutation(rows) for rows in kinds if len(rows)]
    picked = (_first_of_each_level(rows, order[term.codes[rows]], len(kinds)) for rows in kinds)
    return np.concatenate(list(picked))


def _first_of_each_level(rows: np.ndarray, level: np.ndarray, share: int) -> np.ndarray:
    """The first rows of each level, up to 1 / share of a sample."""
    order = np.argsort(level, kind="stable")
    rows, level = rows[order], level[order]
    starts = np.r_[0, np.flatnonzero(np.diff(level)) + 1]
    within = np.arange(len(rows)) - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))
    return rows[within < ROWS_PER_LEVEL // share][: SAMPLE_ROWS // share]


def _covariance(term: FamilyTerm, rows: np.ndarray, a: int, b: int) -> np.ndarray:
    """C(Psi) on ``rows`` for Psi = e_a e_b' + e_b e_a' (e_a e_a' if a = b)."""
    left, right = term.model[rows, a], term.model[rows, b]
    product = np.outer(left, right)
    if a != b:
        product = product + product.T
    same = term.codes[rows][:, None] == term.codes[rows][None, :]
    return np.where(same, product, 0.0)


def _negative(coefficients: np.ndarray, owners) -> bool:
    """Whether the combination needs a negative variance."""
    scale = np.abs(coefficients).max()
    blocks: dict[int, np.ndarray] = {}
    for value, owner in zip(coefficients, owners, strict=True):
        if owner is None:
            continue
        target, a, b = owner
        block = blocks.setdefault(target.position, np.zeros((target.rank, target.rank)))
        block[a, b] = block[b, a] = value
    smallest = min(np.linalg.eigvalsh(block)[0] for block in blocks.values())
    return min(smallest, coefficients[0]) < -COVARIANCE_TOLERANCE * scale
