"""Random designs in which the data may not tell all variances apart, and n x n algebra for them.

Nothing here is shared with the engine: moves of the variance parameters that no data see are the
null space of the K'G_r K, K a basis of what is perpendicular to X.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

import mmfit

FORMULAS = (
    "t + (t | g)",
    "t + (1 | g) + (1 | h)",
    "f + x + (x | g)",
    "f + x + (1 | g)",
    "t + x + (x || g)",
    "t + (1 | g) + (0 + x | h)",
    "x + (t | g)",
    "f + (1 | g) + (x | h)",
    "t + x + (t + x | g)",
    "0 + f:x + (x | g)",
)


def random_model(rng) -> tuple[mmfit.LinearMixedModel, pd.DataFrame] | None:
    """A fit and its data; None for a design that is refused, or where nothing is found."""
    levels, n = int(rng.integers(3, 7)), int(rng.integers(18, 40))
    data = pd.DataFrame({"g": rng.integers(0, levels, n), "x": rng.normal(size=n)})
    data["t"] = rng.choice(list("ABC"), n, p=[0.5, 0.35, 0.15])
    kind = rng.integers(6)
    if kind == 0:  # a level that stands in one row
        data["t"] = rng.choice(list("AB"), n)
        data.loc[rng.integers(n), "t"] = "C"
    if kind == 1:  # a treatment between groups
        data["t"] = np.array(list("AB"))[data["g"] % 2]
    data["f"] = "f" + (data["g"] if kind == 2 else pd.Series(rng.integers(0, 3, n))).astype(str)
    data["h"] = data["g"] * 10 if kind == 3 else rng.integers(0, 4, n)
    if kind == 4:  # a covariate of the groups
        data["x"] = data["g"] % 3 * 1.0
    data["y"] = rng.normal(size=levels)[data["g"]] + rng.normal(size=n)
    formula = FORMULAS[rng.integers(len(FORMULAS))]
    weights = rng.uniform(0.5, 2, n) if rng.random() < 0.3 else None
    try:
        fit = mmfit.lmer(f"y ~ {formula}", data, reml=bool(rng.integers(3)), weights=weights)
    except mmfit.MmfitError:
        return None
    return (fit, data) if fit.converged else None


@dataclass
class Dense:
    """X and the matrices G_r of Var(y) = sum of gamma_r G_r, at a random gamma and moves of it."""

    X: np.ndarray
    G: list[np.ndarray]
    terms: list
    gamma: np.ndarray
    moves: np.ndarray

    @classmethod
    def of(cls, fit, rng):
        """The variance parameters are term by term the lower triangle, then the residual's."""
        terms, G, gamma = list(fit.matrices.random), [], []
        for term in terms:
            same, q = term.codes[:, None] == term.codes, term.model.shape[1]
            scale = np.sqrt((term.model**2).mean(axis=0))
            root = rng.normal(size=(q, q)) / np.where(scale > 0, scale, 1)[:, None]
            psi = root @ root.T + 0.5 * np.diag(1 / np.where(scale > 0, scale, 1) ** 2)
            for c in range(q):
                for r in range(c, q):
                    block = np.outer(term.model[:, r], term.model[:, c])
                    G.append((block + block.T if r > c else block) * same)
                    gamma.append(psi[r, c])
        weights = fit.matrices.weights
        n = fit.nobs
        G.append(np.eye(n) if weights is None else np.diag(1 / weights))
        X = fit.matrices.X
        K = np.linalg.svd(X)[0][:, X.shape[1] :]
        rows = np.array([(K.T @ g @ K).ravel() for g in G])
        size = np.array([np.linalg.norm(g) or 1.0 for g in G])
        _, values, right = np.linalg.svd((rows / size[:, None]).T)
        rank = int((values > 1e-7 * values[0]).sum())
        return cls(X, G, terms, np.array([*gamma, 1.0]), right[rank:] / size)

    def psis(self, gamma):
        """The covariance matrix of each term."""
        out, i = [], 0
        for term in self.terms:
            q = term.model.shape[1]
            psi = np.zeros((q, q))
            for c in range(q):
                for r in range(c, q):
                    psi[r, c] = psi[c, r] = gamma[i]
                    i += 1
            out.append(psi)
        return out

    def moved(self):
        """Per move another gamma that no data tell from the first."""
        for move in self.moves:
            step = 0.3 / np.abs(move / np.abs(self.gamma)).max()
            while True:
                gamma = self.gamma + step * move
                roots = [np.linalg.eigvalsh(psi)[0] for psi in self.psis(gamma)]
                if min(roots) > 0 and gamma[-1] > 0:
                    break
                step /= 2
            yield gamma

    def phi(self, gamma):
        """The covariance of the fixed effects."""
        V = sum(value * g for value, g in zip(gamma, self.G, strict=True))
        return np.linalg.inv(self.X.T @ np.linalg.inv(V) @ self.X)

    def predictions(self, gamma, rows):
        """Weights of the predictions (m, n) and the variances of four kinds of prediction."""
        W = np.linalg.inv(sum(value * g for value, g in zip(gamma, self.G, strict=True)))
        K, own = np.zeros((len(rows.X), len(self.X))), np.zeros(len(rows.X))
        for term, there, psi in zip(self.terms, rows.random, self.psis(gamma), strict=True):
            K += (there.model @ psi @ term.model.T) * (there.codes[:, None] == term.codes)
            own += np.einsum("nq,qr,nr->n", there.model, psi, there.model)
        phi = np.linalg.inv(self.X.T @ W @ self.X)
        beta = phi @ self.X.T @ W
        weights = rows.X @ beta + K @ W @ (np.eye(len(self.X)) - self.X @ beta)
        rest = rows.X - K @ W @ self.X
        error = np.einsum("np,pq,nq->n", rest, phi, rest) + own - ((K @ W) * K).sum(axis=1)
        mean = np.einsum("np,pq,nq->n", rows.X, phi, rows.X)
        return weights, error, error + gamma[-1], mean, mean + own + gamma[-1]
