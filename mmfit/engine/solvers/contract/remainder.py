"""What is asked of the remainder: the factors that are left when one is eliminated.

With V_0 = I + Z_1 Psi_1 Z_1' the part of the eliminated factor 1 and Z_t the T columns of the
others, effect by effect (:class:`mmfit.engine.solvers.crossed.remainder.columns.RemainderColumns`),

    S = Z_t'V_0^-1 Z_t,   Gamma block diagonal with the Lambdas of the others' levels
    J = Gamma (I + Gamma'S Gamma)^-1 Gamma',   N = Z_t'V^-1 Z_t = S - S J S,   Q = I - J S

J is the conditional covariance of the effects. Nothing may be lost where Gamma is zero, singular
or large: with Gamma = U diag(s) V' and P = (I + s U'S U s)^-1, N and Q of columns with large s are
(I - P) / (s s') and s P / s', of the others they are formed from S.

A symmetric T x T matrix has the form that the coupling beside the remainder gives it
(:mod:`coupling`): S and M_e come so, ``covariance`` answers so. Both may be changed in place by the
remainder that they are given to.
"""

from typing import Protocol

import numpy as np

from mmfit.engine.solvers.contract.solver import SecondOrderCost


class Remainder(Protocol):
    """The remainder's system factorised for A members; every array has the member first.

    Attributes
    ----------
    log_det : (A,), log|I + Gamma'S Gamma|; NaN where that is not positive definite in double
        precision, whatever the other members are.
    """

    log_det: np.ndarray

    def gram(self, rows: np.ndarray) -> np.ndarray:
        """(A, m, m): rows J rows' for rows (A, m, T)."""

    def solve(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(rows J, rows Q), each (A, c, T), for rows (A, c, T)."""

    def multiply(self, rows: np.ndarray) -> np.ndarray:
        """(A, c, T): rows S."""

    def covariance(self) -> np.ndarray:
        """J, (A, *shape) in the coupling's form."""

    def trace_blocks(self) -> list[np.ndarray]:
        """Per group (A, q, q), the sum over its levels of the diagonal blocks of N."""

    def posterior(self) -> list[np.ndarray]:
        """Per group (A, L, q, q), the diagonal blocks of J."""

    def products(self, g: int, h: int) -> np.ndarray:
        """(A, q, q, p, p) with sum of E_ij F_km [i, j, k, m] = tr(E N_gh F N_hg), g <= h.

        For symmetric E on the q effects of group g and F on the p of h (I x E on the levels):
        [i, j, k, m] is the sum over entries of N_(gi)(hk) N_(gj)(hm), of which only the part that
        is symmetric in i, j and in k, m is defined.
        """

    def through(self, inner: list[np.ndarray]) -> tuple[list[list[np.ndarray]], np.ndarray]:
        """What the derivatives M_e = Z_t'V_0^-1 V_e V_0^-1 Z_t, each (A, *shape), bring to traces.

        Returns per e and group the (A, q, q) sums over its levels of the diagonal blocks of
        Q'M_e Q, symmetric, and the (A, k, k) traces of M_e J M_f J.
        """


class RemainderPlan(Protocol):
    """How remainders of one design are factorised; what is known of them before any theta.

    Attributes
    ----------
    name : str, of a solver with this remainder, as recorded in the fit.
    second_order_is_cheap : bool, see :class:`mmfit.engine.solvers.contract.solver.Solver`.
    """

    name: str
    second_order_is_cheap: bool

    def factorize(self, S: np.ndarray, lambdas: list[np.ndarray]) -> Remainder:
        """For S (A, *shape) and Lambda (A, q, q) of each group of the remainder."""

    def cost(self, passes: float) -> SecondOrderCost:
        """Of so many passes over a factorised remainder (a factorisation is one)."""


class MemberRemainder(Protocol):
    """The same of one member: :class:`Remainder` without the axis of the members."""

    log_det: float

    def gram(self, rows: np.ndarray) -> np.ndarray: ...

    def solve(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...

    def multiply(self, rows: np.ndarray) -> np.ndarray: ...

    def covariance(self) -> np.ndarray: ...

    def trace_blocks(self) -> list[np.ndarray]: ...

    def posterior(self) -> list[np.ndarray]: ...

    def products(self, g: int, h: int) -> np.ndarray: ...

    def through(self, inner: list[np.ndarray]) -> tuple[list[list[np.ndarray]], np.ndarray]: ...
