"""The precision of the spherical effects u, b = Lambda u: N = Lambda'Z'Z Lambda + I, and N^-1.

One factor is eliminated, the rest is the tail. With D the block diagonal of the eliminated factor,
B its products with the tail and H = D^-1 B, the tail's complement S = F - B'H falls into
components, the sets of levels that common rows connect, and each has a dense inverse. Any block of
N^-1 follows: S^-1, -H S^-1 and D^-1 + H S^-1 H' (Bates, Maechler, Bolker & Walker 2015, section 3,
for N).

The deletion of rows needs blocks of N^-1 between levels that never meet in a row, which the solvers
of :mod:`mmfit.engine.solvers` have no need to form.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.system.whitened_system import Group
from mmfit.errors import ComputationError

# Numbers in the dense inverses of the components; beyond, the caller must do without.
LARGEST = 36_000_000
# Components with more columns are inverted one by one.
_LARGE = 200


@dataclass(frozen=True, slots=True)
class Tail:
    """The columns of all groups but the eliminated one, T in all.

    Attributes
    ----------
    groups : tuple of int, indices of the system's groups;  offsets : first column of each.
    component : (T,) intp;  place : (T,) intp, position of a column within its component.
    sizes, starts : (C,) intp, columns of a component, and where its inverse begins in ``inverse``.
    inverse : (sum of squared sizes,) array, the inverses of the components, row by row.
    """

    groups: tuple[int, ...]
    offsets: tuple[int, ...]
    component: np.ndarray
    place: np.ndarray
    sizes: np.ndarray
    starts: np.ndarray
    inverse: np.ndarray

    def dense(self, c: int) -> np.ndarray:
        """(T_c, T_c) inverse of one component."""
        size, start = self.sizes[c], self.starts[c]
        return self.inverse[start : start + size * size].reshape(size, size)

    def blocks(self, columns: np.ndarray) -> np.ndarray:
        """(b, t, t) blocks of S^-1 at ``columns`` (b, t), each row within one component."""
        if not columns.shape[1]:
            return np.zeros((len(columns), 0, 0))
        component, place = self.component[columns[:, 0]], self.place[columns]
        first = self.starts[component][:, None] + place * self.sizes[component][:, None]
        return self.inverse[first[:, :, None] + place[:, None, :]]


@dataclass(frozen=True, slots=True)
class Precision:
    """N factorised.

    Attributes
    ----------
    rows : per group (n, q) array, Z Lambda.
    codes : per group (n,) intp.
    eliminated : int, the group that is eliminated.
    D_inverse : (L, q, q) array;  D_root : (L, q, q) array, D_inverse = D_root D_root'.
    pair_start : (L + 1,) intp, where the pairs of each eliminated level begin.
    pair_column : (P,) intp, tail column of each pair (level, column) that meets in a row.
    H : (P, q) array.
    tail : Tail.
    """

    rows: tuple[np.ndarray, ...]
    codes: tuple[np.ndarray, ...]
    eliminated: int
    D_inverse: np.ndarray
    D_root: np.ndarray
    pair_start: np.ndarray
    pair_column: np.ndarray
    H: np.ndarray
    tail: Tail

    @property
    def size(self) -> int:
        """q of the eliminated group."""
        return self.D_inverse.shape[1]

    @property
    def row_component(self) -> np.ndarray:
        """(n,) intp, which block of V a row lies in."""
        if not self.tail.groups:
            return self.codes[self.eliminated]
        return self.tail.component[self.tail_columns(0)[:, 0]]

    def tail_columns(self, k: int) -> np.ndarray:
        """(n, q) intp, the tail's columns that a row has in its k-th group."""
        g = self.tail.groups[k]
        q = self.rows[g].shape[1]
        return self.tail.offsets[k] + self.codes[g][:, None] * q + np.arange(q)

    def sparse_H(self):
        """(L q, ...) sparse H whose columns are places within components."""
        import scipy.sparse as sp

        levels, q = self.D_inverse.shape[:2]
        widths = np.repeat(np.diff(self.pair_start), q)
        indptr = np.concatenate([[0], np.cumsum(widths)])
        order = _effect_by_effect(self.pair_start, q)
        pair, effect = np.divmod(order, q)
        place = self.tail.place[self.pair_column[pair]]
        width = int(self.tail.sizes.max(initial=1))
        return sp.csr_array((self.H[pair, effect], place, indptr), shape=(levels * q, width))

    def whiten(self, R: np.ndarray) -> np.ndarray:
        """V^-1 R for R (n, m): R - Z Lambda N^-1 Lambda'Z'R."""
        effects = [self._summed(g, R) for g in range(len(self.rows))]
        solved = self._solve(effects)
        out = R.copy()
        for rows, codes, u in zip(self.rows, self.codes, solved, strict=True):
            for a in range(rows.shape[1]):
                out -= rows[:, a, None] * u[codes, a]
        return out

    def _summed(self, g: int, R: np.ndarray) -> np.ndarray:
        """(L, q, m): Lambda'Z'R of one group."""
        rows, codes = self.rows[g], self.codes[g]
        levels = int(codes.max(initial=-1)) + 1
        out = np.empty((levels, rows.shape[1], R.shape[1]))
        for a in range(rows.shape[1]):
            for j in range(R.shape[1]):
                out[:, a, j] = np.bincount(codes, rows[:, a] * R[:, j], levels)
        return out

    def _solve(self, effects: list[np.ndarray]) -> list[np.ndarray]:
        """N^-1 times the right-hand sides (L_g, q_g, m) of all groups."""
        e, tail = self.eliminated, self.tail
        solved = self.D_inverse @ effects[e]
        out = list(effects)
        if tail.groups:
            m = solved.shape[2]
            level = np.repeat(np.arange(len(solved)), np.diff(self.pair_start))
            rest = np.concatenate([effects[g].reshape(-1, m) for g in tail.groups])
            flow = np.einsum("pa,pam->pm", self.H, effects[e][level])
            u = np.empty_like(rest)
            for j in range(m):
                rest[:, j] -= np.bincount(self.pair_column, flow[:, j], len(rest))
            for c, columns in enumerate(_members(tail.component, len(tail.sizes))):
                u[columns] = tail.dense(c) @ rest[columns]
            back = self.H[:, :, None] * u[self.pair_column][:, None, :]
            for a in range(self.size):
                for j in range(m):
                    solved[:, a, j] -= np.bincount(level, back[:, a, j], len(solved))
            for k, g in enumerate(tail.groups):
                begin = tail.offsets[k]
                out[g] = u[begin : begin + effects[g].shape[0] * effects[g].shape[1]]
                out[g] = out[g].reshape(effects[g].shape)
        out[e] = solved
        return out


def build_precision(groups: tuple[Group, ...], lambdas: list[np.ndarray]) -> Precision | None:
    """Factorise N for one Lambda (q, q) per group, or None where the tail is too large to invert.

    Parameters
    ----------
    groups : those of a whitened system with its rows.
    lambdas : per group (q, q).
    """
    rows = tuple(_rows(group, lam) for group, lam in zip(groups, lambdas, strict=True))
    codes = tuple(group.codes for group in groups)
    counts = [group.levels * group.size for group in groups]
    e = int(np.argmax(counts))
    own = np.empty((groups[e].levels, groups[e].size, groups[e].size))
    for a in range(groups[e].size):
        for b in range(a + 1):
            products = np.bincount(codes[e], rows[e][:, a] * rows[e][:, b], groups[e].levels)
            own[:, a, b] = own[:, b, a] = products
    own += np.eye(groups[e].size)
    others = tuple(g for g in range(len(groups)) if g != e)
    offsets = tuple(int(sum(counts[h] for h in others[:k])) for k in range(len(others)))
    D_inverse = np.linalg.inv(own)
    pairs = _pairs(groups, rows, e, others, offsets)
    if pairs is None:
        return None
    start, column, B = pairs
    level = np.repeat(np.arange(groups[e].levels), np.diff(start))
    H = np.einsum("pab,pb->pa", D_inverse[level], B)
    T = int(sum(counts[g] for g in others))
    tail = _build_tail(rows, codes, others, offsets, T, (start, column, B, H))
    if tail is None:
        return None
    return Precision(
        rows=rows,
        codes=codes,
        eliminated=e,
        D_inverse=D_inverse,
        D_root=np.linalg.cholesky(D_inverse),
        pair_start=start,
        pair_column=column,
        H=H,
        tail=tail,
    )


def _rows(group: Group, lam: np.ndarray) -> np.ndarray:
    """(n, q): Z Lambda."""
    Z = np.empty((len(group.codes), group.size))
    for a, column in enumerate(group.columns):
        Z[:, a] = column
    return Z @ lam


def _pairs(groups, rows, e, others, offsets):
    """The pairs of eliminated levels and tail columns that meet, and B at them.

    None where the pairs alone exceed the limit.
    """
    levels, q = groups[e].levels, groups[e].size
    keys, values = [], []
    width = int(sum(groups[g].levels * groups[g].size for g in others))
    for g, offset in zip(others, offsets, strict=True):
        met = groups[e].partition.meet(groups[g].partition)
        level, other, inverse = met.first, met.second, met.place
        if len(level) * groups[g].size * q > LARGEST:
            return None
        for b in range(groups[g].size):
            keys.append(level * width + offset + other * groups[g].size + b)
            block = np.empty((len(level), q))
            for a in range(q):
                block[:, a] = np.bincount(inverse, rows[e][:, a] * rows[g][:, b], len(level))
            values.append(block)
    if not keys:
        empty = np.zeros(0, dtype=np.intp)
        return np.zeros(levels + 1, dtype=np.intp), empty, np.zeros((0, q))
    key = np.concatenate(keys)
    order = np.argsort(key, kind="stable")
    level, column = np.divmod(key[order], width)
    return np.searchsorted(level, np.arange(levels + 1)), column, np.concatenate(values)[order]


def _build_tail(rows, codes, others, offsets, T, pairs) -> Tail | None:
    """The complement S by component, inverted; None where that is too large."""
    if not others:
        none = np.zeros(0, dtype=np.intp)
        return Tail((), (), none, none, none, none, np.zeros(0))
    import scipy.sparse as sp
    from scipy.sparse.csgraph import connected_components

    start, column, B, H = pairs
    # The pattern alone decides the components: two columns that meet in an eliminated level belong
    # together, whatever Lambda makes of it.
    first = np.repeat(column[start[:-1]], np.diff(start))
    links = sp.coo_array((np.ones(len(column)), (first, column)), shape=(T, T))
    count, component = connected_components(links, directed=False)
    component = component.astype(np.intp)
    sizes = np.bincount(component, minlength=count).astype(np.intp)
    if (sizes.astype(float) ** 2).sum() > LARGEST:
        return None
    starts = np.concatenate([[0], np.cumsum(sizes**2)])[:-1].astype(np.intp)
    order = np.argsort(component, kind="stable")
    place = np.empty(T, dtype=np.intp)
    place[order] = np.arange(T) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    S = np.zeros(int((sizes**2).sum()))
    _add_tail_rows(S, rows, codes, others, offsets, (component, place, sizes, starts))
    _subtract_flow(S, (start, column, B, H), (component, place, sizes, starts), T)
    _invert(S, sizes, starts)
    return Tail(others, offsets, component, place, sizes, starts, S)


def _invert(S: np.ndarray, sizes: np.ndarray, starts: np.ndarray) -> None:
    """Add the identity to each flat component of S and invert it, in place."""
    for size in np.unique(sizes):
        which = np.flatnonzero(sizes == size)
        diagonal = starts[which][:, None] + np.arange(size) * (size + 1)
        S[diagonal] += 1.0
        if size > _LARGE:
            for start in starts[which]:
                _invert_large(S[start : start + size * size].reshape(size, size))
            continue
        index = starts[which][:, None] + np.arange(size * size)
        S[index] = np.linalg.inv(S[index].reshape(-1, size, size)).reshape(len(which), -1)


def _invert_large(A: np.ndarray) -> None:
    """Invert a positive definite matrix in place, by its Cholesky factor."""
    from scipy.linalg.lapack import dpotrf, dpotri

    # The transpose is in LAPACK's order, and the matrix is symmetric.
    root, failed = dpotrf(A.T, lower=0, overwrite_a=1)
    inverse, singular = dpotri(root, lower=0, overwrite_c=1)
    if failed or singular:
        raise ComputationError(
            "the covariances of the random effects are too extreme to leave out levels"
        )
    upper = np.triu(inverse)
    A[:] = upper + np.triu(upper, 1).T


def _add_tail_rows(S, rows, codes, others, offsets, where) -> None:
    """Add the tail's own Lambda'Z'Z Lambda to the flat components S."""
    component, place, sizes, starts = where
    for g, offset in zip(others, offsets, strict=True):
        for h, beside in zip(others, offsets, strict=True):
            for a in range(rows[g].shape[1]):
                for b in range(rows[h].shape[1]):
                    i = offset + codes[g] * rows[g].shape[1] + a
                    j = beside + codes[h] * rows[h].shape[1] + b
                    c = component[i]
                    at = starts[c] + place[i] * sizes[c] + place[j]
                    np.add.at(S, at, rows[g][:, a] * rows[h][:, b])


def _subtract_flow(S, pairs, where, T) -> None:
    """Take B'H off the flat components S."""
    import scipy.sparse as sp

    start, column, B, H = pairs
    component, place, sizes, starts = where
    for a in range(B.shape[1]):
        left = sp.csr_array((B[:, a], column, start), shape=(len(start) - 1, T))
        right = sp.csr_array((H[:, a], column, start), shape=(len(start) - 1, T))
        product = (left.T @ right).tocoo()
        i, j = product.row, product.col
        c = component[i]
        S[starts[c] + place[i] * sizes[c] + place[j]] -= product.data


def _effect_by_effect(start: np.ndarray, q: int) -> np.ndarray:
    """Positions in the flat H (pair, effect), ordered by level, effect and pair."""
    count = np.diff(start)
    level = np.repeat(np.arange(len(count)), count * q)
    within = np.arange(len(level)) - np.repeat(np.cumsum(count * q) - count * q, count * q)
    effect, pair = np.divmod(within, np.maximum(count[level], 1))
    return (start[level] + pair) * q + effect


def _members(label: np.ndarray, count: int) -> list[np.ndarray]:
    """The positions of each label, in order."""
    order = np.argsort(label, kind="stable")
    return np.split(order, np.cumsum(np.bincount(label, minlength=count))[:-1])
