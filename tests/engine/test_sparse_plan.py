"""The plan of a sparse factorisation: ordering, tree, fronts, memory and work."""

import sys
import tracemalloc
from importlib.machinery import ModuleSpec
from types import ModuleType

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from scipy.sparse.csgraph import reverse_cuthill_mckee

from mmfit.engine.solvers.sparse import analyze, cholmod, factorize
from mmfit.engine.solvers.sparse.elimination import (
    children_lists,
    column_counts,
    compressed,
    elimination_tree,
    postorder,
)
from mmfit.errors import ComputationError
from tests.engine.sparse_matrices import (
    SETTINGS,
    check_against_dense,
    diagonal_blocks,
    entries,
    in_columns,
    matrices,
    random_matrix,
    ratings,
)
from tests.engine.superlu_factor import SuperLUFactor


@SETTINGS
@given(matrices)
def test_counts_are_those_of_the_dense_factor(K):
    T = K.shape[0]
    rows, columns = K.indices, np.repeat(np.arange(T), np.diff(K.indptr))
    strict = rows > columns
    parent = elimination_tree(*compressed(rows[strict], columns[strict], T))
    order = np.array(postorder(children_lists(parent)))
    P = K[order][:, order].tocoo()
    strict = P.row > P.col
    tree = elimination_tree(*compressed(P.row[strict], P.col[strict], T))
    counts = column_counts(*compressed(P.col[strict], P.row[strict], T), tree)
    # The factor of a matrix with random values has no accidental zeros.
    L = np.linalg.cholesky(P.toarray())
    assert counts == (L != 0.0).sum(axis=0).tolist()
    for j in range(T):
        below = np.flatnonzero(L[j + 1 :, j])
        assert tree[j] == (j + 1 + below[0] if len(below) else -1)


@SETTINGS
@given(matrices)
def test_fronts_hold_the_whole_factor(K):
    plan = analyze(K)
    T = plan.size
    P = K[plan.permutation][:, plan.permutation].toarray()
    L = np.linalg.cholesky(P) != 0.0
    held = np.zeros((T, T), dtype=bool)
    for front in plan.fronts:
        held[front.start : front.stop, front.start : front.stop] = True
        held[front.rows, front.start : front.stop] = True
        assert (front.rows >= front.stop).all()
        if front.parent != -1:
            above = plan.fronts[front.parent]
            members = np.concatenate([np.arange(above.start, above.stop), above.rows])
            np.testing.assert_array_equal(members[front.place], front.rows)
    assert held[L].all()
    assert np.array_equal(np.sort(plan.permutation), np.arange(T))
    # `nonzeros` is of the ordering before nodes were merged, so it counts no explicit zeros.
    assert plan.nonzeros <= np.tril(held).sum()


def test_long_chain_and_wide_star():
    for K in (_tridiagonal(3000), _star(3000)):
        plan = analyze(K)
        factor = factorize(plan, K.data)
        reference = SuperLUFactor(K)
        # No ordering of a tree by minimum degree has fill.
        assert plan.nonzeros == (K.nnz + K.shape[0]) // 2
        assert 1 < len(plan.fronts) < 300
        assert factor.log_det == pytest.approx(reference.log_det, rel=1e-12)
        B = np.arange(3000.0)
        np.testing.assert_allclose(factor.solve(B), reference.solve(B), rtol=1e-10)
        diagonal = diagonal_blocks(factor, 1)[:, 0, 0]
        for column in (0, 1500, 2999):
            unit = np.eye(1, 3000, column)[0]
            assert diagonal[column] == pytest.approx(reference.solve(unit)[column], rel=1e-10)


def _tridiagonal(T):
    values = [np.full(T - 1, -1.0), np.full(T, 2.5), np.full(T - 1, -1.0)]
    return in_columns(sp.diags_array(values, offsets=[-1, 0, 1]))


def _star(T):
    K = sp.lil_array((T, T))
    K.setdiag(np.linspace(1.0, 2.0, T))
    K[0, 1:] = K[1:, 0] = 0.5
    K[0, 0] = T
    return in_columns(K)


def test_memory_and_work_stay_far_below_dense():
    T = 4000
    plan = analyze(ratings(departments=100, lecturers=40, students=20000, cross=0.002))
    assert plan.size == T
    assert plan.storage < 0.1 * T * T
    assert plan.working_doubles < 0.1 * T * T
    assert plan.flops < 0.01 * T**3 / 3
    assert plan.nonzeros <= plan.storage


def test_memory_in_use_is_what_the_plan_says():
    K = ratings(departments=40, lecturers=30, students=6000, cross=0.05)
    plan = analyze(K)
    factorize(plan, K.data)
    tracemalloc.start()
    try:
        factorize(plan, K.data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0.9 < peak / (8 * plan.working_doubles) < 1.2


def test_entries_in_any_order_within_a_column():
    K = ratings(departments=5, lecturers=8, students=100, cross=0.1)
    mixed = np.random.default_rng(4).permutation(K.nnz)
    columns = np.repeat(np.arange(40), np.diff(K.indptr))
    mixed = mixed[np.argsort(columns[mixed], kind="stable")]
    L = sp.csc_array((K.data[mixed], K.indices[mixed], K.indptr), shape=K.shape)
    ordered, shuffled = (factorize(analyze(M), M.data) for M in (K, L))
    expected = ordered.selected_inverse()[mixed]
    np.testing.assert_allclose(shuffled.selected_inverse(), expected, rtol=1e-10)
    np.testing.assert_array_equal(entries(shuffled.symbolic, L.indices, columns), np.arange(K.nnz))


def test_stored_work_is_that_of_the_textbook_for_a_dense_matrix():
    T = 60
    plan = analyze(sp.csc_array(np.ones((T, T))))
    assert len(plan.fronts) == 1
    assert plan.nonzeros == T * (T + 1) // 2
    assert plan.flops == pytest.approx(T**3 / 3)


def test_thousands_of_small_components_take_few_fronts():
    K = in_columns(sp.block_diag([random_matrix(3, 1.0, seed) for seed in range(2000)]))
    plan = analyze(K)
    assert len(plan.fronts) < 300
    blocks = diagonal_blocks(factorize(plan, K.data), 3)
    expected = [np.linalg.inv(K[i : i + 3, i : i + 3].toarray()) for i in range(0, 6000, 3)]
    np.testing.assert_allclose(blocks, expected, rtol=1e-10, atol=1e-13)


def test_patterns_that_cannot_be_used_are_refused():
    with pytest.raises(ValueError, match="not symmetric"):
        analyze(sp.csc_array(np.array([[1.0, 1.0], [0.0, 1.0]])))
    doubled = sp.csc_array((np.ones(3), np.array([0, 0, 1]), np.array([0, 2, 3])), shape=(2, 2))
    with pytest.raises(ValueError, match="twice"):
        analyze(doubled)
    with pytest.raises(ValueError, match="square"):
        analyze(sp.csc_array(np.ones((2, 3))))
    with pytest.raises(ValueError, match="no ordering 'metis'"):
        analyze(sp.csc_array(np.eye(2)), ordering="metis")


@pytest.mark.parametrize("ordering", ["superlu", "natural", "best"])
def test_any_ordering_gives_the_same_answers(ordering):
    K = ratings(departments=6, lecturers=8, students=150, cross=0.1)
    check_against_dense(K, factorize(analyze(K, ordering=ordering), K.data))


def test_best_ordering_makes_no_more_work_than_superlu():
    K = ratings(departments=30, lecturers=12, students=1500, cross=0.02)
    superlu, natural, best = (analyze(K, ordering=o) for o in ("superlu", "natural", "best"))
    assert best.nonzeros <= superlu.nonzeros * 1.05
    assert best.flops <= superlu.flops * 1.05
    assert superlu.nonzeros < 0.7 * natural.nonzeros


class _OldFactor:
    """What ``sksparse.cholmod.analyze`` of scikit-sparse 0.4 returns, with another ordering."""

    def __init__(self, matrix):
        self.matrix = matrix

    def P(self):
        return reverse_cuthill_mckee(sp.csr_matrix(self.matrix), symmetric_mode=True)


def _old_interface(module):
    module.analyze = lambda matrix, ordering_method: _OldFactor(matrix)


def _new_interface(module):
    def factor(matrix, order):
        found = _OldFactor(matrix)
        found.get_perm = found.P
        return found

    module.CholeskyFactor = factor


@pytest.mark.parametrize("interface", [_old_interface, _new_interface], ids=["0.4", "0.5"])
@pytest.mark.parametrize("ordering", ["cholmod", "best"])
def test_both_interfaces_of_scikit_sparse_are_understood(monkeypatch, interface, ordering):
    """With a stand-in, since the package has to be compiled where it is to be installed."""
    package, module = ModuleType("sksparse"), ModuleType("sksparse.cholmod")
    package.__spec__ = ModuleSpec("sksparse", None)
    package.cholmod = module
    interface(module)
    monkeypatch.setitem(sys.modules, "sksparse", package)
    monkeypatch.setitem(sys.modules, "sksparse.cholmod", module)
    K = ratings(departments=6, lecturers=8, students=150, cross=0.1)
    symbolic = analyze(K, ordering=ordering)
    check_against_dense(K, factorize(symbolic, K.data))
    if ordering == "cholmod":
        natural = analyze(K, ordering="natural")
        assert not np.array_equal(symbolic.permutation, natural.permutation)


def test_cholmod_ordering_says_what_it_needs(monkeypatch):
    monkeypatch.setattr(cholmod, "available", lambda: False)
    with pytest.raises(ComputationError, match="scikit-sparse"):
        analyze(sp.csc_array(np.eye(3)), ordering="cholmod")
