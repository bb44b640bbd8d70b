"""The richest model of a selection, written with the coefficients of the chosen one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmfit.formula.matrices import ModelMatrices
from mmfit.formula.rank import TOLERANCE, independent_columns


@dataclass(frozen=True, slots=True)
class RichestModel:
    """What all models of a selection span together.

    Attributes
    ----------
    matrices : ModelMatrices, the fixed part of all models, the columns of the chosen one first; the
        random part of the model whose random part has most parameters.
    absent : tuple of str, coefficients of the chosen model that mean another thing in it: a
        column that was left out is a combination of theirs and of what the others add.
    """

    matrices: ModelMatrices
    absent: tuple[str, ...]


def richest_model(chosen: ModelMatrices, others: Sequence[ModelMatrices]) -> RichestModel:
    """The richest model, of the chosen one and the others on the same rows."""
    models = [chosen, *others]
    base = max(models, key=_random_parameters)
    columns = {(name, chosen.X[:, k].tobytes()): k for k, name in enumerate(chosen.fixed_names)}
    names, blocks = list(chosen.fixed_names), [chosen.X]
    for model in others:
        for name, column in zip(model.fixed_names, model.X.T, strict=True):
            key = (name, column.tobytes())
            if key not in columns:
                columns[key] = len(names)
                names.append(name)
                blocks.append(column[:, None])
    X = np.hstack(blocks)
    kept = independent_columns(X)
    names = [names[k] for k in kept]
    matrices = replace(
        base,
        y=chosen.y,
        X=np.ascontiguousarray(X[:, kept]),
        fixed_names=tuple(names),
        dropped=(),
        all_fixed_names=tuple(names),
        fixed_terms=(),
        design=None,
    )
    return RichestModel(matrices, _absent(X, kept, chosen))


def _random_parameters(matrices: ModelMatrices) -> int:
    sizes = [len(term.effects) for term in matrices.random]
    return sum(q * (q + 1) // 2 for q in sizes)


def _absent(X: np.ndarray, kept: np.ndarray, chosen: ModelMatrices) -> tuple[str, ...]:
    """Whose meaning hangs on which columns are left out of the richest model.

    What the chosen columns span by themselves (other contrasts of a factor, another basis of a
    polynomial) adds nothing to the chosen model and is left out without harm.
    """
    others = np.setdiff1d(np.arange(X.shape[1]), kept)
    if not len(others):
        return ()
    lengths = np.sqrt(np.einsum("ij,ij->j", X, X))
    scaled = X / np.where(lengths > 0, lengths, 1.0)
    shares = np.linalg.lstsq(scaled[:, kept], scaled[:, others], rcond=None)[0]
    involved = np.abs(shares) > np.sqrt(TOLERANCE)
    p = len(chosen.fixed_names)
    lost = involved[:p, involved[p:].any(axis=0)].any(axis=1)
    return tuple(name for name, is_lost in zip(chosen.fixed_names, lost, strict=True) if is_lost)
