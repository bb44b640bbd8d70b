"""Kenward and Roger's method by its definition: n x n matrices, the user's own parameters.

Formulas as in Halekoh & Hojsgaard 2014, J. Stat. Software 59(9), section 3; nothing is shared with
the package.
"""

import numpy as np


class BruteKenwardRoger:
    """gamma = (entries of the covariances of the random terms, sigma^2), V = sum gamma_r G_r."""

    def __init__(self, fit, matrices):
        n = matrices.nobs
        weights = np.ones(n) if matrices.weights is None else matrices.weights
        gamma, G = [], []
        for term, estimate in zip(matrices.random, fit.terms, strict=True):
            same = term.codes[:, None] == term.codes[None, :]
            q = term.model.shape[1]
            for c in range(q):
                for r in range(c, q):
                    E = np.zeros((q, q))
                    E[r, c] = E[c, r] = 1.0
                    G.append(same * (term.model @ E @ term.model.T))
                    gamma.append(estimate.covariance[r, c])
        G.append(np.diag(1 / weights))
        gamma.append(fit.sigma**2)
        X = matrices.X
        inverse = np.linalg.inv(sum(g * M for g, M in zip(gamma, G, strict=True)))
        self.phi = np.linalg.inv(X.T @ inverse @ X)
        self.P = [-X.T @ inverse @ M @ inverse @ X for M in G]
        self.Q = [[X.T @ inverse @ A @ inverse @ B @ inverse @ X for B in G] for A in G]
        projector = inverse - inverse @ X @ self.phi @ X.T @ inverse
        moved = [projector @ M for M in G]
        information = np.array([[0.5 * np.sum(A * B.T) for B in moved] for A in moved])
        scale = 1 / np.sqrt(np.diag(information))
        scaled = np.linalg.inv(information * np.outer(scale, scale))
        self.W = scaled * np.outer(scale, scale)
        index = range(len(G))
        inner = sum(
            self.W[r, s] * (self.Q[r][s] - self.P[r] @ self.phi @ self.P[s])
            for r in index
            for s in index
        )
        self.adjusted = self.phi + 2 * self.phi @ inner @ self.phi

    def sums(self, L):
        """A1 and A2."""
        theta = L.T @ np.linalg.inv(L @ self.phi @ L.T) @ L
        U = [theta @ self.phi @ P @ self.phi for P in self.P]
        index = range(len(U))
        A1 = sum(self.W[r, s] * np.trace(U[r]) * np.trace(U[s]) for r in index for s in index)
        A2 = sum(self.W[r, s] * np.trace(U[r] @ U[s]) for r in index for s in index)
        return A1, A2

    def f_test(self, L, beta):
        """(scaled F, denominator): equations of Kenward & Roger 1997, p. 988."""
        q = len(L)
        A1, A2 = self.sums(L)
        B = (A1 + 6 * A2) / (2 * q)
        g = ((q + 1) * A1 - (q + 4) * A2) / ((q + 2) * A2)
        d = 3 * q + 2 * (1 - g)
        c1, c2, c3 = g / d, (q - g) / d, (q + 2 - g) / d
        mean = 1 / (1 - A2 / q)
        variance = 2 / q * (1 + c1 * B) / ((1 - c2 * B) ** 2 * (1 - c3 * B))
        rho = variance / (2 * mean**2)
        den_df = 4 + (q + 2) / (q * rho - 1)
        scale = den_df / (mean * (den_df - 2))
        d = L @ beta
        return scale * d @ np.linalg.solve(L @ self.adjusted @ L.T, d) / q, den_df
