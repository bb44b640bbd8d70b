"""What V^-1 loses when a set of rows is deleted, for many sets at once.

With E_i the columns of the identity at the rows of set i, V_(i) the covariance of the other rows
and K_i = E_i'V^-1 E_i,

    R_(i)'V_(i)^-1 R_(i) = R'V^-1 R - R'V^-1 E_i K_i^-1 E_i'V^-1 R

(Christensen, Pearson & Johnson 1992, section 3; Zewotir & Galpin 2005, section 4, for sets of
rows). K_i has as many rows as the set, but with G the rows of Z Lambda at the columns that the set
touches, t of them, and J the block of N^-1 there, K_i = I - G J G', so that

    K_i^-1 = I + G C (I - C'G'G C)^-1 C'G',   J = CC',

and nothing larger than t x t is formed. Where V falls into blocks and a set is made of whole ones,
the loss is that of the blocks, R_i'V_i^-1 R_i.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.covariance.roots import lower_roots
from mmfit.engine.derived.spherical_precision import Precision
from mmfit.formula.partition import Partition

# Numbers in the stacks that are formed at once.
_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class Touched:
    """The levels of one group that the rows of each set have.

    Attributes
    ----------
    levels : (P,) intp, level of each pair (set, level), by set and level.
    start : (L + 1,) intp, where the pairs of a set begin.
    rank : (n,) intp, position of a row's level among those of its set.
    """

    levels: np.ndarray
    start: np.ndarray
    rank: np.ndarray

    @property
    def count(self) -> np.ndarray:
        return np.diff(self.start)


@dataclass(frozen=True, slots=True)
class RowSets:
    """A partition of the rows into sets, with what each of them touches.

    Attributes
    ----------
    order : (n,) intp, rows by set;  start : (L + 1,) intp, where a set begins in ``order``.
    codes : (n,) intp, set of each row.
    groups : tuple of int, the eliminated group first, then those of the tail.
    touched : tuple of Touched, in the order of ``groups``.
    own : bool, whether the sets are the levels of the eliminated group.
    """

    order: np.ndarray
    start: np.ndarray
    codes: np.ndarray
    groups: tuple[int, ...]
    touched: tuple[Touched, ...]
    own: bool

    def widths(self, precision: Precision) -> np.ndarray:
        """(L,) t, how many columns of N a set touches."""
        sizes = (precision.rows[g].shape[1] for g in self.groups)
        return sum(touched.count * q for touched, q in zip(self.touched, sizes, strict=True))


def row_sets(precision: Precision, codes: np.ndarray, count: int) -> RowSets:
    """Sort out which levels the sets 0 .. count - 1 of rows (``codes``) touch."""
    groups = (precision.eliminated, *precision.tail.groups)
    return RowSets(
        order=np.argsort(codes, kind="stable"),
        start=_starts(codes, count),
        codes=codes,
        groups=groups,
        touched=tuple(_touched(codes, precision.codes[g], count) for g in groups),
        own=bool(np.array_equal(codes, precision.codes[precision.eliminated])),
    )


def _starts(codes: np.ndarray, count: int) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=count))])


def _touched(codes: np.ndarray, other: np.ndarray, count: int) -> Touched:
    width = int(other.max(initial=0)) + 1
    met = Partition(codes, count).meet(Partition(other, width))
    start = np.searchsorted(met.first, np.arange(count + 1))
    return Touched(met.second, start, met.place - start[codes])


def are_blocks(precision: Precision, codes: np.ndarray) -> bool:
    """Whether every connected block of V lies within one set."""
    component = precision.row_component
    blocks = Partition(component, int(component.max()) + 1)
    return blocks.is_inside(Partition(codes, int(codes.max()) + 1))


def block_losses(codes: np.ndarray, count: int, R: np.ndarray, U: np.ndarray) -> np.ndarray:
    """(L, m, m) losses of R'V^-1 R for sets made of whole blocks; U = V^-1 R (n, m)."""
    m = R.shape[1]
    loss = np.empty((count, m, m))
    for i in range(m):
        for j in range(i + 1):
            loss[:, i, j] = loss[:, j, i] = np.bincount(codes, R[:, i] * U[:, j], count)
    return loss


def set_losses(precision: Precision, sets: RowSets, U: np.ndarray, which: np.ndarray) -> np.ndarray:
    """(A, m, m) losses of R'V^-1 R for the sets ``which`` (A,); ``U`` is V^-1 R (n, m).

    NaN where a set's K cannot be factorised in double precision.
    """
    place = {int(i): a for a, i in enumerate(which)}
    loss = np.empty((len(which), U.shape[1], U.shape[1]))
    sparse = None if sets.own else precision.sparse_H()
    by_rows = _row_wise(precision, sets)
    for batch in _batches(precision, sets, which):
        at = [place[int(i)] for i in batch]
        if by_rows[batch[0]]:
            loss[at] = _row_losses(precision, sets, U, int(batch[0]))
        else:
            loss[at] = _losses(precision, sets, U, batch, sparse)
    return loss


def _batches(precision: Precision, sets: RowSets, which: np.ndarray) -> list[np.ndarray]:
    """Sets that touch equally many levels of every group, in pieces of limited size."""
    signature = np.stack([touched.count[which] for touched in sets.touched])
    rows = np.diff(sets.start)[which]
    width = sets.widths(precision)[which]
    _, label = np.unique(signature, axis=1, return_inverse=True)
    out = []
    for piece in _split(np.lexsort((rows, label.reshape(-1))), label.reshape(-1)):
        t = int(width[piece[0]])
        begin = 0
        while begin < len(piece):
            size = max(1, _AT_ONCE // (t * (int(rows[piece[-1]]) + t))) if sets.own else 1
            out.append(which[piece[begin : begin + size]])
            begin += size
    return out


def _split(order: np.ndarray, label: np.ndarray) -> list[np.ndarray]:
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)


def _losses(precision, sets, U, batch, sparse) -> np.ndarray:
    """The losses of one batch (b,), by t x t matrices."""
    G, V = _local_rows(precision, sets, U, batch)
    root = lower_roots(_joint(precision, sets, batch, sparse))
    GC = G @ root
    inner = np.eye(GC.shape[2]) - np.swapaxes(GC, 1, 2) @ GC
    half = lower_roots(inner)
    with np.errstate(invalid="ignore"):
        through = np.linalg.inv(half) @ (np.swapaxes(GC, 1, 2) @ V)
        return np.swapaxes(V, 1, 2) @ V + np.swapaxes(through, 1, 2) @ through


def _row_wise(precision: Precision, sets: RowSets) -> np.ndarray:
    """(L,) bool: sets with fewer rows than touched columns, for which K itself is the smaller."""
    few = np.diff(sets.start) < sets.widths(precision)
    return few & (not sets.own) & bool(precision.tail.groups)


def _row_losses(precision, sets, U, i: int) -> np.ndarray:
    """The losses of one set by its K, K = I - G_e D^-1 G_e' - Q S^-1 Q', Q = G_t - G_e H.

    G_e and G_t are the columns of G of the eliminated group and of the tail.
    """
    rows = sets.order[sets.start[i] : sets.start[i + 1]]
    tail, e = precision.tail, precision.eliminated
    level = precision.codes[e][rows]
    half = np.einsum("rab,ra->rb", precision.D_root[level], precision.rows[e][rows])
    own = _scattered(half, sets.touched[0].rank[rows], int(sets.touched[0].count[i]))
    Q = _through_tail(precision, rows, level)
    dense = tail.dense(int(precision.row_component[rows[0]]))
    K = np.eye(len(rows)) - (own @ own.T).toarray() - Q @ np.ascontiguousarray((Q @ dense).T)
    root = lower_roots(K[None])[0]
    with np.errstate(invalid="ignore"):
        W = np.linalg.solve(root, U[rows])
        return W.T @ W


def _scattered(values: np.ndarray, rank: np.ndarray, count: int):
    """Sparse (r, count q) with the values (r, q) of a row at the columns of its level."""
    import scipy.sparse as sp

    r, q = values.shape
    columns = rank[:, None] * q + np.arange(q)
    return sp.csr_array(
        (values.ravel(), columns.ravel(), np.arange(r + 1) * q), shape=(r, count * q)
    )


def _through_tail(precision: Precision, rows: np.ndarray, level: np.ndarray):
    """Sparse Q = G_t - G_e H of some rows within one component, at places within it."""
    import scipy.sparse as sp

    tail = precision.tail
    counts = np.diff(precision.pair_start)[level]
    line = np.repeat(np.arange(len(rows)), counts)
    pair = np.arange(len(line)) - np.repeat(np.cumsum(counts) - counts, counts)
    pair = pair + precision.pair_start[level][line]
    own = precision.rows[precision.eliminated][rows]
    values = [-np.einsum("pa,pa->p", precision.H[pair], own[line])]
    columns, lines = [tail.place[precision.pair_column[pair]]], [line]
    for k, g in enumerate(tail.groups):
        q = precision.rows[g].shape[1]
        first = tail.offsets[k] + precision.codes[g][rows] * q
        columns.append(tail.place[(first[:, None] + np.arange(q)).ravel()])
        lines.append(np.repeat(np.arange(len(rows)), q))
        values.append(precision.rows[g][rows].ravel())
    size = int(tail.sizes[precision.row_component[rows[0]]])
    index = np.concatenate(lines), np.concatenate(columns)
    return sp.coo_array((np.concatenate(values), index), shape=(len(rows), size)).tocsr()


def _local_rows(precision, sets, U, batch) -> tuple[np.ndarray, np.ndarray]:
    """Z Lambda at the touched columns (b, r, t) and V^-1 R (b, r, m), padded with zero rows."""
    rows = np.concatenate([sets.order[sets.start[i] : sets.start[i + 1]] for i in batch])
    counts = np.diff(sets.start)[batch]
    member = np.repeat(np.arange(len(batch)), counts)
    slot = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    t = int(sets.widths(precision)[batch[0]])
    G = np.zeros((len(batch), int(counts.max()), t))
    V = np.zeros((len(batch), int(counts.max()), U.shape[1]))
    V[member, slot] = U[rows]
    begin = 0
    for g, touched in zip(sets.groups, sets.touched, strict=True):
        q = precision.rows[g].shape[1]
        for a in range(q):
            G[member, slot, begin + touched.rank[rows] * q + a] = precision.rows[g][rows, a]
        begin += int(touched.count[batch[0]]) * q
    return G, V


def _joint(precision: Precision, sets: RowSets, batch: np.ndarray, sparse) -> np.ndarray:
    """(b, t, t) blocks of N^-1 at the touched columns: the eliminated group's, then the tail's."""
    inner = _levels(sets.touched[0], batch)
    columns = _tail_columns(precision, sets, batch)
    blocks = [_joint_own, _joint_any][sparse is not None]
    return blocks(precision, inner, columns, sparse)


def _joint_own(precision, inner, columns, _) -> np.ndarray:
    """Sets that are levels of the eliminated group: H lives on the touched columns alone."""
    q, t = precision.size, columns.shape[1]
    level = inner[:, 0]
    pairs = precision.pair_start[level][:, None] + np.arange(t)
    H = np.swapaxes(precision.H[pairs], 1, 2)
    S = precision.tail.blocks(columns)
    out = np.empty((len(level), q + t, q + t))
    across = H @ S
    out[:, :q, :q] = precision.D_inverse[level] + across @ np.swapaxes(H, 1, 2)
    out[:, :q, q:] = -across
    out[:, q:, :q] = -np.swapaxes(across, 1, 2)
    out[:, q:, q:] = S
    return out


def _joint_any(precision, inner, columns, sparse) -> np.ndarray:
    """One set that touches several levels of the eliminated group."""
    import scipy.sparse as sp

    q, t, levels = precision.size, columns.shape[1], inner[0]
    wide = len(levels) * q
    out = np.zeros((1, wide + t, wide + t))
    D = out[0, :wide, :wide].reshape(len(levels), q, len(levels), q)
    index = np.arange(len(levels))
    D[index, :, index, :] = precision.D_inverse[levels]
    if t:
        tail = precision.tail
        dense = tail.dense(tail.component[columns[0, 0]])
        place = tail.place[columns[0]]
        H = sparse[(levels[:, None] * q + np.arange(q)).ravel()]
        H = sp.csr_array((H.data, H.indices, H.indptr), shape=(wide, len(dense)))
        across = H @ dense
        # H (H S^-1)' is the transpose of what is wanted, which is symmetric.
        out[0, :wide, :wide] += H @ across.T
        out[0, :wide, wide:] = -across[:, place]
        out[0, wide:, :wide] = -across[:, place].T
        out[0, wide:, wide:] = dense[np.ix_(place, place)]
    return out


def _levels(touched: Touched, batch: np.ndarray) -> np.ndarray:
    """(b, count) the levels that each set of a batch touches, equally many."""
    count = int(touched.count[batch[0]])
    return touched.levels[touched.start[batch][:, None] + np.arange(count)]


def _tail_columns(precision: Precision, sets: RowSets, batch: np.ndarray) -> np.ndarray:
    """(b, t) the tail's columns that each set of a batch touches."""
    parts = [np.zeros((len(batch), 0), dtype=np.intp)]
    for k, touched in enumerate(sets.touched[1:]):
        q = precision.rows[sets.groups[k + 1]].shape[1]
        first = precision.tail.offsets[k] + _levels(touched, batch) * q
        parts.append((first[:, :, None] + np.arange(q)).reshape(len(batch), -1))
    return np.concatenate(parts, axis=1)


def set_costs(precision: Precision, sets: RowSets) -> np.ndarray:
    """(L,) arithmetic operations that the losses of each set take."""
    t = sets.widths(precision).astype(float)
    rows = np.diff(sets.start).astype(float)
    cost = 3 * t**3 + 2 * rows * t**2
    if not sets.own and precision.tail.groups:
        # The products with the sparse H or Q, about ten times as dear as dense ones.
        held = np.diff(precision.pair_start)[precision.codes[precision.eliminated]].astype(float)
        entries = np.bincount(sets.codes, held, len(rows))
        size = precision.tail.sizes[precision.row_component[sets.order[sets.start[:-1]]]]
        by_rows = rows**3 + 10 * entries * (size + rows)
        inner = sets.touched[0].count * precision.size
        by_columns = cost + 10 * entries * (size + inner)
        cost = np.where(_row_wise(precision, sets), by_rows, by_columns)
    return cost
