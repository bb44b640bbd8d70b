"""How stable a selection is: the whole of it repeated on bootstrap samples.

``parametric``: responses drawn from the REML fit of the chosen model. It answers: were this the
truth, how often would the selection find it, and what would it be mistaken for? The chosen model
and not the largest one, since the estimates of terms that are not there carry noise already and
would look like effects in every sample.

``cluster``: the levels of the coarsest grouping factor drawn with replacement, each draw a level of
its own, with whatever lies within it (Field & Welsh 2007, JRSS B 69: 369-390). It takes no model to
be true and answers: how much does the choice hang on the levels at hand? Levels of factors that
cross the drawn one stay what they are.

Sample i has the i-th stream spawned from the seed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np

from mmfit.engine.fit import fit_model
from mmfit.errors import ComparisonError, MmfitError
from mmfit.inference.null_distributions.bootstrap import draw_responses
from mmfit.selection.pair_tests.likelihood_ratio import (
    WITHOUT_BOOTSTRAP,
    audit_nulls,
    sample_nulls,
)
from mmfit.selection.records import NullSettings
from mmfit.selection.search.batch import Batch, BatchFits
from mmfit.selection.search.models import Fits, Models
from mmfit.selection.search.moves import parts_of
from mmfit.selection.search.search import Outcome, search_models
from mmfit.selection.search.source import Clusters, RowSource, clusters, drawn
from mmfit.selection.search.stability_records import Choice, Stability, counted_rows

METHODS = ("parametric", "cluster")
# Numbers of responses held at once.
_MOST_NUMBERS = 40_000_000


@dataclass(frozen=True, slots=True)
class SearchTask:
    """A search to repeat: rows, scope and settings."""

    source: RowSource
    maximal: str
    minimal: str | None
    search: str
    criterion: str
    alpha: float
    nulls: NullSettings = WITHOUT_BOOTSTRAP

    def models(self, source: RowSource | None = None) -> Models:
        """The models of the scope on these (or other) rows."""
        return Models((source or self.source).build, self.maximal, self.minimal)

    def of_sample(self, seed: int, sample: int) -> "SearchTask":
        """The search of one sample, whose replicates have a stream of their own."""
        return replace(self, nulls=sample_nulls(self.nulls, seed, sample))

    def run(self, fits: Fits) -> Outcome:
        """The search on these fits."""
        return search_models(fits, self.search, self.criterion, self.alpha, self.nulls)


def search_stability(
    task: SearchTask,
    outcome: Outcome,
    *,
    samples: int = 100,
    method: str = "parametric",
    seed: int = 1,
    models: Models | None = None,
) -> Stability:
    """Repeat a search on bootstrap samples.

    Parameters
    ----------
    task : the search;  outcome : what it gave on the data themselves.
    samples : int;  method : ``parametric`` or ``cluster``;  seed : int.
    models : the models of the task, where they have been made already.

    Raises
    ------
    ComparisonError : an unknown method; no grouping factor whose levels could be drawn.
    """
    check_settings(samples, method, seed)
    task = replace(task, nulls=audit_nulls(task.nulls, samples, task.alpha))
    models = task.models() if models is None else models
    scope = models.scope
    if method == "cluster":
        known = clusters([models.matrices(scope.maximal)])
        text = cluster_words(known)
        choices = [
            _searched(task.of_sample(seed, k), lambda source=source: Fits(task.models(source)))
            for k, source in enumerate(_samples(task.source, known, samples, seed))
        ]
    else:
        text = f"responses drawn from the REML fit of {outcome.path.chosen}"
        choices = _parametric(task, models, outcome, samples, seed)
    own = Choice(outcome.path.chosen, outcome.path.parts)
    terms = parts_of(scope, scope.maximal)
    rows = counted_rows(choices, own, terms)
    return Stability(method, samples, seed, text, rows, tuple(choices))


def _parametric(task, models: Models, outcome: Outcome, samples: int, seed: int) -> list[Choice]:
    """The searches of responses drawn from the chosen model."""
    matrices = models.matrices(outcome.state)
    fit = fit_model(matrices)
    choices = []
    for responses in drawn_responses(matrices, fit, samples, seed):
        numbers = range(len(choices), len(choices) + len(responses))
        tasks = [task.of_sample(seed, k) for k in numbers]
        choices += batch_choices(tasks, models, responses)
    return choices


def batch_choices(
    tasks: Sequence[SearchTask], models: Models, responses: np.ndarray
) -> list[Choice]:
    """The searches (B) of responses (B, n), each model fitted to all at once."""
    batch = Batch(models, responses)
    return [_searched(task, _member_fits(task, batch, k)) for k, task in enumerate(tasks)]


def check_settings(samples: int, method: str, seed: int) -> None:
    """Refuse settings that do not exist."""
    if method not in METHODS:
        raise ComparisonError(f"method={method!r}: {' and '.join(METHODS)} are allowed")
    for name, value, least in (("samples", samples, 1), ("seed", seed, 0)):
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise ComparisonError(f"{name}={value!r}: a whole number from {least} is allowed")


def _searched(task: SearchTask, make: Callable[[], Fits]) -> Choice:
    try:
        fits = make()
        outcome = task.run(fits)
        coefficients = fits.matrices(outcome.state).fixed_names
    except MmfitError as error:
        return Choice(None, failure=reason(error))
    return Choice(outcome.path.chosen, outcome.path.parts, coefficients=coefficients)


def _member_fits(task: SearchTask, batch: Batch, member: int) -> Callable[[], Fits]:
    # The conditional AIC reads more of a fit than a batch holds.
    if task.criterion == "caic":
        return lambda: Fits(batch.models, batch.responses[member])
    return lambda: BatchFits(batch, member)


def generators(samples: int, seed: int) -> list[np.random.Generator]:
    """One per sample."""
    return [np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(samples)]


def _samples(source: RowSource, known, samples: int, seed: int) -> Iterator[RowSource]:
    return (drawn(source, known, rng) for rng in generators(samples, seed))


def drawn_responses(matrices, fit, samples: int, seed: int) -> Iterator[np.ndarray]:
    """Drawn responses, as many at a time as fit the memory."""
    size = responses_at_once(matrices.nobs)
    for begin in range(0, samples, size):
        yield draw_responses(matrices, fit, seed, begin, min(begin + size, samples))


def responses_at_once(nobs: int) -> int:
    """How many responses of so many rows are held at once."""
    return max(1, _MOST_NUMBERS // nobs)


def cluster_words(known: Clusters) -> str:
    """What the cluster bootstrap draws."""
    number = len(known.rows)
    return f"{number} levels of {known.name} drawn with replacement, each with all of its rows"


def reason(error: MmfitError) -> str:
    """The first line of a message: what stands below it differs from sample to sample."""
    return str(error).splitlines()[0]
