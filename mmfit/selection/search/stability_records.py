"""What a repeated selection amounts to."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mmfit.inference.distributions import binomial_interval

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class StabilityRow:
    """How often one thing happened.

    Attributes
    ----------
    kind : ``model`` (it was chosen), ``term`` (it was in the chosen model) or ``failure`` (the
        selection could not be made).
    model : str, the formula; the term, random term or correlation; the reason.
    chosen : bool, whether the selection from the data itself has it.
    count : int, of the samples;  frequency : float, their share.
    mc_low, mc_high : float, its 95% interval by Clopper & Pearson.
    """

    kind: str
    model: str
    chosen: bool
    count: int
    frequency: float
    mc_low: float
    mc_high: float


@dataclass(frozen=True, slots=True)
class Stability:
    """A selection repeated.

    Attributes
    ----------
    method : ``parametric`` or ``cluster``;  samples : int;  seed : int.
    text : str, what was drawn, in words.
    rows : tuple of StabilityRow: models, the most frequent first; terms in the order of the
        maximal model; failures.
    choices : tuple of Choice, one per sample.
    """

    method: str
    samples: int
    seed: int
    text: str
    rows: tuple[StabilityRow, ...]
    choices: tuple["Choice", ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen: the model's name, its parts and its fixed-effect coefficients; or why
    nothing was."""

    model: str | None
    parts: tuple[str, ...] = ()
    failure: str | None = None
    coefficients: tuple[str, ...] = ()


def counted_rows(
    choices: Sequence[Choice], own: Choice, terms: Sequence[str]
) -> tuple[StabilityRow, ...]:
    """Models, terms and failures with their counts; ``terms`` stand first, whatever was chosen."""
    total = len(choices)
    models = _counted(choice.model for choice in choices)
    models.setdefault(own.model, 0)
    found = [
        _row("model", model, model == own.model, count, total)
        for model, count in sorted(models.items(), key=lambda item: -item[1])
    ]
    every = dict.fromkeys([*terms, *(part for choice in choices for part in choice.parts)])
    for term in every:
        count = sum(term in choice.parts for choice in choices)
        found.append(_row("term", term, term in own.parts, count, total))
    for reason, count in _counted(choice.failure for choice in choices).items():
        found.append(_row("failure", reason, False, count, total))
    return tuple(found)


def _counted(values) -> dict[str, int]:
    """How often each value occurs, in the order of appearance; None is left out."""
    counts: dict[str, int] = {}
    for value in values:
        if value is not None:
            counts[value] = counts.get(value, 0) + 1
    return counts


def _row(kind: str, model: str, chosen: bool, count: int, total: int) -> StabilityRow:
    low, high = binomial_interval(count, total)
    return StabilityRow(kind, model, chosen, count, count / total, low, high)
