"""Column spans: membership decided by rank, under shifts, scales and near-collinearity."""

import numpy as np
import pytest

from mmfit.selection.relations.spans import basis_change, column_span, columns_inside, log_volume

RNG = np.random.default_rng(5)
N = 60
ONE = np.ones(N)
X = RNG.normal(size=N)
Z = RNG.normal(size=N)
F = np.arange(N) % 3
TREATMENT = np.column_stack([ONE, F == 1, F == 2]).astype(float)
SUM = np.column_stack([ONE, (F == 0) * 1.0 - (F == 2), (F == 1) * 1.0 - (F == 2)])


def inside(inner, outer):
    return bool(columns_inside(np.column_stack(inner), column_span(np.column_stack(outer))).all())


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        ([ONE], [ONE, X], True),
        ([ONE, X], [ONE], False),
        ([X], [ONE, X - 3], True),
        ([X], [X - 3], False),
        ([ONE, X], [ONE, 1e-8 * X + 1], True),
        ([ONE, X + 1e6], [ONE, X], True),
        ([ONE, X + 1e6], [ONE, Z], False),
        ([X + 1e9], [ONE], False),
        ([ONE], [X + 1e5], False),
        ([ONE * 1e9], [ONE], True),
        ([ONE, X, X**2], [ONE, X - 2, (X - 2) ** 2], True),
        ([ONE, X**2], [ONE, (X - 2) ** 2], False),
        ([*TREATMENT.T], [*SUM.T], True),
        ([*SUM.T], [*TREATMENT.T], True),
        ([F == 0.0, F == 1.0, F == 2.0], [*SUM.T], True),
        ([ONE, 1e-3 * X + Z], [ONE, Z], False),
        ([ONE, 1e-5 * X + Z], [ONE, Z], False),
    ],
)
def test_membership(inner, outer, expected):
    assert inside([np.asarray(c, float) for c in inner], outer) is expected


def test_rank_counts_the_constant_and_ignores_repeats():
    assert column_span(np.column_stack([ONE, X, 2 * X - 1])).rank == 2
    assert column_span(np.column_stack([X, Z])).rank == 2
    assert column_span(TREATMENT).rank == 3


def test_orthonormal_basis_spans_the_columns():
    M = np.column_stack([ONE, X + 50, X - 3, Z])
    basis = column_span(M).orthonormal()
    assert basis.T @ basis == pytest.approx(np.eye(3), abs=1e-12)
    assert basis @ (basis.T @ M) == pytest.approx(M, abs=1e-9)


def test_basis_change_goes_there_and_back():
    M = np.column_stack([ONE, X * 1e4 + 7, Z, Z - X])
    basis = column_span(M).orthonormal()
    R, B = basis_change(M, basis)
    assert basis @ R == pytest.approx(M, rel=1e-9, abs=1e-7)
    assert pytest.approx(basis, abs=1e-9) == M @ B


def test_volumes_of_two_bases_differ_by_the_determinant_of_the_change():
    T = np.linalg.lstsq(TREATMENT, SUM, rcond=None)[0]
    expected = np.linalg.slogdet(T)[1]
    assert log_volume(SUM) - log_volume(TREATMENT) == pytest.approx(expected, abs=1e-12)
    assert abs(expected) > 0.1
