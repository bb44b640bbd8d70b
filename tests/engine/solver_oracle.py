"""A solver's contract by its definition: n x n matrices, one response at a time."""

import numpy as np
from scipy.linalg import block_diag


def model_matrix(group) -> np.ndarray:
    """Z of one group, (n, levels * q), columns level-major."""
    n, q = len(group.codes), group.size
    Z = np.zeros((n, group.levels * q))
    for a, column in enumerate(group.columns):
        Z[np.arange(n), group.codes * q + a] = column
    return Z


class Brute:
    """Every quantity of a Factorization for one member."""

    def __init__(self, system, theta, member, taken=None):
        self.system, layout = system, system.layout
        self.Z = [model_matrix(group) for group in system.groups]
        # What a solver takes off y leaves P, and so the criterion, as it is.
        off = 0.0 if taken is None else taken @ system.X
        self.R = np.vstack([system.X, system.y[member] - off]).T
        self.psis = [lam @ lam.T for lam in layout.lambdas(theta)]
        self.V = np.eye(system.nobs)
        for Z, psi, group in zip(self.Z, self.psis, system.groups, strict=True):
            self.V += Z @ np.kron(np.eye(group.levels), psi) @ Z.T
        self.inverse = np.linalg.inv(self.V)
        self.changes = [
            self.Z[g] @ np.kron(np.eye(system.groups[g].levels), E) @ self.Z[g].T
            for g, E in layout.directions()
        ]
        self.log_det = np.linalg.slogdet(self.V)[1]
        self.reduced = self.R.T @ self.inverse @ self.R

    def trace_slopes(self):
        return np.array([np.trace(self.inverse @ change) for change in self.changes])

    def slopes(self):
        half = self.inverse @ self.R
        return np.array([half.T @ change @ half for change in self.changes])

    def pairs(self, U):
        half = self.inverse @ self.R @ U
        right = [change @ half for change in self.changes]
        return np.array([[np.trace(a.T @ self.inverse @ b) for b in right] for a in right])

    def pair_blocks(self, U):
        half = self.inverse @ self.R @ U
        right = [change @ half for change in self.changes]
        blocks = np.array([[a.T @ self.inverse @ b for b in right] for a in right])
        blocks = blocks.reshape(len(right), len(right), U.shape[1], U.shape[1])
        return (blocks + blocks.swapaxes(0, 1)) / 2

    def traces(self):
        right = [self.inverse @ change for change in self.changes]
        return np.array([[np.trace(a @ b) for b in right] for a in right])

    def cross(self):
        return [
            (Z.T @ self.inverse @ self.R).reshape(group.levels, group.size, -1)
            for Z, group in zip(self.Z, self.system.groups, strict=True)
        ]

    def posterior_blocks(self):
        bigs = [
            np.kron(np.eye(group.levels), psi)
            for psi, group in zip(self.psis, self.system.groups, strict=True)
        ]
        Z, big = np.hstack(self.Z), block_diag(*bigs)
        if all(np.linalg.cond(psi) < 1e8 for psi in self.psis):
            # the other form cancels where a variance is large
            whole = np.linalg.inv(Z.T @ Z + np.linalg.inv(big))
        else:
            whole = big - big @ Z.T @ self.inverse @ Z @ big
        out, begin = [], 0
        for group in self.system.groups:
            size = group.levels * group.size
            part = whole[begin : begin + size, begin : begin + size]
            view = part.reshape(group.levels, group.size, group.levels, group.size)
            index = np.arange(group.levels)
            out.append(view[index, :, index, :])
            begin += size
        return out


def assert_contract(system, solver, thetas, members, rtol=1e-8, U=None):
    """Compare every method of ``solver`` at (A, k) thetas with the definitions."""
    factor = solver.factorize(system.layout.lambdas(thetas), members)
    m = system.nfixed + 1
    rng = np.random.default_rng(5)
    U = rng.normal(size=(len(members), m, 2)) if U is None else U
    got = {
        "log_det": factor.log_det,
        "reduced": factor.reduced,
        "trace_slopes": factor.trace_slopes(),
        "slopes": factor.slopes(),
        "pairs": factor.pairs(U),
        "pair_blocks": factor.pair_blocks(U),
        "traces": factor.traces(),
    }
    cross, posterior = factor.cross(), factor.posterior_blocks()
    for i, member in enumerate(members):
        brute = Brute(system, thetas[i], member, factor.taken[i])
        for name, values in got.items():
            expected = getattr(brute, name)
            if callable(expected):
                expected = expected(U[i]) if name.startswith("pair") else expected()
            _close(values[i], expected, rtol, name)
        for g, expected in enumerate(brute.cross()):
            _close(cross[g][i], expected, rtol, f"cross {g}")
        for g, expected in enumerate(brute.posterior_blocks()):
            _close(posterior[g][i], expected, rtol, f"posterior {g}")


def _close(got, expected, rtol, name):
    scale = np.abs(expected).max(initial=1e-4)
    np.testing.assert_allclose(got, expected, rtol=0, atol=rtol * scale, err_msg=name)
