"""The models between a minimal and a maximal one, and the steps from each to its neighbours.

A model is a state: one level per element. Elements are the terms of the fixed part (0 out, 1 in)
and, for each bar of the maximal formula, the terms left of it: the first one (the intercept, where
there is one) is out or in; any other is out (0), independent of the rest (1), or correlated with it
(2). Marginality orders them: a term is not in a model without its margins (Nelder 1977, JRSS A
140: 48-77), and not correlated unless they are. In both parts a power of a covariate has the lower
powers as its margins.

A factor to the left of a bar loses its covariances as a whole: (f | g) becomes
(1 | g) + (1 | g:f), deviations of one variance for the combinations of g and f (Bates, Kliegl,
Vasishth & Baayen 2015, arXiv:1506.04967).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mmfit.errors import ComparisonError
from mmfit.selection.search.elements import FIXED, SearchScope, bar_text, joined

State = tuple[int, ...]
"""The level of each element of a scope."""

MOST_COUNTED = 20_000


@dataclass(frozen=True, slots=True)
class Move:
    """A step from one model to a neighbour.

    Attributes
    ----------
    element : int, the element whose level changes.
    before, after : State.
    """

    element: int
    before: State
    after: State


def is_valid(scope: SearchScope, state: State) -> bool:
    """Whether a state respects marginality."""
    return all(_stands(scope, state, k) for k, level in enumerate(state) if level)


def _stands(scope: SearchScope, state: State, k: int) -> bool:
    element = scope.elements[k]
    if not all(any(state[m] for m in group) for group in element.margins):
        return False
    if state[k] < 2:
        return True
    if state[element.anchor] == 0:
        return False
    beside = (m for group in element.margins for m in group)
    return all(
        state[m] == scope.elements[m].top
        for m in beside
        if scope.elements[m].block == element.block
    )


def moves_down(scope: SearchScope, state: State, part: str) -> list[Move]:
    """Single steps towards the minimal model within one part, in the order of the elements."""
    found = []
    for k in scope.members(part):
        for level in range(state[k] - 1, scope.minimal[k] - 1, -1):
            after = _changed(state, k, level)
            if is_valid(scope, after):
                found.append(Move(k, state, after))
                break
    return found


def moves_up(scope: SearchScope, state: State, part: str) -> list[Move]:
    """Single steps towards the maximal model within one part, in the order of the elements."""
    found = []
    for k in scope.members(part):
        if state[k] < scope.elements[k].top:
            after = _changed(state, k, state[k] + 1)
            # What stands in the smaller model stands in the larger one.
            if _stands(scope, after, k):
                found.append(Move(k, state, after))
    return found


def beyond(scope: SearchScope, move: Move) -> Move | None:
    """The same element taken one level further, for a model in between that cannot be fitted."""
    k, start, reached = move.element, move.before[move.element], move.after[move.element]
    level = 2 * reached - start if abs(reached - start) == 1 else -1
    if not scope.minimal[k] <= level <= scope.elements[k].top:
        return None
    after = _changed(move.before, k, level)
    if not is_valid(scope, after):
        return None
    return Move(k, move.before, after)


def every_state(scope: SearchScope, limit: int) -> list[State]:
    """All models from the minimal to the maximal one, by size and then by element.

    Raises
    ------
    ComparisonError
        Where there are more than ``limit``; the message says how many.
    """
    seen = {scope.minimal: None}
    pending = [scope.minimal]
    while pending and len(seen) <= max(MOST_COUNTED, limit):
        state = pending.pop()
        for part in (FIXED, "random"):
            for move in moves_up(scope, state, part):
                if move.after not in seen:
                    seen[move.after] = None
                    pending.append(move.after)
    if len(seen) > limit:
        number = f"more than {MOST_COUNTED}" if pending else str(len(seen))
        raise ComparisonError(
            f"an exhaustive search would fit {number} models, and at most {limit} are allowed: "
            "give a smaller maximal or a larger minimal model, or search backward or forward"
        )
    return sorted(seen, key=lambda state: (sum(state), tuple(-level for level in state)))


def formula_of(scope: SearchScope, state: State) -> str:
    """A model as a formula of lme4's language."""
    terms = [scope.elements[k].label for k in scope.members(FIXED) if state[k]]
    present = [k for k in scope.members(FIXED) if state[k]]
    zero = scope.spelt_zero and any(scope.elements[k].spans_constant for k in present)
    if not scope.intercept or zero:
        terms.insert(0, "0")
    elif not terms:
        terms = ["1"]
    bars = [text for block in range(scope.blocks) for text in _bars(scope, state, block)]
    return f"{scope.response} ~ {' + '.join([*terms, *scope.offsets, *dict.fromkeys(bars)])}"


def parts_of(scope: SearchScope, state: State) -> tuple[str, ...]:
    """What is in a model: its fixed terms, then its bars as independent terms and correlations."""
    found = [scope.elements[k].label for k in scope.members(FIXED) if state[k]]
    for block in range(scope.blocks):
        members = scope.block_members(block)
        found += [scope.elements[k].alone for k in members if state[k]]
        inside = [scope.elements[k] for k in members if k in _inside(scope, state, block)]
        grouping = inside[0].grouping if inside else ""
        for i, late in enumerate(inside):
            found += [
                f"correlation of {early.name} and {late.name} by {grouping}" for early in inside[:i]
            ]
    return tuple(dict.fromkeys(found))


def _bars(scope: SearchScope, state: State, block: int) -> Iterator[str]:
    inside = _inside(scope, state, block)
    apart = [k for k in scope.block_members(block) if state[k] and k not in inside]
    elements = scope.elements
    if not inside:
        yield from (elements[k].alone for k in apart)
        return
    grouping = elements[inside[0]].grouping
    labels = [elements[k].label for k in inside]
    plain = [k for k in apart if not elements[k].factors]
    if labels == ["1"] and plain:
        yield bar_text(["1", *(elements[k].label for k in plain)], grouping, "||")
        apart = [k for k in apart if k not in plain]
    else:
        yield bar_text(labels, grouping)
    yield from (elements[k].alone for k in apart)


def _inside(scope: SearchScope, state: State, block: int) -> list[int]:
    """The elements that vary together: the anchor, where it is in, and those correlated with it."""
    return [k for k in scope.block_members(block) if state[k] == scope.elements[k].top]


def _changed(state: State, k: int, level: int) -> State:
    return (*state[:k], level, *state[k + 1 :])


def move_words(scope: SearchScope, move: Move) -> str:
    """A step in words: ``drop sex``, ``add the correlation of x and (Intercept) by g``."""
    state, k = move.before, move.element
    element, level = scope.elements[k], move.after[move.element]
    verb = "drop" if level < state[k] else "add"
    if element.part == FIXED:
        return f"{verb} {element.label}"
    if 0 in (level, state[k]) and 2 not in (level, state[k]):
        return f"{verb} {element.alone}"
    if 0 in (level, state[k]):
        richer = max(state, _changed(state, k, level))
        (bar, *_) = _bars(scope, richer, element.block)
        return f"{verb} {element.name} in {bar}"
    if element.factors:
        return (
            f"{verb} the covariances of {element.label} by {element.grouping}"
            f" ({'leaving' if verb == 'drop' else 'beyond'} {element.alone})"
        )
    lower = min(level, state[k])
    others = [m for m in _inside(scope, _changed(state, k, lower), element.block) if m != k]
    names = [scope.elements[m].name for m in others]
    if len(names) == 1:
        return f"{verb} the correlation of {element.name} and {names[0]} by {element.grouping}"
    return f"{verb} the correlations of {element.name} with {joined(names)} by {element.grouping}"
