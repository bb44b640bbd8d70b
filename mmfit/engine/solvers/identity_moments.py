"""What the starting value needs of a design: second moments at V = I."""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.solvers.contract import Factorization


@dataclass(frozen=True, slots=True)
class Blank:
    """Products at V = I, in the layout's directions V_e = Z_g (I x E_e) Z_g'.

    Attributes
    ----------
    traces : (k, k), tr(V_e V_f);  trace_slopes : (k,), tr(V_e).
    x_pairs : (k, k), tr(X'V_e V_f X);  x_slopes : (k, p, p), X'V_e X.
    y_slopes : (B, k), y'V_e y.
    """

    traces: np.ndarray
    trace_slopes: np.ndarray
    x_pairs: np.ndarray
    x_slopes: np.ndarray
    y_slopes: np.ndarray


def blank_from(design: Factorization, responses: Factorization) -> Blank:
    """From a factorisation of one member and one of all responses, both at theta = 0."""
    p = design.reduced.shape[1] - 1
    slopes, traces = design.slopes(), design.traces()[0]
    return Blank(
        traces=traces,
        trace_slopes=design.trace_slopes()[0],
        x_pairs=design.pairs(np.eye(p + 1)[None, :, :p])[0] if p else np.zeros_like(traces),
        x_slopes=slopes[0, :, :p, :p],
        y_slopes=(slopes if design is responses else responses.slopes())[:, :, p, p],
    )
