"""Sparse symmetric positive definite matrices of one pattern, factorised again and again.

    plan = analyze(pattern)              once: ordering, elimination tree, fronts, places of entries
    factor = factorize(plan, values)     many times: K = P'LL'P
    factor.log_det, factor.solve(B), factor.half_solve(B)
    factor.selected_inverse()            K⁻¹ on the pattern
    factor.selected_inverse_derivative(dK)            -K⁻¹ dK K⁻¹ on the pattern, exactly

The ordering is SuperLU's minimum degree, or CHOLMOD's (nested dissection among others, often half
the work) where scikit-sparse is installed and asked for. The numeric phase is a multifrontal one of
our own in either case: SuperLU would order and analyse again for every matrix, and neither of the
two gives the inverse on the pattern, which gradients need.

`Symbolic.flops` and `Symbolic.working_doubles` are known before any arithmetic, for a caller who
has to choose between this and a dense factorisation.
"""

from mmfit.engine.solvers.sparse.numeric import SparseCholesky, factorize
from mmfit.engine.solvers.sparse.plan import Symbolic
from mmfit.engine.solvers.sparse.symbolic import analyze

__all__ = ["SparseCholesky", "Symbolic", "analyze", "factorize"]
