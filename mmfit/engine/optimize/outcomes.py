"""How searches for minima went, as data and in words."""

from dataclasses import dataclass, fields

import numpy as np

from mmfit.engine.records import OUTCOMES


@dataclass(frozen=True, slots=True)
class SearchOutcomes:
    """How the searches went; first axis: the response (B).

    Attributes
    ----------
    evaluations : (B,) int, of the criterion;  first_search : (B,) int, those until the end of the
        first search;  fallback : (B,) bool, whether BFGS was needed.
    start_objective, predicted_decrease, gradient_norm : (B,).
    converged : (B,) bool;  restless : (B,) bool, the search kept returning to a boundary that is
        not a minimum.
    others : (B,) int, how many second starts there were;  moved : (B,) bool, whether one of them
        ended lower.
    """

    evaluations: np.ndarray
    first_search: np.ndarray
    fallback: np.ndarray
    start_objective: np.ndarray
    predicted_decrease: np.ndarray
    gradient_norm: np.ndarray
    converged: np.ndarray
    restless: np.ndarray
    others: np.ndarray
    moved: np.ndarray

    def of(self, members: np.ndarray) -> "SearchOutcomes":
        """Those of some of the responses, (A,) intp or (B,) bool."""
        return SearchOutcomes(*(getattr(self, f.name)[members] for f in fields(self)))

    def message(self, i: int, saturated: bool, several: bool) -> str:
        """The outcome of one response in words.

        ``saturated``: whether the random effects are as many as the rows beside the fixed ones;
        ``several``: whether there are several thetas.
        """
        predicted, converged = self.predicted_decrease[i], bool(self.converged[i])
        if converged:
            further = self._further(i, saturated, several)
            detail = f"a further step promises a decrease of {predicted:.1e}{further}"
        elif self.restless[i]:
            detail = "the search keeps returning to a boundary that is not a minimum"
        else:
            detail = f"a further step still promises a decrease of {predicted:.1e}"
        return OUTCOMES[converged] + detail

    def _further(self, i: int, saturated: bool, several: bool) -> str:
        count, doubt = int(self.others[i]), ""
        if saturated:
            # Where they leave no residual the criterion may fall without end, or nearly so.
            doubt = "; the random effects are as many as the rows, and a lower minimum may exist"
        elif count and several:
            doubt = ", which does not prove that there is no lower minimum"
        if self.moved[i]:
            return f"; the first search ended higher, this is the lowest end of {count} more{doubt}"
        return f"; none of {count} more starts ended lower{doubt}" if count else doubt


def joined_outcomes(parts: list[SearchOutcomes]) -> SearchOutcomes:
    """The outcomes of several blocks of responses as one."""
    columns = ([getattr(part, f.name) for part in parts] for f in fields(SearchOutcomes))
    return SearchOutcomes(*map(np.concatenate, columns))
