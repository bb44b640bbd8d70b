"""What belongs to single levels of a chain: Z'V^-1 R and the conditional covariance of effects."""

import numpy as np

from mmfit.engine.solvers.blocks import multiply


def back_substitute(factor) -> list[np.ndarray]:
    """Z'V^-1 R per group, from the outermost factor inwards.

    Given the coarser effects B = Psi Z'V^-1 R, a level's Z_i'V^-1 R is C_R - C_Z B.
    """
    m = factor.solver.columns
    out: list[np.ndarray] = [np.empty(0)] * len(factor.solver.links)
    effects: list[np.ndarray] = []
    parents = (*factor.solver.chain.parents, None)
    rows = [factor.leaf_rows, *(step.C for step in factor.eliminations)]
    for i in reversed(range(len(rows))):
        if parents[i] is None:
            value = rows[i][:, -m:]
        else:
            effects = [effect[:, :, parents[i]] for effect in effects]
            value = rows[i][:, -m:] - multiply(rows[i][:, :-m], np.concatenate(effects))
        effects = [multiply(factor.psis[i][:, :, None], value), *effects]
        out[factor.solver.chain.groups[i]] = _unsorted(factor, i, value)
    return out


def path_covariances(factor) -> list[np.ndarray]:
    """Conditional covariance of each level's effects, in units of sigma^2.

    Given the effects b of the levels above, this level's have covariance W and mean -H b + const,
    so the joint covariance of a level with those above it follows from theirs.
    """
    m = factor.solver.columns
    out: list[np.ndarray] = [np.empty(0)] * len(factor.solver.links)
    joint = np.empty(0)
    parents = (*factor.solver.chain.parents, None)
    steps = [(factor.leaf_level_W, factor.leaf_rows), *((s.W, s.C) for s in factor.eliminations)]
    for i in reversed(range(len(steps))):
        W, C = steps[i]
        if parents[i] is None:
            joint = W
        else:
            above = joint[:, :, parents[i]]
            H = multiply(factor.psis[i][:, :, None], C[:, :-m])
            side = multiply(H, above)
            top = np.concatenate([W + multiply(side, np.swapaxes(H, 0, 1)), -side], axis=1)
            bottom = np.concatenate([-np.swapaxes(side, 0, 1), above], axis=1)
            joint = np.concatenate([top, bottom])
        q = len(W)
        out[factor.solver.chain.groups[i]] = _unsorted(factor, i, joint[:q, :q])
    return out


def _unsorted(factor, i: int, value: np.ndarray) -> np.ndarray:
    """From (a, b, chain positions, A) to (A, levels, a, b)."""
    order = factor.solver.chain.orders[i]
    moved = value.transpose(3, 2, 0, 1)
    out = np.empty(moved.shape)
    out[:, order] = moved
    return out
