"""A chain of nested factors at V = I: sums over levels of their raw products.

With r = Z_i'Z_j, x_i = Z_i'X by level of factor i (and x_j of the level of factor j that contains
it), tr(V_e V_f) is the sum of tr(E r F r') and tr(X'V_e V_f X) that of tr(x_i'E r F x_j).
"""

import numpy as np

from mmfit.engine.covariance.directions import EntryOrder
from mmfit.engine.solvers.contract.solver import IdentityMoments


def nested_moments(links, parents, entries: EntryOrder) -> IdentityMoments:
    """``links``: the solver's; ``parents``: the chain's; ``entries``: by link."""
    k, places = entries.count, entries.position
    traces, x_pairs = np.empty((k, k)), np.empty((k, k))
    for i, link in enumerate(links):
        x, above = link.fixed, None
        column = 0
        for j in range(i, len(links)):
            other = links[j]
            if j > i:
                above = parents[j - 1] if above is None else parents[j - 1][above]
            r = link.raw.design[:, column : column + other.q]
            column += other.q
            x_other = other.fixed if above is None else other.fixed[..., above]
            mixed = np.einsum("apl,dpl->adl", x, x_other)
            here = entries.places[i], entries.places[j]
            traces[here] = link.directions.contract(
                np.einsum("adl,bcl->abcd", r, r), other.directions
            )
            x_pairs[here] = link.directions.contract(
                np.einsum("adl,bcl->abcd", mixed, r), other.directions
            )
            traces[here[::-1]], x_pairs[here[::-1]] = traces[here].T, x_pairs[here].T
    own = [link.raw.design[:, : link.q].sum(axis=2) for link in links]
    x_sums = [np.einsum("apl,bql->abpq", link.fixed, link.fixed) for link in links]
    y_sums = [np.einsum("alm,blm->abm", link.raw.responses, link.raw.responses) for link in links]
    return IdentityMoments(
        traces=traces[places[:, None], places],
        trace_slopes=_along(links, own)[places],
        x_pairs=x_pairs[places[:, None], places],
        x_slopes=_along(links, x_sums)[places],
        y_slopes=_along(links, y_sums)[places].T,
    )


def _along(links, sums: list[np.ndarray]) -> np.ndarray:
    """(k, ...): tr(E_e M_g) for the sums M_g of every factor, in chain order."""
    return np.concatenate(
        [link.directions.traces(total) for link, total in zip(links, sums, strict=True)]
    )
