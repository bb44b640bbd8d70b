"""Crossed grouping factors at V = I: sums over levels of their raw products."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mmfit.engine.solvers.identity_moments import Blank, blank_from

if TYPE_CHECKING:
    from mmfit.engine.solvers.crossed.solver import CrossedSolver


def crossed_blank(solver: CrossedSolver) -> Blank:
    """From the raw products where they are dense, else from a factorisation at theta = 0."""
    entries = solver.entries
    fixed, responses = solver.raw_right()
    y_slopes = _slopes(entries, responses)
    if not solver.coupling.symmetric:
        zero = [np.zeros((1, *group.directions.shape[1:])) for group in entries.groups]
        given = [zero[solver.order.index(g)] for g in range(len(zero))]
        design = solver.factorize(given, np.arange(1))
        return replace(blank_from(design, design), y_slopes=y_slopes)
    traces, x_pairs = np.empty((2, entries.count, entries.count))
    own = np.einsum("ikl,jkl->ijl", solver.T, solver.T)
    first = entries.groups[0]
    _put(traces, first, first, np.einsum("ikl,jml->ijkm", own, own))
    x = fixed[0]
    side = np.einsum("pil,pml->iml", x, x)
    _put(x_pairs, first, first, np.einsum("iml,jkl->ijkm", side, own))
    for g, h, block in solver.raw_blocks():
        one, two = entries.groups[g], entries.groups[h]
        _put(traces, one, two, _products(block))
        _put(x_pairs, one, two, _through(fixed[g], block, fixed[h]))
    trace_slopes = _trace_slopes(solver, own)
    x_slopes = _x_slopes(entries, fixed)
    return Blank(
        traces=entries.arrange(traces[None], 2)[0],
        trace_slopes=entries.arrange(trace_slopes[None], 1)[0],
        x_pairs=entries.arrange(x_pairs[None], 2)[0],
        x_slopes=entries.arrange(x_slopes[None], 1)[0],
        y_slopes=y_slopes,
    )


def _products(block: np.ndarray) -> np.ndarray:
    """[i, j, k, m] = <C_ik, C_jm> for C (q, L, p, L')."""
    q, _, p, _ = block.shape
    if q == p == 1:
        return np.vdot(block, block).reshape(1, 1, 1, 1)
    flat = block.transpose(0, 2, 1, 3).reshape(q * p, -1)
    return (flat @ flat.T).reshape(q, p, q, p).transpose(0, 2, 1, 3)


def _through(x: np.ndarray, block: np.ndarray, z: np.ndarray) -> np.ndarray:
    """[i, j, k, m] = sum over p of x_pi' C_jk z_pm for x (p, q, L) and z (p, q', L')."""
    q, levels, p, others = block.shape
    count = len(x)
    if q == p == 1:
        value = np.vdot(x[:, 0] @ block.reshape(levels, others), z[:, 0])
        return np.reshape(value, (1, 1, 1, 1))
    left = x.reshape(count * q, levels) @ block.transpose(1, 0, 2, 3).reshape(levels, -1)
    left = left.reshape(count, q, q, p, others)
    return np.einsum("aijkl,aml->ijkm", left, z)


def _put(out: np.ndarray, one, two, tensor: np.ndarray) -> None:
    """Set the entries of two groups, and their mirror images, from sums by effects."""
    if tensor.size == 1:
        values = tensor.reshape(1, 1)
    else:
        left = np.einsum("eij,ijkm->ekm", one.directions, tensor)
        values = np.einsum("ekm,fkm->ef", left, two.directions)
    out[one.place, two.place] = values
    out[two.place, one.place] = values.T


def _slopes(entries, right: list[np.ndarray]) -> np.ndarray:
    """(B, k): r'V_e r, from Z'r (B, q, L) per group."""
    parts = []
    for y, group in zip(right, entries.groups, strict=True):
        parts.append(group.gather(y @ y.swapaxes(1, 2)))
    return entries.arrange(np.concatenate(parts, axis=1), 1)


def _x_slopes(entries, fixed: list[np.ndarray]) -> np.ndarray:
    """(k, p, p): X'V_e X."""
    parts = []
    for x, group in zip(fixed, entries.groups, strict=True):
        p, q, levels = x.shape
        flat = x.reshape(p * q, levels)
        gram = (flat @ flat.T).reshape(p, q, p, q).transpose(1, 3, 0, 2)
        parts.append(group.gather_both(gram[None])[0])
    return np.concatenate(parts)


def _trace_slopes(solver: CrossedSolver, own: np.ndarray) -> np.ndarray:
    """(k,): tr(V_e)."""
    groups = solver.entries.groups
    blocks = [own.sum(axis=2)]
    blocks += [np.einsum("iljl->ij", block) for g, h, block in solver.raw_blocks() if g == h]
    parts = [group.gather(block[None])[0] for group, block in zip(groups, blocks, strict=True)]
    return np.concatenate(parts)
