"""Profile likelihood by its definition: n x n matrices, a general minimiser, several starts.

Independent of the engine and of the package's coordinates: standard deviations on the log scale,
correlations by angles on spheres, beta by generalised least squares.
"""

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import minimize


class Definition:
    """-2 log likelihood of a model at standard deviations, correlations and sigma."""

    def __init__(self, matrices):
        self.y = matrices.y if matrices.offset is None else matrices.y - matrices.offset
        self.X, self.random = matrices.X, matrices.random
        n = matrices.nobs
        self.noise = np.ones(n) if matrices.weights is None else 1 / matrices.weights
        self.same = [term.codes[:, None] == term.codes[None, :] for term in self.random]
        self.log_weights = -np.log(self.noise).sum()

    def deviance(self, covariances, sigma, fixed=None):
        """``fixed``: (index, value) of a coefficient that is held."""
        X, y = self.X, self.y
        if fixed is not None:
            y, X = y - fixed[1] * X[:, fixed[0]], np.delete(X, fixed[0], axis=1)
        V = np.diag(sigma**2 * self.noise)
        for term, same, G in zip(self.random, self.same, covariances, strict=True):
            V += same * (term.model @ G @ term.model.T)
        try:
            L = np.linalg.cholesky(V)
        except np.linalg.LinAlgError:
            return 1e10
        white = solve_triangular(L, np.column_stack([X, y]), lower=True)
        r = white[:, -1]
        if X.shape[1]:
            r = r - white[:, :-1] @ np.linalg.lstsq(white[:, :-1], r, rcond=None)[0]
        return len(y) * np.log(2 * np.pi) + 2 * np.log(np.diag(L)).sum() + r @ r


def profiled(matrices, fit, parameter, value, starts=3):
    """The smallest -2 log likelihood found with ``parameter`` at ``value``."""
    definition = Definition(matrices)
    sizes = [term.model.shape[1] for term in matrices.random]
    orders = [_order(parameter, t, q) for t, q in enumerate(sizes)]

    def unpack(z):
        z = np.clip(z, -60.0, 60.0)
        begin, out = 0, []
        for t, (q, order) in enumerate(zip(sizes, orders, strict=True)):
            sd = np.exp(z[begin : begin + q])
            angles = z[begin + q : begin + q + q * (q - 1) // 2].copy()
            begin += q * (q + 1) // 2
            if t == parameter.index and parameter.kind == "sd":
                sd[0] = value
            if t == parameter.index and parameter.kind == "cor":
                angles[0] = np.arccos(value)
            root = _directions(angles, q) * sd[:, None]
            G = np.empty((q, q))
            G[np.ix_(order, order)] = root @ root.T
            out.append(G)
        return out, value if parameter.kind == "sigma" else np.exp(z[begin])

    fixed = (parameter.index, value) if parameter.kind == "fixed" else None
    rng, best = np.random.default_rng(1), np.inf
    for number in range(starts):
        start = _start(fit, orders, rng, number)
        found = minimize(
            lambda z: definition.deviance(*unpack(z), fixed), start, method="BFGS", tol=1e-6
        )
        best = min(best, found.fun)
    return best


def _order(parameter, t, q):
    first = ()
    if parameter.index == t and parameter.kind in ("sd", "cor"):
        first = dict.fromkeys((parameter.row, parameter.column))
    return [*first, *(i for i in range(q) if i not in first)]


def _directions(angles, q):
    """(q, q) lower triangular, rows of length 1."""
    out, place = np.eye(q), 0
    for row in range(1, q):
        left = 1.0
        for column in range(row):
            out[row, column] = left * np.cos(angles[place])
            left *= np.sin(angles[place])
            place += 1
        out[row, row] = left
    return out


def _start(fit, orders, rng, number):
    """The estimates with correlations of zero at first; then anywhere around."""
    parts, far = [], number > 0
    for term, order in zip(fit.terms, orders, strict=True):
        q = len(order)
        sd = np.maximum(np.sqrt(np.diag(term.covariance)), 0.05 * fit.sigma)[order]
        parts.append(np.log(sd) + far * rng.normal(size=q) / 2)
        angles = q * (q - 1) // 2
        parts.append(np.pi / 2 + far * rng.uniform(-1.4, 1.4, size=angles))
    return np.concatenate([*parts, [np.log(fit.sigma)]])
