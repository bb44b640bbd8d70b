"""Searches in Python: ``search`` and its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mmfit.api.model import LinearMixedModel
from mmfit.common.arguments import contrast_map, name_list
from mmfit.engine import fit_model
from mmfit.formula import parse
from mmfit.formula.complete_rows import complete_rows

if TYPE_CHECKING:
    import pandas as pd

    from mmfit.selection.search.models import Models
    from mmfit.selection.search.records import SearchPath
    from mmfit.selection.search.search import Outcome
    from mmfit.selection.search.stability import SearchTask
    from mmfit.selection.search.stability_records import Stability


class SearchResult:
    """A search and the model that it chose.

    Attributes
    ----------
    record : SearchPath, plain values (JSON-able);  rows : (n,) intp array, positions in the data
    of the rows used: those that are complete for the maximal model.
    """

    def __init__(self, task: SearchTask, models: Models, outcome: Outcome, rows: np.ndarray):
        self.record: SearchPath = outcome.path
        self.rows = rows
        self._task, self._models, self._outcome = task, models, outcome
        self._audits: dict[tuple[int, str, int], Stability] = {}

    def __repr__(self) -> str:
        path = self.record
        return f"<{path.search} search by {path.criterion}: chose {path.chosen}>"

    @property
    def formula(self) -> str:
        """The formula of the chosen model."""
        return self.record.chosen

    @cached_property
    def path(self) -> pd.DataFrame:
        """A row per candidate looked at: step, part, standing, candidate, move, ..., text."""
        from mmfit.tables.search_tables import search_table

        return search_table(self.record)

    @cached_property
    def chosen(self) -> LinearMixedModel:
        """The chosen model, fitted by REML."""
        matrices = self._models.matrices(self._outcome.state)
        return LinearMixedModel(fit_model(matrices), matrices, self.rows)

    def stability(
        self, samples: int = 100, method: str = "parametric", seed: int = 1
    ) -> pd.DataFrame:
        """The search repeated on bootstrap samples: how often each model and term is chosen.

        ``parametric`` draws responses from the chosen model's REML fit, ``cluster`` the levels of
        the coarsest grouping factor; see :mod:`mmfit.selection.search.stability`.

        Returns
        -------
        DataFrame: kind (model, term, failure), model, chosen, count, frequency, mc_low, mc_high.
        """
        from mmfit.tables.search_tables import stability_table

        return stability_table(self._audit(samples, method, seed))

    def after_selection(
        self, samples: int = 100, method: str = "parametric", seed: int = 1
    ) -> pd.DataFrame:
        """The coefficients of the chosen model, naive and with the search counted.

        The arguments are those of :meth:`stability`, whose samples give ``frequency``; the columns
        that end in ``_selection`` hold among all data sets in which the coefficient is reported.
        ``parametric`` takes the richest model's standard error and Satterthwaite's degrees of
        freedom, ``cluster`` its covariance over drawn levels, for which it needs 30 samples at
        least; see :mod:`mmfit.selection.search.after_selection`.

        Returns
        -------
        DataFrame: model, term, estimate, std_error, df, p_value, conf_low, conf_high (95%),
        frequency, samples; estimate_selection, std_error_selection, df_selection,
        p_value_selection, conf_low_selection, conf_high_selection; note.
        """
        from mmfit.selection.search.after_search import after_search
        from mmfit.tables.search_tables import after_selection_table

        audit = self._audit(samples, method, seed)
        return after_selection_table(after_search(self._task, self._models, self._outcome, audit))

    def _audit(self, samples: int, method: str, seed: int) -> Stability:
        """The search repeated, once for all who ask."""
        from mmfit.selection.search.stability import search_stability

        key = (samples, method, seed)
        if key not in self._audits:
            self._audits[key] = search_stability(
                self._task,
                self._outcome,
                samples=samples,
                method=method,
                seed=seed,
                models=self._models,
            )
        return self._audits[key]


def search(
    formula: str,
    data: Mapping[str, Any],
    search: str = "backward",
    criterion: str | None = None,
    alpha: float = 0.05,
    minimal: str | None = None,
    *,
    null_distribution: str = "auto",
    replicates: int = 999,
    seed: int = 1,
    weights: str | np.ndarray | None = None,
    offset: str | np.ndarray | None = None,
    contrasts: Mapping[str, Any] | None = None,
    categorical: Sequence[str] | None = None,
) -> SearchResult:
    """Search for a model between a maximal and a minimal one.

    The random part first, by REML with the richest fixed part, then the fixed part by ML; steps
    respect marginality (see :mod:`mmfit.selection.search.search`).

    Parameters
    ----------
    formula : the maximal model.
    data : DataFrame, or mapping of column names to arrays; rows with missing values in a column
        that the maximal model uses are left out for every model.
    search : ``backward``, ``forward`` or ``exhaustive`` (at most 4,096 models).
    criterion : ``lrt`` (likelihood-ratio tests at ``alpha``; the default, but not for an exhaustive
        search), ``aic`` (the default for an exhaustive search), ``bic`` or ``caic`` (conditional).
    minimal : formula of what every model keeps; without it an intercept.
    null_distribution : of the tests, as for ``mmfit.compare``; ``auto`` spends at most 5 s on
        the replicates of each.
    replicates, seed : of the parametric bootstrap.
    weights, offset, contrasts, categorical : as for ``mmfit.lmer``.

    Raises
    ------
    FormulaError, DataError, DesignError : as for ``mmfit.lmer``, for the maximal model.
    ComparisonError : settings that do not go together, a minimal model that is no part of the
        maximal one, too many models.
    ComputationError : a criterion that cannot be evaluated.
    """
    from mmfit.selection.pair_tests.likelihood_ratio import search_nulls
    from mmfit.selection.records import NullSettings
    from mmfit.selection.search.search import check_settings
    from mmfit.selection.search.source import RowSource
    from mmfit.selection.search.stability import SearchTask

    by = criterion or ("aic" if search == "exhaustive" else "lrt")
    check_settings(search, by, alpha)
    frame, rows, given = complete_rows(parse(formula), data, weights, offset)
    # Where no row is left out there is nothing but a view of the columns.
    frame = data if rows is None else frame
    settings = dict(contrast_map(contrasts)), name_list(categorical, "categorical")
    source = RowSource(frame, given["weights"], given["offset"], *settings)
    nulls = search_nulls(NullSettings(null_distribution, replicates, seed))
    return _searched(SearchTask(source, formula, minimal, search, by, alpha, nulls), rows)


def _searched(task: SearchTask, rows: np.ndarray | None) -> SearchResult:
    from mmfit.selection.search.models import Fits

    models = task.models()
    outcome = task.run(Fits(models))
    nobs = models.matrices(outcome.state).nobs
    return SearchResult(task, models, outcome, np.arange(nobs) if rows is None else rows)
