"""``lmer_many``: one model, thousands of responses (a protein each, a simulated data set each)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mmfit.api.many_tables import missing_note, tidy_rows, varcorr_rows
from mmfit.api.responses import infinite_values, response_columns, row_patterns, stand_in
from mmfit.common.arguments import check_columns, name_list
from mmfit.engine import fit_model
from mmfit.engine.criterion import ML, REML, Criterion
from mmfit.engine.many import fit_many
from mmfit.engine.many_fits import ManyFits
from mmfit.engine.system.whitened_system import fitted_exactly
from mmfit.errors import DesignError, MmfitError
from mmfit.formula import build_matrices, parse
from mmfit.formula.checks import check_response
from mmfit.formula.complete_rows import complete_rows
from mmfit.formula.row_subset import RowSubset, RowSubsets
from mmfit.formula.unidentified import unidentified, unidentified_text

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class _Pattern:
    """The responses that are observed on the same rows, and their fits.

    Attributes
    ----------
    members : (b,) intp, positions among all responses.
    """

    members: np.ndarray
    subset: RowSubset
    fits: ManyFits


class ManyModels:
    """One linear mixed model fitted to each of many responses.

    A response that cannot be fitted has missing estimates, ``converged`` false, and its reason in
    ``message``; the others do not depend on it. A term stands for the same in all responses: bases,
    levels and contrasts are those of all rows of the design, and what the rows of a response do not
    determine is missing there and named in ``note``.

    Attributes
    ----------
    responses : tuple of str, their names;  formula : str;  criterion : ``"REML"`` or ``"ML"``.
    """

    def __init__(
        self, formula: str, criterion: Criterion, names: tuple, patterns, failures: dict[int, str]
    ):
        self.formula, self.responses = formula, names
        self.criterion = criterion.name
        self._patterns: list[_Pattern] = patterns
        self._failures = failures

    def __repr__(self) -> str:
        failed = f", {len(self._failures)} not fitted" if self._failures else ""
        return (
            f"<{self.criterion} fits of {self.formula} to {len(self.responses)} responses{failed}>"
        )

    def _series(self, name: str, values, fill) -> pd.Series:
        import pandas as pd

        out = np.full(len(self.responses), fill)
        for pattern in self._patterns:
            out[pattern.members] = values(pattern.fits)
        return pd.Series(out, index=self._index, name=name)

    @cached_property
    def _index(self) -> pd.Index:
        import pandas as pd

        return pd.Index(self.responses, name="response", tupleize_cols=False)

    @cached_property
    def objective(self) -> pd.Series:
        """-2 log (restricted) likelihood by response."""
        return self._series("objective", lambda fits: fits.objective, np.nan)

    @property
    def log_lik(self) -> pd.Series:
        """Log (restricted) likelihood by response."""
        return (-0.5 * self.objective).rename("log_lik")

    @cached_property
    def sigma(self) -> pd.Series:
        """Residual standard deviation by response."""
        return self._series("sigma", lambda fits: fits.sigma, np.nan)

    @cached_property
    def singular(self) -> pd.Series:
        """Whether some random term's covariance lacks full rank, by response."""
        return self._series("singular", lambda fits: fits.singular.any(axis=1), False)

    @cached_property
    def converged(self) -> pd.Series:
        """Whether the search ended at a minimum, by response."""
        return self._series("converged", lambda fits: fits.converged, False)

    @cached_property
    def unidentified(self) -> pd.Series:
        """Which covariance parameters the rows of a response do not tell apart; empty for none."""
        import pandas as pd

        out = np.full(len(self.responses), "", dtype=object)
        for pattern in self._patterns:
            out[pattern.members] = unidentified_text(unidentified(pattern.subset.matrices))
        return pd.Series(out, index=self._index, name="unidentified")

    @cached_property
    def evaluations(self) -> pd.Series:
        """Evaluations of the criterion by response."""
        return self._series("evaluations", lambda fits: fits.evaluations, 0)

    @cached_property
    def nobs(self) -> pd.Series:
        """Rows used by response."""
        import pandas as pd

        out = np.zeros(len(self.responses), dtype=int)
        for pattern in self._patterns:
            out[pattern.members] = pattern.subset.matrices.nobs
        return pd.Series(out, index=self._index, name="nobs")

    @cached_property
    def message(self) -> pd.Series:
        """Why a response was not fitted, or its search has not converged; empty otherwise.

        In the words of the error, or of the fit's ``optimizer.message``, of ``mmfit.lmer``.
        """
        texts = dict(self._failures)
        for pattern in self._patterns:
            fits = pattern.fits
            for i in np.flatnonzero(~fits.converged):
                texts[int(pattern.members[i])] = fits.message(i)
        return self._texts("message", texts)

    @cached_property
    def note(self) -> pd.Series:
        """What the rows of a response do not determine of the model; empty where nothing is."""
        texts = {}
        for pattern in self._patterns:
            texts.update(dict.fromkeys(pattern.members.tolist(), missing_note(pattern.subset)))
        return self._texts("note", texts)

    def _texts(self, name: str, texts: dict[int, str]) -> pd.Series:
        import pandas as pd

        values = [texts.get(i, "") for i in range(len(self.responses))]
        return pd.Series(values, index=self._index, name=name, dtype=object)

    @cached_property
    def varcorr(self) -> pd.DataFrame:
        """Columns response, group, term_1, term_2, vcov, sdcor: as of a single fit, stacked."""
        table = self._stacked([varcorr_rows(p.subset, p.fits) for p in self._patterns])
        return table.astype({"term_1": object, "term_2": object})

    def tidy(self, df: str = "satterthwaite") -> pd.DataFrame:
        """Fixed effects with t tests.

        Columns response, term, estimate, std_error, df, statistic, p_value; ``df`` as in
        :func:`mmfit.inference.tidy`. The rows of a term that ``note`` names hold no numbers.

        Raises
        ------
        MmfitError
            For an unknown ``df``; for ``kenward-roger`` with fits by ML.
        """
        return self._stacked([tidy_rows(p.subset, p.fits, df) for p in self._patterns])

    def _stacked(self, parts: list[tuple[list, dict[str, np.ndarray]]]) -> pd.DataFrame:
        """One frame, response by response in the order given, from (b, rows) arrays."""
        import pandas as pd

        frames = []
        for pattern, columns in zip(self._patterns, parts, strict=True):
            rows = next(iter(columns.values())).shape[1]
            position = np.repeat(pattern.members, rows)
            frame = pd.DataFrame({name: block.ravel() for name, block in columns.items()})
            frame.insert(0, "response", position)
            frames.append(frame)
        if not frames:
            raise DesignError("none of the responses could be fitted; see `message`")
        whole = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
        whole = whole.sort_values("response", kind="stable", ignore_index=True)
        whole["response"] = self._index.take(whole["response"]).to_numpy(dtype=object)
        return whole


def lmer_many(
    formula: str,
    data: Mapping[str, Any],
    responses: Mapping[str, Any] | np.ndarray,
    *,
    reml: bool = True,
    weights: str | np.ndarray | None = None,
    offset: str | np.ndarray | None = None,
    contrasts: Mapping[str, Any] | None = None,
    categorical: Sequence[str] | None = None,
) -> ManyModels:
    """Fit one linear mixed model to each of many responses, each with its own variances.

    Parameters
    ----------
    formula : the right-hand side, e.g. ``"~ Days + (Days | Subject)"``.
    data : DataFrame, or mapping of column names to arrays, with the n rows of the design.
    responses : DataFrame or mapping of names to (n,) columns, or an (n, B) array (whose columns
        are named by their numbers from 1). A missing value leaves its row out for that response.
        What has an index is matched to that of the data by its labels, as in pandas.
    reml, weights, offset, contrasts, categorical : as for :func:`mmfit.lmer`.

    Raises
    ------
    FormulaError
        A formula that cannot be read or evaluated, or one with a left-hand side.
    DataError
        Columns that are missing or cannot be used; responses whose labels are not the data's.
    DesignError
        A model that these data cannot identify.
    """
    parsed, criterion = parse(formula, response=False), REML if reml else ML
    check_columns(data, "data")
    names, columns = response_columns(responses, data)
    usable, rows, given = complete_rows(parsed, data, weights, offset)
    values = columns if rows is None else columns[:, rows]
    whole = build_matrices(
        parsed,
        usable,
        response=stand_in(values.shape[1]),
        contrasts=contrasts,
        categorical=name_list(categorical, "categorical"),
        **given,
    )
    failures = infinite_values(names, columns, rows)
    subsets, patterns = RowSubsets(whole), []
    for keep, members in row_patterns(np.isfinite(values), failures):
        try:
            subset = subsets.all_rows() if keep is None else subsets.on(keep)
        except DesignError as error:
            failures.update(dict.fromkeys(members.tolist(), str(error)))
            continue
        Y = values if len(members) == len(values) else values[members]
        Y = Y if keep is None else np.ascontiguousarray(Y[:, keep])
        pattern = _fit_pattern(_Asked(subset, names, criterion, failures), members, Y)
        if pattern is not None:
            patterns.append(pattern)
    return ManyModels(formula, criterion, names, patterns, failures)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Some rows of the design, the names of all responses, and what is known of failures."""

    subset: RowSubset
    names: tuple
    criterion: Criterion
    failures: dict[int, str]

    def refuse(self, members: np.ndarray, Y: np.ndarray, fits: ManyFits | None = None) -> None:
        """Say of each of these responses what ``mmfit.lmer`` says of it.

        ``fits``: theirs in a batch, without estimates; None where there are none.
        """
        matrices = self.subset.matrices
        for place, (member, y) in enumerate(zip(members.tolist(), Y, strict=True)):
            name = str(self.names[member])
            alone = replace(matrices, y=y, response=name, formula=f"{name} {matrices.formula}")
            message = "" if fits is None else fits.message(place)
            if fits is None or not fits.unbounded[place]:
                try:
                    check_response(name, y)
                    fit_model(alone, criterion=self.criterion)
                except MmfitError as error:
                    message = str(error)
            self.failures[member] = message


def _fit_pattern(asked: _Asked, members: np.ndarray, Y: np.ndarray) -> _Pattern | None:
    """The fits of some responses (b, n); those that cannot be fitted become failures."""
    subset = asked.subset
    bad = Y.min(axis=1) == Y.max(axis=1)
    if not bad.any():
        try:
            fits = fit_many(subset.matrices, Y, criterion=asked.criterion)
        except DesignError:
            bad = fitted_exactly(subset.matrices, Y)
            bad = bad if bad.any() else ~bad
        else:
            good = np.isfinite(fits.objective)
            if good.all():
                return _Pattern(members, subset, fits)
            asked.refuse(members[~good], Y[~good], fits.of(~good))
            return _Pattern(members[good], subset, fits.of(good)) if good.any() else None
    asked.refuse(members[bad], Y[bad])
    if bad.all():
        return None
    return _fit_pattern(asked, members[~bad], np.ascontiguousarray(Y[~bad]))
