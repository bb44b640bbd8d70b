"""What belongs to single levels of a chain: Z'V^-1 R and the conditional covariance of effects."""

import numpy as np

from mmfit.engine.solvers.levels.blocks import multiply


def back_substitute(factor) -> list[np.ndarray]:
    """Z'V^-1 R per group, from the outermost factor inwards.

    A level's Z_i'V^-1 R is that of Z_i'V_i^-1 on R less the coarser effects. Both are known in
    columns that have lost their shifts, so that the effects lose them too: what remains of them,
    e, is the coefficient of the columns as they stand at this link.
    """
    m, links = factor.solver.columns, factor.solver.links
    out: list[np.ndarray] = [np.empty(0)] * len(links)
    parents = (*factor.solver.chain.parents, None)
    rows = [factor.innermost_rows, *(step.C for step in factor.eliminations)]
    e = np.empty(0)
    for i in reversed(range(len(rows))):
        value = rows[i][:, -m:]
        if parents[i] is not None:
            e = e[:, :, parents[i]]
            value = value - multiply(rows[i][:, :-m], e)
        out[factor.solver.chain.groups[i]] = _unsorted(factor, i, value)
        if i:
            own = multiply(links[i].T.swapaxes(0, 1), multiply(factor.psis[i], value))
            c = links[i].shifts(factor.members)
            if c is not None:
                own = own - c[:, -m:]
            if parents[i] is not None:
                own = own if c is None else own + multiply(c[:, :-m], e)
                own = np.concatenate([own, e])
            e = own
    return out


def path_covariances(factor) -> list[np.ndarray]:
    """Conditional covariance of each level's effects, in units of sigma^2.

    Given the effects b of the levels above, this level's have covariance W and mean -H b + const,
    so the joint covariance of a level with those above it follows from theirs.
    """
    out: list[np.ndarray] = [np.empty(0)] * len(factor.solver.links)
    joint = np.empty(0)
    parents = (*factor.solver.chain.parents, None)
    rows = [factor.innermost_rows, *(step.C for step in factor.eliminations)]
    for i in reversed(range(len(rows))):
        W = factor.covariances[i]
        if parents[i] is None:
            joint = W
        else:
            above = joint[:, :, parents[i]]
            H = multiply(factor.psis[i], _effects_above(factor, i, rows[i]))
            side = multiply(H, above)
            top = np.concatenate([W + multiply(side, np.swapaxes(H, 0, 1)), -side], axis=1)
            bottom = np.concatenate([-np.swapaxes(side, 0, 1), above], axis=1)
            joint = np.concatenate([top, bottom])
        q = len(W)
        out[factor.solver.chain.groups[i]] = _unsorted(factor, i, joint[:q, :q])
    return out


def _effects_above(factor, i: int, rows: np.ndarray) -> np.ndarray:
    """(q, all coarser q, levels, A): Z_i'V_i^-1 Z_j for the factors j above, at link ``i``.

    ``rows`` are those for the columns as they stand there. A column's Q_j is that and the shifts
    that the links between took off it.
    """
    links, parents = factor.solver.links, factor.solver.chain.parents
    place, begin, found, shifts = np.arange(rows.shape[2]), 0, [], []
    out = []
    for j in range(i + 1, len(links)):
        place = parents[j - 1][place]
        width = links[j].q
        value = rows[:, begin : begin + width]
        for between, seen in enumerate(found):
            if shifts[between] is None:
                break
            # what the column j holds of the shift of a link between
            first = begin - sum(link.q for link in links[i + 1 : i + 2 + between])
            value = value + multiply(seen, shifts[between][:, first : first + width])
        found.append(value)
        shift = links[j].shifts(factor.members)
        shifts.append(None if shift is None else shift[:, :, place])
        out.append(multiply(value, links[j].T[:, :, place].swapaxes(0, 1)))
        begin += width
    return np.concatenate(out, axis=1)


def _unsorted(factor, i: int, value: np.ndarray) -> np.ndarray:
    """From (a, b, chain positions, A) to (A, levels, a, b)."""
    order = factor.solver.chain.orders[i]
    moved = value.transpose(3, 2, 0, 1)
    out = np.empty(moved.shape)
    out[:, order] = moved
    return out
