"""Crossed grouping factors at V = I: sums over levels of their raw products."""

import numpy as np

from mmfit.engine.covariance.directions import EntryOrder
from mmfit.engine.solvers.contract.solver import IdentityMoments


def crossed_moments(
    entries: EntryOrder,
    T: np.ndarray,
    fixed: list[np.ndarray],
    responses: list[np.ndarray],
    blocks: list[tuple[int, int, np.ndarray]],
) -> IdentityMoments:
    """From T (q, q, L) of the first group, Z'X (p, q, L) and Z'y (B, q, L) of every group.

    ``blocks``: (g, h, Z_g'Z_h as (q, L, q', L')) for all g <= h but g = h = 0.
    """
    traces, x_pairs = np.empty((2, entries.count, entries.count))
    own = np.einsum("ikl,jkl->ijl", T, T)
    _put(entries, traces, 0, 0, np.einsum("ikl,jml->ijkm", own, own))
    x = fixed[0]
    side = np.einsum("pil,pml->iml", x, x)
    _put(entries, x_pairs, 0, 0, np.einsum("iml,jkl->ijkm", side, own))
    sums = [own.sum(axis=2)]
    for g, h, block in blocks:
        _put(entries, traces, g, h, _products(block))
        _put(entries, x_pairs, g, h, _through(fixed[g], block, fixed[h]))
        if g == h:
            sums.append(np.einsum("iljl->ij", block))
    both = zip(entries.directions, sums, strict=True)
    trace_slopes = np.concatenate([along.member_traces(block[None])[0] for along, block in both])
    return IdentityMoments(
        traces=entries.arrange(traces[None], 2)[0],
        trace_slopes=entries.arrange(trace_slopes[None])[0],
        x_pairs=entries.arrange(x_pairs[None], 2)[0],
        x_slopes=entries.arrange(_x_slopes(entries, fixed)[None])[0],
        y_slopes=y_slopes(entries, responses),
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


def _put(entries: EntryOrder, out: np.ndarray, g: int, h: int, tensor: np.ndarray) -> None:
    """Set the entries of two groups, and their mirror images, from sums by effects."""
    values = entries.directions[g].contract(tensor, entries.directions[h])
    one, two = entries.places[g], entries.places[h]
    out[one, two] = values
    out[two, one] = values.T


def y_slopes(entries: EntryOrder, right: list[np.ndarray]) -> np.ndarray:
    """(B, k): r'V_e r, from Z'r (B, q, L) per group."""
    parts = []
    for y, along in zip(right, entries.directions, strict=True):
        parts.append(along.member_traces(y @ y.swapaxes(1, 2)))
    return entries.arrange(np.concatenate(parts, axis=1))


def _x_slopes(entries: EntryOrder, fixed: list[np.ndarray]) -> np.ndarray:
    """(k, p, p): X'V_e X."""
    parts = []
    for x, along in zip(fixed, entries.directions, strict=True):
        p, q, levels = x.shape
        flat = x.reshape(p * q, levels)
        gram = (flat @ flat.T).reshape(p, q, p, q).transpose(1, 3, 0, 2)
        parts.append(along.member_sums(gram[None])[0])
    return np.concatenate(parts)
