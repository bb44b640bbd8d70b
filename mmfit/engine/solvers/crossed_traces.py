"""tr(V^-1 V_a V^-1 V_b) for crossed factors, from matrices of the tail's order only.

With A the coupling of the eliminated factor 1 and the tail t, G = (I + Z_1'Z_1 Psi_1)^-1,
C = G A, F = G Z_1'Z_1, S the reduced tail products, J the tail's conditional covariance and
Q = I - J S, the blocks of N = Z'V^-1 Z are
N_tt = S Q,  N_1t = C Q,  N_11 = blockdiag(F) - C J C'.
"""

import numpy as np


def crossed_traces(factor, directions: list[tuple[int, np.ndarray]]) -> np.ndarray:
    """(m, m) matrix of traces; ``directions`` are (group, symmetric E)."""
    solver, m = factor.solver, len(directions)
    lead = [a for a in range(m) if directions[a][0] == solver.lead]
    tail = [a for a in range(m) if directions[a][0] != solver.lead]
    # At theta = 0 of the tail (the start) J vanishes and the large products with it.
    at_zero = not any(factor.lambdas[g].any() for g in solver.tail)
    Q = None if at_zero else np.eye(len(factor.S)) - factor.J @ factor.S
    N = factor.S if at_zero else factor.S @ Q
    out = np.zeros((m, m))
    _tail_tail(out, solver, N, directions, tail)
    G, Gt = factor.shrink, np.swapaxes(factor.shrink, 1, 2)
    inner = {a: solver.schur.schur(Gt @ directions[a][1] @ G) for a in lead}
    for a in lead:
        seen = inner[a] if at_zero else Q.T @ inner[a] @ Q
        for b in tail:
            g, E = directions[b]
            blocks = solver.diagonal_blocks(seen, g)
            out[a, b] = out[b, a] = np.einsum("lij,ji->", blocks, E)
    _lead_lead(out, factor, directions, lead, inner, at_zero)
    return out


def _tail_tail(out, solver, N, directions, tail):
    for a in tail:
        for b in tail:
            if b < a:
                continue
            (g, E), (h, D) = directions[a], directions[b]
            s = solver.slices[solver.tail.index(g)]
            t = solver.slices[solver.tail.index(h)]
            block = N[s, t].reshape(-1, len(E), solver.groups[h].levels, len(D))
            if len(E) == len(D) == 1:
                value = E[0, 0] * D[0, 0] * np.vdot(block, block)
            else:
                moved = np.einsum("ij,ajbk,kl->aibl", E, block, D, optimize=True)
                value = np.vdot(block, moved)
            out[a, b] = out[b, a] = value


def _lead_lead(out, factor, directions, lead, inner, at_zero):
    F = factor.shrink @ factor.solver.own
    if not at_zero:
        X = factor.shrink @ factor.lead_adjoint @ np.swapaxes(factor.shrink, 1, 2)
        moved = {a: factor.J @ inner[a] for a in lead}
    for a in lead:
        for b in lead:
            if b < a:
                continue
            E, D = directions[a][1], directions[b][1]
            EFD, DFE = E @ F @ D, D @ F @ E
            value = np.einsum("lij,lji->", F, EFD)
            if not at_zero:
                value -= np.einsum("lij,lji->", X, EFD + DFE)
                value += np.vdot(moved[a], moved[b].T)
            out[a, b] = out[b, a] = value
