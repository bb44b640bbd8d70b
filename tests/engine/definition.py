"""The criterion, and what a solver must give, by their definitions with n x n matrices.

Slow, short, and independent of the engine. For a solver's quantities V = I + BB', B = Z Lambda, is
inverted through the singular values of B, which keeps its digits where variance ratios are huge.
"""

from functools import cached_property

import numpy as np
from scipy.linalg import block_diag


def covariance(matrices, theta):
    """V (relative to sigma^2) for theta in lme4's order and scale."""
    n = matrices.nobs
    weights = np.ones(n) if matrices.weights is None else matrices.weights
    V, position = np.diag(1 / weights), 0
    for term in matrices.random:
        q, lam = term.model.shape[1], np.zeros((term.model.shape[1],) * 2)
        for column in range(q):
            lam[column:, column] = theta[position : position + q - column]
            position += q - column
        same = term.codes[:, None] == term.codes[None, :]
        V = V + same * (term.model @ lam @ lam.T @ term.model.T)
    return V


def objective(matrices, theta, reml, sigma=None):
    """-2 log (restricted) likelihood; sigma profiled out unless given."""
    y = matrices.y if matrices.offset is None else matrices.y - matrices.offset
    X, V = matrices.X, covariance(matrices, theta)
    n, p = X.shape
    inverse = np.linalg.inv(V)
    information = X.T @ inverse @ X
    beta = np.linalg.solve(information, X.T @ inverse @ y)
    r2 = (y - X @ beta) @ inverse @ (y - X @ beta)
    nu = n - p if reml else n
    sigma2 = r2 / nu if sigma is None else sigma**2
    value = np.linalg.slogdet(V)[1] + nu * np.log(2 * np.pi * sigma2) + r2 / sigma2
    return value + (np.linalg.slogdet(information)[1] if reml else 0.0)


def model_matrix(group) -> np.ndarray:
    """Z of one group, (n, levels, q)."""
    Z = np.zeros((len(group.codes), group.levels, group.size))
    for i, column in enumerate(group.columns):
        Z[np.arange(len(Z)), group.codes, i] = column
    return Z


def _flat(Z):
    return Z.reshape(len(Z), -1)


class Definition:
    """Every quantity of a Factorization for one member.

    Parameters
    ----------
    theta : (k,), whitened;  response : int.
    taken : (p,), what the solver says that it took off the response: P, and so the criterion, stay.
    """

    def __init__(self, system, theta, response, taken=None):
        self.system, layout = system, system.layout
        self.Z = [model_matrix(group) for group in system.groups]
        off = 0.0 if taken is None else taken @ system.X
        self.R = np.column_stack([system.X.T, system.y[response] - off])
        lambdas = layout.lambdas(np.asarray(theta, dtype=float))
        roots = [
            np.kron(np.eye(g.levels), lam) for g, lam in zip(system.groups, lambdas, strict=True)
        ]
        self.root = block_diag(np.zeros((0, 0)), *roots)
        none = np.zeros((system.nobs, 0))
        B = np.concatenate([none, *(_flat(Z) for Z in self.Z)], axis=1) @ self.root
        W, singular, self.right = np.linalg.svd(B, full_matrices=True)
        self.eigenvalues = np.ones(system.nobs)
        self.eigenvalues[: len(singular)] += singular**2
        self.inner = np.ones(len(self.right))
        self.inner[: len(singular)] += singular**2
        self.inverse = (W / self.eigenvalues) @ W.T
        self.directions = []
        for g, r, c in zip(layout.group, layout.row, layout.column, strict=True):
            E = np.zeros((layout.sizes[g],) * 2)
            E[r, c] = E[c, r] = 1.0
            self.directions.append((g, E))
        # V_e = Z (I x E_e) Z'
        self.changes = [_flat(self.Z[g]) @ _flat(self.Z[g] @ E).T for g, E in self.directions]

    @property
    def log_det(self):
        return np.log(self.eigenvalues).sum()

    @property
    def reduced(self):
        return self.R.T @ self.inverse @ self.R

    def trace_slopes(self):
        return np.array([np.vdot(self.inverse, change) for change in self.changes])

    def slopes(self):
        cross = self.cross()
        parts = [np.einsum("lam,ab,lbk->mk", cross[g], E, cross[g]) for g, E in self.directions]
        m = self.R.shape[1]
        return np.array(parts).reshape(-1, m, m)

    def pairs(self, U):
        return np.trace(self.pair_blocks(U), axis1=2, axis2=3)

    def pair_blocks(self, U):
        moved = [change @ self.inverse @ self.R @ U for change in self.changes]
        blocks = np.array([[a.T @ self.inverse @ b for b in moved] for a in moved])
        blocks = blocks.reshape(len(moved), len(moved), U.shape[1], U.shape[1])
        return (blocks + blocks.swapaxes(0, 1)) / 2

    @cached_property
    def _products(self):
        return [self.inverse @ change for change in self.changes]

    def traces(self):
        k = len(self.changes)
        values = [np.vdot(a, b.T) for a in self._products for b in self._products]
        return np.array(values).reshape(k, k)

    def cross(self):
        solved = self.inverse @ self.R
        return [np.einsum("nla,nm->lam", Z, solved) for Z in self.Z]

    def posterior_blocks(self):
        """Of Lambda (I + B'B)^-1 Lambda'."""
        half = self.root @ self.right.T
        whole, begin, out = (half / self.inner) @ half.T, 0, []
        for group in self.system.groups:
            size = group.levels * group.size
            part = whole[begin : begin + size, begin : begin + size]
            view = part.reshape(group.levels, group.size, group.levels, group.size)
            index = np.arange(group.levels)
            out.append(view[index, :, index, :])
            begin += size
        return out


PLAIN = ("trace_slopes", "slopes", "traces", "cross", "posterior_blocks")


def compare(system, solver, thetas, members, floor=1e-300):
    """Largest error of each quantity of a factorisation, relative to the quantity's largest entry.

    ``thetas`` (A, k), ``members`` (A,). Errors of log|V| count relative to n where log|V| is small,
    others absolutely where all entries are below ``floor``.
    """
    U = np.random.default_rng(5).normal(size=(len(members), system.nfixed + 1, 2))
    factor = solver.factorize(system.layout.lambdas(thetas), members)
    found = {"log_det": factor.log_det, "reduced": factor.reduced}
    found |= {"pairs": factor.pairs(U), "pair_blocks": factor.pair_blocks(U)}
    found |= {method: getattr(factor, method)() for method in PLAIN}
    errors = dict.fromkeys(found, 0.0)
    for a, response in enumerate(members):
        defined = Definition(system, thetas[a], response, factor.taken[a])
        expected = {"log_det": defined.log_det, "reduced": defined.reduced}
        expected |= {"pairs": defined.pairs(U[a]), "pair_blocks": defined.pair_blocks(U[a])}
        expected |= {method: getattr(defined, method)() for method in PLAIN}
        for name, value in expected.items():
            least = system.nobs if name == "log_det" else floor
            parts = zip(found[name], value, strict=True) if isinstance(value, list) else None
            both = [(b[a], v) for b, v in parts] if parts else [(found[name][a], value)]
            errors[name] = max([errors[name], *(_error(*pair, least) for pair in both)])
    return errors


def _error(actual, expected, least):
    assert np.shape(actual) == np.shape(expected)
    largest = np.abs(expected).max(initial=least)
    return float(np.abs(actual - expected).max(initial=0.0) / largest)
