"""Which combinations of a term's random effects have no variance, and what that says in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmfit.engine.estimates import SINGULAR
from mmfit.engine.records import Fit, VarianceTerm
from mmfit.formula.matrices import RandomTerm
from mmfit.formula.rank import reduced_echelon
from mmfit.inference.fitted_model import FittedModel


@dataclass(frozen=True, slots=True)
class SingularDirection:
    """A combination of the random effects of one term whose variance is estimated as zero.

    Attributes
    ----------
    group : str, the term, as in ``fit.terms``.
    effects : tuple of str, length q, the effects of the term.
    weights : (q,) array of unit length: weights'b has no variance, b in the user's units.
    text : str, the same in a sentence.
    """

    group: str
    effects: tuple[str, ...]
    weights: np.ndarray
    text: str


def singular_directions(model: FittedModel) -> tuple[SingularDirection, ...]:
    """A basis of the combinations of effects without variance, for every singular term.

    The contribution of a term's effects b to the response, z'b over the rows, has mean square
    b'Mb, M = Z'WZ / n with the prior weights W; with M = R'R a direction u of Rb has no variance
    where its standard deviation, root(u'R Psi R'u), is below 1e-4 sigma, which does not depend on
    the units of the columns, and is the combination u'R of the effects. Effects without variance
    are named singly; the rest is brought to reduced echelon form, so that each combination gives
    one effect in terms of as few others as the rank allows.
    """
    fit, matrices = model.fit, model.matrices
    out: list[SingularDirection] = []
    for term, model in zip(fit.terms, matrices.random, strict=True):
        if term.group in fit.singular_groups:
            out.extend(_of_term(fit, term, _mean_products(model, matrices.weights)))
    return tuple(out)


def singular_text(fit: Fit) -> str | None:
    """What is singular in a fit and what that means; None for a regular fit."""
    if not fit.singular:
        return None
    found = [_degeneracy(term) for term in fit.terms if term.group in fit.singular_groups]
    return (
        f"Singular fit: {_listed(found)}. The estimate lies on the boundary of the parameter "
        "space: these data do not tell the covariance from one of lower rank. Standard errors "
        "and degrees of freedom of the fixed effects take the estimated value as it is; a simpler "
        "random part usually describes the data as well."
    )


def _mean_products(term: RandomTerm, weights: np.ndarray | None) -> np.ndarray:
    """(q, q): Z'WZ / n."""
    model = term.model if weights is None else term.model * np.sqrt(weights)[:, None]
    return model.T @ model / len(model)


def _of_term(fit: Fit, term: VarianceTerm, M: np.ndarray) -> list[SingularDirection]:
    scale = np.sqrt(np.diag(M))
    contribution = scale * np.sqrt(np.diag(term.covariance))
    zero = contribution < SINGULAR * fit.sigma
    if not zero.any() and len(zero) == 1:
        # The engine judged at the threshold; a term with one effect has one direction.
        zero[:] = True
    out = []
    for j in np.flatnonzero(zero):
        weights = np.zeros(len(zero))
        weights[j] = 1.0
        text = f"the variance of {term.effects[j]} by {term.group} is zero"
        out.append(SingularDirection(term.group, term.effects, weights, text))
    rest = np.flatnonzero(~zero)
    if len(rest) > 1:
        for part in _null_space(term.covariance[np.ix_(rest, rest)], M[np.ix_(rest, rest)], fit):
            weights = np.zeros(len(zero))
            weights[rest] = part
            out.append(_direction(fit, term, weights, scale))
    if not out:
        weights = _flattest(term.covariance, M)
        out.append(_direction(fit, term, weights / np.linalg.norm(weights), scale))
    return out


def _null_space(covariance: np.ndarray, M: np.ndarray, fit: Fit) -> np.ndarray:
    """(d, q) combinations of unit length without variance, in reduced echelon form."""
    root = _half(M)
    values, vectors = np.linalg.eigh(root @ covariance @ root.T)
    flat = np.sqrt(np.maximum(values, 0.0)) < SINGULAR * fit.sigma
    if not flat.any():
        return np.zeros((0, len(M)))
    scale = np.sqrt(np.diag(M))
    # The elimination is done on contributions, so that its pivots do not depend on units. The last
    # effects of a term are usually slopes and interactions, given in terms of those before them.
    rows = reduced_echelon((vectors[:, flat].T @ root) / scale) * scale
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _flattest(covariance: np.ndarray, M: np.ndarray) -> np.ndarray:
    root = _half(M)
    return np.linalg.eigh(root @ covariance @ root.T)[1][:, 0] @ root


def _half(M: np.ndarray) -> np.ndarray:
    """R with R'R = M, also where columns are dependent."""
    values, vectors = np.linalg.eigh(M)
    return np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T


def _direction(fit: Fit, term: VarianceTerm, weights: np.ndarray, scale) -> SingularDirection:
    used = np.flatnonzero(np.abs(weights) * np.sqrt(np.diag(term.covariance)) > 0)
    if len(used) and weights[used[0]] < 0:
        weights = -weights
    text = f"{combination(weights, term.effects)} by {term.group} has no variance"
    if len(used) == 2:
        text += f": {_exact_function(fit, term, weights, used)}"
    return SingularDirection(term.group, term.effects, weights, text)


def combination(weights: np.ndarray, effects: Sequence[str]) -> str:
    """``0.98 (Intercept) - 0.17 Days``; weights that print as zero beside the largest are left out.

    >>> combination(np.array([0.6, -0.8]), ("(Intercept)", "x"))
    '0.6 (Intercept) - 0.8 x'
    """
    parts = []
    for weight, effect in zip(weights, effects, strict=True):
        if weight == 0:
            continue
        sign = ("-" if weight < 0 else "") if not parts else (" - " if weight < 0 else " + ")
        parts.append(f"{sign}{abs(weight):.3g} {effect}")
    return "".join(parts)


def _exact_function(fit: Fit, term: VarianceTerm, weights: np.ndarray, used) -> str:
    """One effect as a function of the other, with the fixed parts where both have one."""
    first, second = (int(i) for i in used)
    ratio = -weights[first] / weights[second]
    names = term.effects[first], term.effects[second]
    sign = "1" if ratio > 0 else "-1"
    text = (
        f"their correlation is {sign}, the effect of {names[1]} is an exact function of that of "
        f"{names[0]}"
    )
    fixed = {
        name: value
        for name, value in zip(fit.fixed_names, fit.fixef, strict=True)
        if fit.fixed_names.count(name) == 1
    }
    if names[0] in fixed and names[1] in fixed:
        start = fixed[names[1]] - ratio * fixed[names[0]]
        joiner = "+" if ratio > 0 else "-"
        return (
            f"{text}; in every level of {term.grouping}, "
            f"{names[1]} = {start:.4g} {joiner} {abs(ratio):.4g} {names[0]}"
        )
    return f"{text}, {ratio:.4g} times as large"


def _degeneracy(term: VarianceTerm) -> str:
    sd = np.sqrt(np.diag(term.covariance))
    scale = float(np.max(sd))
    zero = [name for name, value in zip(term.effects, sd, strict=True) if value <= 1e-4 * scale]
    if scale == 0 or len(zero) == len(term.effects):
        zero = list(term.effects)
    if zero:
        noun = "variance" if len(zero) == 1 else "variances"
        return f"the {noun} of {_listed(zero)} by {term.group} estimated as zero"
    if len(term.effects) == 2:
        sign = "1" if term.covariance[0, 1] > 0 else "-1"
        return f"the correlation of {_listed(term.effects)} by {term.group} estimated as {sign}"
    return f"the covariance matrix of {_listed(term.effects)} by {term.group} not of full rank"


def _listed(items: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    items = list(items)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
