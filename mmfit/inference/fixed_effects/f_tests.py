"""F tests of linear hypotheses about the fixed effects, and the analysis of variance table."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mmfit.errors import MmfitError
from mmfit.formula import full_dummy_matrix
from mmfit.formula.matrices import ModelMatrices
from mmfit.inference.distributions import f_p_value
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.fixed_effects.hypotheses import fixed_root, missing_cells, term_hypotheses
from mmfit.inference.precision.degrees_of_freedom import (
    FixedEffectPrecision,
    joint_df,
    unidentified_note,
)

BASES = ("canonical", "lmertest")
COLUMNS = ("sum_sq", "mean_sq", "num_df", "den_df", "statistic", "p_value")
# Singular values of rows of unit length below this share of the largest are zero.
_DEPENDENT = 1e-7


@dataclass(frozen=True, slots=True)
class FTest:
    """One F test: ``statistic`` on ``num_df`` and ``den_df`` degrees of freedom.

    ``unscaled`` is F before Kenward and Roger's scale, from which sums of squares are formed; the
    same as ``statistic`` for the other methods.
    """

    statistic: float
    num_df: int
    den_df: float
    p_value: float
    unscaled: float

    def row(self, sigma: float) -> tuple:
        """The values of ``COLUMNS``; as in lmerTest, mean_sq = F sigma^2."""
        mean_sq = self.unscaled * sigma**2
        return (
            mean_sq * self.num_df,
            mean_sq,
            self.num_df,
            self.den_df,
            self.statistic,
            self.p_value,
        )


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """L beta = rhs with rows that are orthonormal in the metric of least squares, or as given.

    Attributes
    ----------
    L : (q, p);  rhs : (q,).
    """

    L: np.ndarray
    rhs: np.ndarray


def check_basis(basis: str) -> None:
    """Raise MmfitError when ``basis`` is not one of BASES."""
    if basis not in BASES:
        raise MmfitError(f"basis={basis!r} is not known; choose one of {', '.join(BASES)}")


def f_test(model: FittedModel, L: np.ndarray, df: str = "satterthwaite") -> FTest:
    """Test L beta = 0 for L (q, p) of full row rank.

    See :func:`run_test`; ``df`` is one of ``mmfit.inference.METHODS``.

    Raises
    ------
    MmfitError
        When the rows of L are not linearly independent.
    """
    hypothesis = canonical(L, np.zeros(len(L)), fixed_root(model.matrices))
    if len(hypothesis.L) < len(L):
        raise MmfitError("the rows of the hypothesis matrix are linearly dependent")
    return run_test(model.precision(df), hypothesis)


def canonical(L: np.ndarray, rhs: np.ndarray, root: np.ndarray) -> Hypothesis:
    """The hypothesis L beta = rhs, written in rows that depend on nothing but the hypothesis.

    Satterthwaite's denominator is combined over the independent contrasts of L V L' (Fai &
    Cornelius 1996), which depend on the scale of L's rows. These are made orthonormal in the metric
    of least squares, with (X'X)^-1; rows that depend on others are left out.

    Raises
    ------
    MmfitError
        When dependent rows contradict each other (rhs).
    """
    white = np.linalg.solve(root.T, L.T).T
    length = np.linalg.norm(white, axis=1)
    length[length == 0] = 1.0
    left, values, rows = np.linalg.svd(white / length[:, None], full_matrices=False)
    rank = int((values > _DEPENDENT * values.max(initial=0.0)).sum())
    left, values, rows = left[:, :rank], values[:rank], rows[:rank]
    target = rhs / length
    inside = left.T @ target
    if np.abs(target - left @ inside).max(initial=0.0) > 1e-6 * np.abs(target).max(initial=0.0):
        raise MmfitError(
            "the rows of the hypothesis matrix are linearly dependent and contradict each other: "
            "no beta gives the right-hand side"
        )
    return Hypothesis(rows @ root, inside / values)


def run_test(known: FixedEffectPrecision, hypothesis: Hypothesis) -> FTest:
    """Test a hypothesis of independent rows by the method of ``known``.

    F = d'(L V L')^-1 d / q with d = L beta - rhs. Satterthwaite's denominator combines those of the
    principal axes of L V L' (lmerTest's ``contestMD``). All is NaN where L V L' is one that no data
    tell.
    """
    L, fit = hypothesis.L, known.fit
    if known.unidentified_jointly(L):
        return no_test(len(L))
    difference = L @ fit.fixef - hypothesis.rhs
    spread, vectors = np.linalg.eigh(L @ known.vcov @ L.T)
    unscaled = float(((vectors.T @ difference) ** 2 / spread).mean())
    if known.adjusted is None:
        den_df, scale = joint_df(known.df(vectors.T @ L)), 1.0
    else:
        from mmfit.inference.precision.kenward_roger import f_approximation

        found = f_approximation(known.adjusted, L)
        den_df, scale = found.den_df, found.scale
    if den_df <= 0 or scale <= 0:
        # Kenward and Roger's equations have a root, but it is that of no F distribution.
        return FTest(float("nan"), len(L), float("nan"), float("nan"), unscaled)
    statistic = scale * unscaled
    p_value = f_p_value(statistic, len(L), den_df) if den_df > 0 else float("nan")
    return FTest(statistic, len(L), den_df, p_value, unscaled)


def no_test(rows: int) -> FTest:
    """What there is of a test of that many rows without a statistic."""
    missing = float("nan")
    return FTest(missing, rows, missing, missing, missing)


def anova(
    model: FittedModel,
    type: int = 3,
    df: str = "satterthwaite",
    basis: str = "canonical",
) -> pd.DataFrame:
    """Analysis of variance table of the fixed terms, in the formula's order.

    Columns term, sum_sq, mean_sq, num_df, den_df, statistic (F), p_value. ``type`` is 1, 2 or 3
    (see the module ``hypotheses``), ``df`` one of ``mmfit.inference.METHODS``. As in
    lmerTest, mean_sq = F sigma^2, with F before Kenward and Roger's scale. A term without an
    estimable contrast is left out. ``attrs["note"]`` says in words what a reader must know: cells
    without data, columns and terms that were dropped, a singular fit; ``""`` where nothing is.

    ``basis="lmertest"`` takes lmerTest's own rows: Satterthwaite's denominator of terms with
    several degrees of freedom depends on them, that of ``canonical`` on the hypothesis alone. The
    hypotheses are the same but for the exceptions in ``lmertest_rows``.

    Raises
    ------
    MmfitError
        For an unknown type, method or basis; for Kenward and Roger's method with a fit by ML.
    """
    fit, matrices = model.fit, model.matrices
    check_basis(basis)
    known = model.precision(df)
    hypotheses = _hypotheses(matrices, type, basis, known)
    rows, left_out = [], []
    for name, hypothesis in hypotheses:
        if len(hypothesis.L):
            rows.append((name, *run_test(known, hypothesis).row(fit.sigma)))
        else:
            left_out.append(name)
    note = " ".join(part for part in (*_design_notes(matrices, type, left_out), known.note) if part)
    return f_table(rows, note)


def untestable_note(table: pd.DataFrame) -> str:
    """Which F tests there are not, and why, in words, or ``""``."""
    missing = np.isnan(table["statistic"].to_numpy())
    if not missing.any():
        return ""
    unidentified = np.isnan(table["sum_sq"].to_numpy())
    bad = missing & ~unidentified
    names = table["term"] if "term" in table else pd.Series(["the joint hypothesis"], dtype=object)
    notes = [unidentified_note(names[unidentified].tolist())]
    if bad.any():
        shown = f" of {', '.join(names[bad])}" if "term" in table else ""
        notes.append(
            f"Kenward-Roger's approximation gives no F distribution for the joint test{shown}: too "
            "few levels tell of the variances."
        )
    return " ".join(note for note in notes if note)


def f_table(rows: list[tuple], note: str) -> pd.DataFrame:
    """Rows of (term, *COLUMNS) as a table."""
    table = pd.DataFrame(rows, columns=["term", *COLUMNS])
    if not rows:
        kinds = dict.fromkeys(COLUMNS, float) | {"term": object, "num_df": int}
        table = table.astype(kinds)
    table.attrs["note"] = " ".join(part for part in (note, untestable_note(table)) if part)
    return table


def _hypotheses(
    matrices: ModelMatrices, type: int, basis: str, known: FixedEffectPrecision
) -> Iterable[tuple[str, Hypothesis]]:
    if basis == "lmertest":
        from mmfit.inference.fixed_effects.lmertest_rows import lmertest_hypotheses

        found = lmertest_hypotheses(matrices, type)
    else:
        found = term_hypotheses(matrices, type)
    root = fixed_root(matrices)
    for name, L in found.items():
        yield name, in_basis(L, np.zeros(len(L)), root, basis, known)


def in_basis(
    L: np.ndarray, rhs: np.ndarray, root: np.ndarray, basis: str, known: FixedEffectPrecision
) -> Hypothesis:
    """L beta = rhs in independent rows: canonical ones, or principal axes of L V L'.

    The second are lmerTest's (``contestMD``), which keeps the scale of the given rows; only
    Satterthwaite's denominator depends on it.

    Raises
    ------
    MmfitError
        When dependent rows contradict each other.
    """
    hypothesis = canonical(L, rhs, root)
    if basis == "canonical" or not len(L):
        return hypothesis
    _, vectors = np.linalg.eigh(L @ known.vcov @ L.T)
    turn = vectors[:, -len(hypothesis.L) :].T if len(hypothesis.L) else vectors[:, :0].T
    return Hypothesis(turn @ L, turn @ rhs)


def _design_notes(matrices: ModelMatrices, type: int, left_out: list[str]) -> list[str]:
    """What is missing in the design, in words."""
    notes = []
    cells = ()
    if any(len(term.variables) > 1 for term in matrices.fixed_terms):
        cells = missing_cells(full_dummy_matrix(matrices.design))
    if cells:
        care = "; type III hypotheses about them are to be read with care" if type == 3 else ""
        notes.append(f"No data in {', '.join(cells)}{care}.")
    if matrices.dropped:
        notes.append(
            "The fixed effects are not all estimable; left out of the model: "
            f"{', '.join(matrices.dropped)}."
        )
    if left_out and type == 3:
        notes.append(f"Nothing of {', '.join(left_out)} is estimable, so it is not tested.")
    elif left_out:
        names = ", ".join(left_out)
        notes.append(f"What {names} would add the terms adjusted for have already: not tested.")
    return notes
