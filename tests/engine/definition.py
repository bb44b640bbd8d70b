"""What a solver must give, by its definition with n x n matrices, independent of the engine.

V = I + BB' with B = Z Lambda is inverted through the singular values of B, which keeps its digits
where variance ratios are huge.
"""

import numpy as np


def _design(system):
    """Z of every group, (n, levels, q)."""
    out = []
    for group in system.groups:
        Z = np.zeros((system.nobs, group.levels, group.size))
        for i, column in enumerate(group.columns):
            Z[np.arange(system.nobs), group.codes, i] = column
        out.append(Z)
    return out


def _along(Z, E):
    """Z (I x E) Z'."""
    flat = Z.reshape(len(Z), -1)
    return flat @ (Z @ E).reshape(len(Z), -1).T


def define(system, lambdas, response, U, taken):
    """All quantities of one member: Lambda (q, q) per group, the index of a response, U (m, r).

    ``taken`` (p,) is what the solver says that it took off the response.
    """
    Z, R = _design(system), np.column_stack([system.X.T, system.y[response] - taken @ system.X])
    psis = [lam @ lam.T for lam in lambdas]
    B = [(z @ lam).reshape(len(z), -1) for z, lam in zip(Z, lambdas, strict=True)]
    W, singular, _ = np.linalg.svd(np.concatenate(B, axis=1))
    values = np.ones(system.nobs)
    values[: len(singular)] += singular**2
    inverse = (W / values) @ W.T
    directions = system.layout.directions()
    changes = [_along(Z[g], E) for g, E in directions]
    cross = [np.einsum("nla,nm->lam", z, inverse @ R) for z in Z]
    moved = [change @ inverse @ R @ U for change in changes]
    products = [inverse @ change for change in changes]
    inner = [
        np.einsum("nla,nlb->lab", z, (inverse @ z.reshape(len(z), -1)).reshape(z.shape)) for z in Z
    ]
    return {
        "log_det": np.log(values).sum(),
        "reduced": R.T @ inverse @ R,
        "trace_slopes": np.array([np.vdot(inverse, change) for change in changes]),
        "slopes": np.array(
            [np.einsum("lam,ab,lbk->mk", cross[g], E, cross[g]) for g, E in directions]
        ),
        "pairs": np.array([[np.vdot(a, inverse @ b) for b in moved] for a in moved]),
        "traces": np.array([[np.vdot(a, b.T) for b in products] for a in products]),
        "cross": cross,
        "posterior_blocks": [psi - psi @ N @ psi for psi, N in zip(psis, inner, strict=True)],
    }


def compare(system, solver, theta, members):
    """Largest error of each quantity of a factorisation, relative to the quantity's largest entry.

    ``theta`` (A, k), ``members`` (A,). Errors of log|V| count relative to n where log|V| is small.
    """
    lambdas = system.layout.lambdas(theta)
    U = np.random.default_rng(5).normal(size=(len(members), system.nfixed + 1, 2))
    factor = solver.factorize(lambdas, members)
    found = {"log_det": factor.log_det, "reduced": factor.reduced, "pairs": factor.pairs(U)}
    for method in ("trace_slopes", "slopes", "traces", "cross", "posterior_blocks"):
        found[method] = getattr(factor, method)()
    errors = {}
    for a, response in enumerate(members):
        defined = define(system, [lam[a] for lam in lambdas], response, U[a], factor.taken[a])
        for name, expected in defined.items():
            if isinstance(expected, list):
                error = max(
                    _error(block[a], other)
                    for block, other in zip(found[name], expected, strict=True)
                )
            else:
                scale = system.nobs if name == "log_det" else 0.0
                error = _error(found[name][a], expected, scale)
            errors[name] = max(errors.get(name, 0.0), error)
    return errors


def _error(actual, expected, scale=0.0):
    assert np.shape(actual) == np.shape(expected)
    largest = max(np.abs(expected).max(), scale, 1e-300)
    return float(np.abs(actual - expected).max() / largest)
