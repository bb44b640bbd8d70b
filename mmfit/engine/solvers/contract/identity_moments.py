"""Second moments at V = I from factorisations at theta = 0."""

import numpy as np

from mmfit.engine.solvers.contract.solver import Factorization, IdentityMoments


def moments_from(design: Factorization, responses: Factorization) -> IdentityMoments:
    """From a factorisation of one member and one of all responses, both at theta = 0."""
    p = design.reduced.shape[1] - 1
    slopes, traces = design.slopes(), design.traces()[0]
    return IdentityMoments(
        traces=traces,
        trace_slopes=design.trace_slopes()[0],
        x_pairs=design.pairs(np.eye(p + 1)[None, :, :p])[0] if p else np.zeros_like(traces),
        x_slopes=slopes[0, :, :p, :p],
        y_slopes=(slopes if design is responses else responses.slopes())[:, :, p, p],
    )
