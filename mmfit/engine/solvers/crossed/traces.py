"""Second-order quantities of crossed factors, from matrices of the remainder's order only.

With Z_1 = Q T', A = Q'Z_t the coupling of the eliminated factor 1 and the remainder t, G = T (I +
T'Psi_1 T)^-1, C = G A, F = G T', S the reduced products of the remainder, J its conditional
covariance and Q = I - J S, the blocks of N = Z'V^-1 Z are
N_tt = S Q,  N_1t = C Q,  N_11 = blockdiag(F) - C J C'.
"""

from typing import Protocol

import numpy as np

from mmfit.engine.covariance.directions import EntryOrder
from mmfit.engine.solvers.contract.coupling import Coupling
from mmfit.engine.solvers.contract.remainder import Remainder
from mmfit.engine.solvers.crossed.remainder.columns import RemainderColumns
from mmfit.engine.solvers.levels.member_blocks import EliminatedFactor, level_sums, multiply


class CrossedDesign(Protocol):
    """What these quantities take of the cross-products; see :class:`solver.CrossedSolver`."""

    entries: EntryOrder
    columns: RemainderColumns
    coupling: Coupling
    T: np.ndarray


class CrossedFactors(Protocol):
    """What they take of a factorisation.

    Attributes
    ----------
    size : int, A;  lead : EliminatedFactor, G and what goes with it;  remainder : Remainder.
    F : (A, q, q, L), F;  X : (A, q, q, L), C_l J C_l'.
    flat_cross : Z'V^-1 R per group in the solver's order, (A, m, q, L).
    """

    solver: CrossedDesign
    size: int
    lead: EliminatedFactor
    remainder: Remainder

    @property
    def F(self) -> np.ndarray: ...

    @property
    def X(self) -> np.ndarray: ...

    @property
    def flat_cross(self) -> list[np.ndarray]: ...


def crossed_pairs(factor: CrossedFactors, U: np.ndarray) -> np.ndarray:
    """(A, k, k): tr(w_e' N w_f), w_e = E_e Z'V^-1 R U on the group of entry e."""
    if not U.shape[2]:
        return np.zeros((factor.size, factor.solver.entries.count, factor.solver.entries.count))
    return factor.solver.entries.arrange(_moments(factor, U, 1), 2)


def crossed_pair_blocks(factor: CrossedFactors, U: np.ndarray) -> np.ndarray:
    """(A, k, k, r, r): w_e' N w_f for the columns of U, averaged over the order of e and f."""
    entries, r = factor.solver.entries, U.shape[2]
    shape = (factor.size, entries.count, r, entries.count, r)
    if not r:
        return np.zeros((factor.size, entries.count, entries.count, 0, 0))
    blocks = _moments(factor, U, r).reshape(shape).transpose(0, 1, 3, 2, 4)
    return entries.arrange((blocks + blocks.swapaxes(1, 2)) / 2, 2)


def _moments(factor: CrossedFactors, U: np.ndarray, each: int) -> np.ndarray:
    """(A, k each, k each): products w'N w in the solver's order of the entries.

    ``each`` is 1 for the sums over the r columns of U, r for every product of two columns.
    """
    solver, members = factor.solver, factor.size
    entries, transposed = solver.entries, U.swapaxes(1, 2)
    r, first = U.shape[2], entries.places[0].stop
    c = _combine(transposed, factor.flat_cross[0])
    w = entries.directions[0].along(c).reshape(members, first * r, *c.shape[2:])
    shrunk = multiply(factor.lead.shrink.swapaxes(1, 2), w)
    rows = _remainder_directions(factor, transposed)
    # Z_t'V_0^-1 times every Z w
    seen = np.concatenate(
        [solver.coupling.transposed(shrunk), factor.remainder.multiply(rows)], axis=1
    )
    effects, left = factor.remainder.solve(seen)
    lead, count = first * each, entries.count * each
    by_entry = (members, count, -1)
    across = _gram(rows.reshape(members, count - lead, -1), left.reshape(by_entry))
    # Z_1'V_0^-1 Z_1 = T G'
    T = solver.T
    own = T * shrunk if len(T) == 1 else np.einsum("ijl,acjl->acil", T, shrunk)
    both = _gram(w.reshape(members, lead, -1), own.reshape(members, lead, -1))
    seen, effects = seen.reshape(by_entry), effects.reshape(by_entry)
    both -= _gram(seen[:, :lead], effects[:, :lead])
    out = np.empty((members, count, count))
    out[:, :lead, :lead] = both
    out[:, lead:] = across
    out[:, :lead, lead:] = across[:, :, :lead].swapaxes(1, 2)
    return (out + out.swapaxes(1, 2)) / 2


def _combine(transposed: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Z'V^-1 R U, (A, r, q, L), from U' and Z'V^-1 R (A, m, q, L)."""
    members, m, q, levels = c.shape
    return (transposed @ c.reshape(members, m, q * levels)).reshape(members, -1, q, levels)


def _remainder_directions(factor, transposed: np.ndarray) -> np.ndarray:
    """(A, k_t r, T): w_e of the remainder's entries."""
    solver = factor.solver
    first = solver.entries.places[0].stop
    r, T = transposed.shape[1], solver.columns.width
    out = np.zeros((factor.size, solver.entries.count - first, r, T))
    crosses = factor.flat_cross[1:]
    entries = zip(solver.entries.directions[1:], solver.entries.places[1:], strict=True)
    for (along, own), place, cross in zip(entries, solver.columns.places, crosses, strict=True):
        w = along.along(_combine(transposed, cross))
        out[:, own.start - first : own.stop - first, :, place] = w.reshape(*w.shape[:3], -1)
    return out.reshape(factor.size, -1, T)


def _gram(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return x @ y.swapaxes(1, 2)


def crossed_traces(factor: CrossedFactors) -> np.ndarray:
    """(A, k, k): tr(V^-1 V_e V^-1 V_f)."""
    entries = factor.solver.entries
    (lead, *others), (first, *places) = entries.directions, entries.places
    out = np.empty((factor.size, entries.count, entries.count))
    sums, both = factor.remainder.through(_inner(factor, lead.dense))
    out[:, first, first] = both + _eliminated(factor, lead.dense)
    for e, blocks in enumerate(sums):
        for along, place, block in zip(others, places, blocks, strict=True):
            out[:, e, place] = out[:, place, e] = along.member_traces(block)
    for b, one in enumerate(others):
        for d in range(b, len(others)):
            values = one.contract(factor.remainder.products(b, d), others[d])
            out[:, places[b], places[d]] = values
            out[:, places[d], places[b]] = values.swapaxes(1, 2)
    return entries.arrange(out, 2)


def _inner(factor, directions: np.ndarray) -> list[np.ndarray]:
    """M_e = A'G'E_e G A for the entries of the eliminated group, (A, T, T) each."""
    G, schur = factor.lead.shrink, factor.solver.coupling.schur
    if G.shape[1] == 1:
        return [schur(G * G)]
    return [schur(np.einsum("aikl,ij,ajml->akml", G, E, G)) for E in directions]


def _eliminated(factor, directions: np.ndarray) -> np.ndarray:
    """(A, k_1, k_1): the part of the traces that is a sum over the eliminated levels."""
    F, X = factor.F, factor.X
    if F.shape[1] == 1:
        return (F * (F - 2.0 * X)).sum(axis=3)[:, 0][:, None]
    left = np.einsum("eij,ajkmi->aekm", directions, level_sums(F, X))
    return np.einsum("aekm,fkm->aef", left, directions)
