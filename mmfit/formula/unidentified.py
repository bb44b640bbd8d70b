"""Covariance parameters that the data cannot tell apart, in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmfit.formula.identifiability import NullMoves, null_moves
from mmfit.formula.matrices import ModelMatrices

# A sentence lists no more parameters or functions than this.
_LISTED = 3

Parameter = tuple[str, str, str]
"""Group, effect and the other effect of a covariance, or ``""``."""


@dataclass(frozen=True, slots=True)
class Unidentified:
    """A set of covariance parameters of which the data tell some functions only.

    Attributes
    ----------
    parameters : tuple of (group, term_1, term_2), ``""`` as the second term of a variance.
    directions : tuples of float, one weight per parameter: a move of the parameters by these
        weights, in the user's units, changes nothing that the data could show.
    functions : tuples of float, the weights of the combinations of the parameters that the data do
        tell; none where they tell nothing of them.
    beside_fixed : bool, whether a move goes unseen only because the fixed part takes it up. It then
        moves standard errors of fixed effects.
    text : str, a sentence without its full stop.
    """

    parameters: tuple[Parameter, ...]
    directions: tuple[tuple[float, ...], ...]
    functions: tuple[tuple[float, ...], ...]
    beside_fixed: bool
    text: str


def unidentified(matrices: ModelMatrices) -> tuple[Unidentified, ...]:
    """One record for each set of parameters that hang together; empty for an identified model."""
    moves = null_moves(matrices)
    return tuple(_record(moves, members) for members in _connected(moves.directions != 0))


def unidentified_text(records: Sequence[Unidentified]) -> str:
    """All sentences in one line, empty where everything is identified."""
    return "; ".join(record.text for record in records)


def _connected(involved: np.ndarray) -> list[np.ndarray]:
    """The rows of (d, k) bool that share columns, set by set, in the order of their first rows."""
    sets: list[tuple[np.ndarray, list[int]]] = []
    for place, columns in enumerate(involved):
        apart, rows = [], [place]
        for others, members in sets:
            if (others & columns).any():
                columns, rows = columns | others, members + rows
            else:
                apart.append((others, members))
        sets = [*apart, (columns, sorted(rows))]
    return sorted((np.array(rows) for _, rows in sets), key=lambda rows: rows[0])


def _record(moves: NullMoves, members: np.ndarray) -> Unidentified:
    rows = _digits(moves.directions[members])
    columns = np.flatnonzero((rows != 0).any(axis=0))
    directions = rows[:, columns]
    parameters = tuple(moves.parameters[c] for c in columns)
    functions = _complement(directions)
    beside = bool(moves.beside_fixed[members].any())
    return Unidentified(
        parameters=parameters,
        directions=tuple(tuple(row) for row in directions.tolist()),
        functions=tuple(tuple(row) for row in functions.tolist()),
        beside_fixed=beside,
        text=_sentence(parameters, functions, beside),
    )


def _digits(values: np.ndarray) -> np.ndarray:
    """Without the last digits, which hang on the order of the rows."""
    return np.array([[float(f"{value:.10g}") for value in row] for row in values.tolist()])


def _complement(directions: np.ndarray) -> np.ndarray:
    """The functions that vanish along all rows in reduced echelon form, a free parameter each."""
    pivots = np.array([np.flatnonzero(row)[0] for row in directions])
    free = np.setdiff1d(np.arange(directions.shape[1]), pivots)
    functions = np.zeros((len(free), directions.shape[1]))
    functions[np.arange(len(free)), free] = 1.0
    functions[:, pivots] = -directions[:, free].T
    return functions + 0.0


def _sentence(parameters: Sequence[Parameter], functions: np.ndarray, beside: bool) -> str:
    names = _names(parameters)
    if not len(functions):
        if beside:
            return f"{names} cannot be told from the fixed part"
        return f"{names} enters no row"
    against = " beside the fixed part" if beside else ""
    start = f"{names} cannot be told apart{against}; "
    if len(functions) == 1 and (functions == 1).all():
        return f"{start}only their sum can"
    if len(functions) > _LISTED:
        return f"{start}only {len(functions)} combinations of these {len(parameters)} can"
    told = [_combination(row, parameters) for row in functions]
    return f"{start}only {_listed(told)} can"


def _names(parameters: Sequence[Parameter]) -> str:
    if len(parameters) > _LISTED + 2:
        effects: dict[str, list[str]] = {}
        for group, *pair in parameters:
            known = effects.setdefault(group, [])
            known.extend(name for name in pair if name and name not in known)
        places = [f"{_short(names)} by {group}" for group, names in effects.items()]
        return f"{len(parameters)} variances and covariances of {_listed(places)}"
    if len(parameters) > 1 and all(not other for _, _, other in parameters):
        return f"the variances of {_listed([f'{a} by {g}' for g, a, _ in parameters])}"
    return _listed([_name(one) for one in parameters])


def _short(names: Sequence[str]) -> str:
    if len(names) <= _LISTED:
        return ", ".join(names)
    return f"{', '.join(names[:2])}, ..., {names[-1]}"


def _name(parameter: Parameter) -> str:
    group, first, second = parameter
    if second:
        return f"the covariance of {first} and {second} by {group}"
    return f"the variance of {first} by {group}"


def _combination(weights: np.ndarray, parameters: Sequence[Parameter]) -> str:
    parts = []
    for weight, (group, first, second) in zip(weights, parameters, strict=True):
        if weight == 0:
            continue
        symbol = f"cov({first}, {second} | {group})" if second else f"var({first} | {group})"
        sign = ("-" if weight < 0 else "") if not parts else (" - " if weight < 0 else " + ")
        size = f"{abs(weight):.4g} "
        parts.append(sign + ("" if size == "1 " else size) + symbol)
    return "".join(parts)


def _listed(items: Sequence[str]) -> str:
    items = list(items)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
