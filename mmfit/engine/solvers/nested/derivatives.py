"""Derivatives of a chain's elimination with respect to the entries of all Psi's (forward mode).

At one link, with S and r the own and the other part of its rows of the front, G = (I + S Psi)^-1,
C = G r, W = Psi G, H = W r and F = G S, the update is U = D - r'H. A direction a of a finer factor
reaches this link through the derivative dF_a of its front; a direction E of its own acts on W:

    dU_a = [-H; I]' dF_a [-H; I]                    dU_E = -C'E C
    d2U_ab = [-H; I]' d2F_ab [-H; I] - D_a'W D_b - D_b'W D_a,   D_a the link's rows of dF_a [-H; I]
    d2U_aE = -(D_a'G'E C + C'E G D_a)                d2U_EE' = C'(E F E' + E' F E) C

and log|I + S Psi| changes by tr(W dS_a) and tr(F E), then by tr(W d2S_ab) - tr(W dS_a W dS_b),
tr(G'E G dS_a) and -tr(F E F E'). Stacks of directions stand before the components.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.solvers.levels.blocks import segment_sum
from mmfit.engine.solvers.levels.classes import packed_pairs, unpack


@dataclass(frozen=True, slots=True)
class FirstSweep:
    """First derivatives, directions in chain order.

    Attributes
    ----------
    log_det : (k, A);  reduced : (k, m, m, A), of R'V^-1 R.
    fronts : per link beyond the pooled (f, w, w, levels, A), dF_a for the f finer directions.
    """

    log_det: np.ndarray
    reduced: np.ndarray
    fronts: list[np.ndarray]


@dataclass(frozen=True, slots=True)
class SecondSweep:
    """Second derivatives, directions in chain order.

    Attributes
    ----------
    log_det : (k, k, A);  reduced : (k, k, m, m, A), of R'V^-1 R.
    """

    log_det: np.ndarray
    reduced: np.ndarray


def first_sweep(factor) -> FirstSweep:
    """All first derivatives, by one pass from the pooled to the top."""
    solver, pooled = factor.solver, factor.solver.pooled
    bottom, *links = solver.links
    log_det = np.zeros((solver.entries.count, factor.log_det.shape[0]))
    log_det[: len(bottom.directions)] = bottom.directions.traces(
        (factor.innermost_F * pooled.counts).sum(axis=2)
    )
    change = bottom.directions.congruences(factor.innermost_G, *packed_pairs(bottom.q))
    front = -unpack(pooled.gather(change, factor.members), bottom.width)
    fronts = []
    for link, step in zip(links, factor.eliminations, strict=True):
        f = len(front)
        fronts.append(front)
        log_det[:f] += np.einsum("ijla,fjila->fa", step.W, front[:, : link.q, : link.q])
        log_det[f : f + len(link.directions)] = link.directions.traces(step.F.sum(axis=2))
        through = _bordered(front, step.H, link.q)
        own = -_outer(step.C[None], np.einsum("eij,jvla->eivla", link.directions.dense, step.C))
        front = segment_sum(np.concatenate([_closed(through, step.H, link.q), own[0]]), link.starts)
    return FirstSweep(log_det, front[..., 0, :], fronts)


def second_sweep(factor, first: FirstSweep) -> SecondSweep:
    """All second derivatives, by one more pass."""
    solver = factor.solver
    k = solver.entries.count
    log_det = np.zeros((k, k, factor.log_det.shape[0]))
    front = _innermost_second(factor, log_det)
    for link, step, slope in zip(solver.links[1:], factor.eliminations, first.fronts, strict=True):
        f, o, q = len(slope), len(link.directions), link.q
        finer, own = slice(0, f), slice(f, f + o)
        dS = slope[:, :q, :q]
        WdS = np.einsum("ijla,fjkla->fikla", step.W, dS)
        log_det[finer, finer] += np.einsum("ijla,fgjila->fga", step.W, front[:, :, :q, :q])
        log_det[finer, finer] -= np.einsum("fijla,gjila->fga", WdS, WdS)
        moved = np.einsum("ijla,fjkla,mkla->imfa", step.G, dS, step.G)
        log_det[own, finer] = link.directions.traces(moved)
        log_det[finer, own] = np.swapaxes(log_det[own, finer], 0, 1)
        products = np.einsum("ijla,kmla->ijkma", step.F, step.F)
        log_det[own, own] = -link.directions.pair_traces(products)
        front = segment_sum(_second_update(link, step, slope, front), link.starts)
    return SecondSweep(log_det, front[..., 0, :])


def _innermost_second(factor, log_det) -> np.ndarray:
    pooled, bottom = factor.solver.pooled, factor.solver.links[0]
    o = len(bottom.directions)
    F = factor.innermost_F
    products = np.einsum("ijla,kmla->ijkma", F, F * pooled.counts)
    log_det[:o, :o] = -bottom.directions.pair_traces(products)
    EG = np.einsum("eij,jvla->eivla", bottom.directions.dense, factor.innermost_G)
    inner = _outer(EG, np.einsum("ijla,ejvla->eivla", F, EG))
    a, b = packed_pairs(bottom.q)
    return unpack(
        pooled.gather(inner[:, :, a, b] + inner[:, :, b, a], factor.members), bottom.width
    )


def _second_update(link, step, slope, front) -> np.ndarray:
    """(f + o, f + o, w, w, levels, A): second derivatives of the link's update."""
    f, o, q = len(slope), len(link.directions), link.q
    width = slope.shape[1] - q
    out = np.empty((f + o, f + o, width, width, *slope.shape[3:]))
    D = _bordered(slope, step.H, q)[:, :q]
    flat = front.reshape(f * f, *front.shape[2:])
    closed = _closed(_bordered(flat, step.H, q), step.H, q)
    out[:f, :f] = closed.reshape(f, f, *closed.shape[1:])
    out[:f, :f] -= _symmetric(_outer(D, np.einsum("ijla,fjvla->fivla", step.W, D)))
    EC = np.einsum("eij,jvla->eivla", link.directions.dense, step.C)
    mixed = _symmetric(_outer(np.einsum("ijla,fjvla->fivla", step.G, D), EC))
    out[:f, f:] = -mixed
    out[f:, :f] = -np.swapaxes(mixed, 0, 1)
    out[f:, f:] = _symmetric(_outer(EC, np.einsum("ijla,ejvla->eivla", step.F, EC)))
    return out


def _bordered(front: np.ndarray, H: np.ndarray, q: int) -> np.ndarray:
    """(f, w, w', levels, A): dF [-H; I]."""
    return front[:, :, q:] - np.einsum("fuila,ivla->fuvla", front[:, :, :q], H)


def _closed(bordered: np.ndarray, H: np.ndarray, q: int) -> np.ndarray:
    """(f, w', w', levels, A): [-H; I]' dF [-H; I]."""
    return bordered[:, q:] - np.einsum("iula,fivla->fuvla", H, bordered[:, :q])


def _outer(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(e, f, u, v, levels, A): left_e' right_f."""
    return np.einsum("eiula,fivla->efuvla", left, right)


def _symmetric(values: np.ndarray) -> np.ndarray:
    return values + np.swapaxes(values, 2, 3)
