"""Refusals of designs that cannot identify a model, and of unusable columns."""

from collections.abc import Sequence

import numpy as np

from mmfit.errors import DesignError
from mmfit.formula.identifiability import residual_confounded
from mmfit.formula.matrices import RandomTerm


def check_random(terms: Sequence[RandomTerm]) -> None:
    """Refuse grouping factors without a variance between groups.

    Raises
    ------
    DesignError
        A grouping factor with one level.
    """
    for term in terms:
        if len(term.levels) < 2:
            only = f" ({term.levels[0]!r})" if term.levels else ""
            raise DesignError(
                f"the grouping factor {term.grouping} has a single level{only}; "
                "a variance between groups needs two or more"
            )


def check_residual(X: np.ndarray, terms: Sequence[RandomTerm], weights: np.ndarray | None) -> None:
    """Refuse a random part that the residual variance is a case of, found by rank.

    As many random effects as rows are no such sign: a person seen twice at times of their own has
    an intercept and a slope that can be told from the residuals.

    Parameters
    ----------
    X : (n, p) array of full column rank, p < n;  weights : (n,) prior weights or None.

    Raises
    ------
    DesignError
    """
    found = residual_confounded(X, terms, weights)
    if not found:
        return
    rows = X.shape[0]
    counts = [len(term.levels) * len(term.effects) for term in found]
    if len(found) > 1:
        names = " and ".join(f"{', '.join(term.effects)} by {term.grouping}" for term in found)
        raise DesignError(
            f"the random terms of {names} have {sum(counts)} random effects together for {rows} "
            "rows, and in this design their covariances cannot be told from the residual variance; "
            "use fewer terms"
        )
    term = found[0]
    if len(term.levels) == rows:
        raise DesignError(
            f"the grouping factor {term.grouping} has {rows} levels for {rows} rows; with a "
            "level per row its variance cannot be told from the residual variance"
        )
    raise DesignError(
        f"the random term of {', '.join(term.effects)} by {term.grouping} has {counts[0]} "
        f"random effects ({len(term.effects)} for each of {len(term.levels)} levels) for "
        f"{rows} rows, and in this design its covariance cannot be told from the residual "
        "variance; use fewer effects per group"
    )


def check_fixed(columns: int, rows: int) -> None:
    """Refuse a fixed part that leaves nothing to estimate a variance from.

    Raises
    ------
    DesignError
    """
    if columns >= rows:
        raise DesignError(
            f"the fixed part has {columns} coefficients for {rows} rows; "
            "nothing is left to estimate variances from"
        )


def check_response(response: str, y: np.ndarray) -> None:
    """Refuse a response that is the same in every row.

    Raises
    ------
    DesignError
    """
    # Most responses differ in their first and last rows; only the others are looked through.
    if len(y) and y[0] == y[-1] and y.min() == y.max():
        raise DesignError(f"the response {response} is {y[0]:g} in every row; it has no variance")
