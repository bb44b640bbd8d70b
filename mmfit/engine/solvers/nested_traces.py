"""tr(V^-1 V_a V^-1 V_b) for a chain of nested factors, without any n x n or level x level matrix.

V is linear in the entries of the Psi's, so the trace is minus the second derivative of log|V|
with respect to them. Both derivatives are carried through the elimination (forward mode): at
factor i, with S = Z_i'V_{i-1}^-1 Z_i, r = Z_i'V_{i-1}^-1 [Z_i+1 ...], W = Psi (I + S Psi)^-1, the
products of the coarser factors lose r'W r, and log|V| gains log|I + S Psi|.
"""

import numpy as np

from mmfit.engine.batched import segment_sum


class _Stage:
    """The quantities of one elimination step that all pairs of directions share."""

    def __init__(self, factor, i):
        link = factor.solver.links[i]
        q = len(factor.psis[i])
        end = link.columns[-1].start
        self.q, self.link = q, link
        rest = factor.products[i][:, :, q:end]
        self.W, self.G = factor.precision[i], factor.shrink[i]
        self.F = factor.coupled[i][:, :, :q]
        self.C = factor.coupled[i][:, :, q:end]
        self.H = self.W @ rest

    def split(self, derivative):
        """A derivative of the products into its S and r parts, and r_a - S_a H."""
        S, r = derivative[:, :, : self.q], derivative[:, :, self.q :]
        return S, r, r - S @ self.H


def chain_traces(factor, directions: list[tuple[int, np.ndarray]]) -> np.ndarray:
    """(m, m) matrix of tr(V^-1 V_a V^-1 V_b); ``directions`` are (chain position, E)."""
    m, depth = len(directions), len(factor.psis)
    out = np.zeros((m, m))
    first: dict[tuple[int, int], np.ndarray] = {}
    second: dict[tuple[int, int, int], np.ndarray] = {}
    for i in range(depth):
        stage = _Stage(factor, i)
        below = [a for a in range(m) if directions[a][0] < i]
        own = [a for a in range(m) if directions[a][0] == i]
        parts = {a: stage.split(first[i, a]) for a in below}
        for a in below + own:
            for b in below + own:
                if b < a:
                    continue
                term, change = _pair(stage, parts, second, i, a, b, directions)
                out[a, b] += term
                if change is not None:
                    _pass_up(second, stage, i, (a, b), change)
        for a in below:
            S, r, _ = parts[a]
            side = _t(r) @ stage.H
            _pass_up(first, stage, i, (a,), side + _t(side) - _t(stage.H) @ S @ stage.H)
        for a in own:
            _pass_up(first, stage, i, (a,), _t(stage.C) @ directions[a][1] @ stage.C)
    return -(np.triu(out) + np.triu(out, 1).T)


def _pair(stage, parts, second, i, a, b, directions):
    """Second derivative of log|I + S Psi| and of r'W r (None at the top) for one pair."""
    top = not stage.link.starts
    if a in parts and b in parts:
        (Sa, _, Da), (Sb, _, Db) = parts[a], parts[b]
        Sab, rab, _ = stage.split(second[i, a, b])
        WSa = stage.W @ Sa
        term = _trace(stage.W, Sab) - _trace(WSa @ stage.W, Sb)
        if top:
            return term, None
        side = _t(rab) @ stage.H + _t(Da) @ stage.W @ Db
        return term, side + _t(side) - _t(stage.H) @ Sab @ stage.H
    if a in parts or b in parts:
        inner, E = (a, directions[b][1]) if a in parts else (b, directions[a][1])
        S, _, D = parts[inner]
        term = _trace(_t(stage.G) @ E @ stage.G, S)
        if top:
            return term, None
        side = _t(D) @ _t(stage.G) @ E @ stage.C
        return term, side + _t(side)
    Ea, Eb = directions[a][1], directions[b][1]
    term = -_trace(stage.F @ Ea @ stage.F, Eb[None])
    if top:
        return term, None
    side = _t(stage.C) @ Ea @ stage.F @ Eb @ stage.C
    return term, -(side + _t(side))


def _pass_up(store, stage, i, key, change):
    """Subtract the change of r'W r from the (derivative of the) coarser factors' products."""
    offset = stage.q
    for step, starts in enumerate(stage.link.starts):
        columns = stage.link.columns[1 + step]
        a, b = columns.start - offset, columns.stop - offset
        update = segment_sum(change[:, a:b, a:], starts)
        index = (i + 1 + step, *key)
        store[index] = store[index] - update if index in store else -update


def _t(values):
    return np.swapaxes(values, 1, 2)


def _trace(left, right):
    """Sum over the stack of tr(left right)."""
    return float(np.einsum("lab,lba->", left, np.broadcast_to(right, left.shape)))
