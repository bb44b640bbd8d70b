"""The criterion by its definition, with n x n matrices: slow, short, independent of the engine."""

import numpy as np


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
