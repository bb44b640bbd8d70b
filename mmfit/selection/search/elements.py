"""What a search may take out of a maximal model: its terms, with their margins."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mmfit.errors import ComparisonError
from mmfit.expression.deparse import deparse
from mmfit.expression.nodes import Binary, Call, Name, Node, Number, Parentheses
from mmfit.formula.bars import Bar
from mmfit.formula.formula import Formula, parse
from mmfit.formula.matrices import ModelMatrices
from mmfit.formula.terms import Terms

FIXED, RANDOM = "fixed", "random"
INTERCEPT_NAME = "(Intercept)"


@dataclass(frozen=True, slots=True)
class Element:
    """A term that can be in a model or not.

    Attributes
    ----------
    part : ``fixed`` or ``random``.
    block : int, the bar of the maximal formula that it belongs to; -1 in the fixed part.
    label : str, as in a formula (``1`` for an intercept).
    name : str, as in a table (``(Intercept)`` for an intercept).
    powers : tuple of (variable, exponent), sorted: what the term is the product of.
    top : int, its highest level.
    anchor : int, the element with which it is correlated at level 2; itself at top level 1.
    margins : tuple of tuples of int, what it cannot be without: of each tuple, elements that are
        the same term of its part (and grouping factor), one at least.
    factors : tuple of str, the factors among its variables.
    spans_constant : bool, whether it is made of factors alone.
    grouping : str, the grouping factor, ``""`` in the fixed part.
    keys : tuple of frozenset of str, the variables of the grouping factor, and those of the
        grouping factor that the term has when it stands alone.
    alone : str, the bar of the term when it is independent of the others; the label of a fixed one.
    """

    part: str
    block: int
    label: str
    name: str
    powers: tuple[tuple[str, int], ...]
    top: int = 1
    anchor: int = -1
    margins: tuple[tuple[int, ...], ...] = ()
    factors: tuple[str, ...] = ()
    spans_constant: bool = False
    grouping: str = ""
    keys: tuple[frozenset[str], ...] = ()
    alone: str = ""


@dataclass(frozen=True, slots=True)
class SearchScope:
    """All models between a minimal and a maximal one.

    Attributes
    ----------
    response : str.
    intercept : bool, whether the fixed part spans the constant: always or never.
    spelt_zero : bool, whether the maximal formula writes ``0 +`` before a factor.
    offsets : tuple of str.
    elements : tuple of Element, fixed ones first, in the order of the maximal formula.
    blocks : int, number of bars.
    minimal, maximal : per element, its level in these models.
    """

    response: str
    intercept: bool
    spelt_zero: bool
    offsets: tuple[str, ...]
    elements: tuple[Element, ...]
    blocks: int
    minimal: tuple[int, ...]
    maximal: tuple[int, ...]

    def members(self, part: str) -> list[int]:
        """The elements of one part."""
        return [k for k, element in enumerate(self.elements) if element.part == part]

    def block_members(self, block: int) -> list[int]:
        """The elements of one bar."""
        return [k for k, element in enumerate(self.elements) if element.block == block]


def make_scope(maximal: ModelMatrices, minimal: str | None = None) -> SearchScope:
    """The scope below a maximal model.

    Parameters
    ----------
    maximal : its matrices (the data tell which variables are factors).
    minimal : formula of what every model keeps, or None: an intercept alone. The margins of what it
        names are kept, too.

    Raises
    ------
    FormulaError : a minimal formula that cannot be read.
    ComparisonError : one that is not part of the maximal model.
    """
    design = maximal.design
    if design is None:
        raise ComparisonError("a search needs a maximal model that was built from a formula")
    formula = design.formula
    fixed_factors = {c.coding.variable.label for c in design.fixed if c.coding.levels is not None}
    elements = _fixed_elements(formula.fixed, fixed_factors)
    constant = any(e.spans_constant for e in elements)
    for block, bar in enumerate(formula.random):
        codings = next(r.codings for r in design.random if r.bar is bar)
        factors = {c.variable.label for c in codings if c.levels is not None}
        elements += _bar_elements(bar, block, factors, len(elements))
    elements = [replace(e, margins=_margins(k, elements)) for k, e in enumerate(elements)]
    scope = SearchScope(
        response=formula.response,
        intercept=formula.fixed.intercept or constant,
        spelt_zero=not formula.fixed.intercept,
        offsets=tuple(variable.label for variable in formula.fixed.offsets),
        elements=tuple(elements),
        blocks=len(formula.random),
        minimal=(0,) * len(elements),
        maximal=tuple(element.top for element in elements),
    )
    return scope if minimal is None else replace(scope, minimal=_levels(scope, parse(minimal)))


def bar_text(labels: Sequence[str], grouping: str, operator: str = "|") -> str:
    """``(1 + Days | Subject)``; ``0 +`` in front where the intercept does not vary."""
    left = labels if labels[0] == "1" else ["0", *labels]
    return f"({' + '.join(left)} {operator} {grouping})"


def joined(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _fixed_elements(terms: Terms, factors: set[str]) -> list[Element]:
    return [
        Element(
            part=FIXED,
            block=-1,
            label=label,
            name=label,
            powers=_powers(terms, members),
            anchor=k,
            spans_constant={terms.variables[m].label for m in members} <= factors,
            alone=label,
        )
        for k, (label, members) in enumerate(zip(terms.labels, terms.members, strict=True))
    ]


def _bar_elements(bar: Bar, block: int, factors: set[str], first: int) -> list[Element]:
    """The terms left of a bar; a factor without an intercept is the same with one."""
    terms, grouping = bar.terms, bar.grouping
    key = frozenset(variable.label for variable in grouping.factors)
    labels = [tuple(terms.variables[m].label for m in members) for members in terms.members]
    constant = terms.intercept or any(set(names) <= factors for names in labels)
    base = Element(RANDOM, block, "1", INTERCEPT_NAME, (), anchor=first, grouping=grouping.name)
    found = []
    if constant:
        found.append(replace(base, keys=(key, key), alone=bar_text(["1"], grouping.name)))
    for names, label, members in zip(labels, terms.labels, terms.members, strict=True):
        follows = bool(found)
        own = tuple(name for name in names if name in factors) if follows else ()
        numbers = [name for name in names if name not in own]
        element = replace(
            base,
            label=label,
            name=label,
            powers=_powers(terms, members),
            top=2 if follows else 1,
            factors=own,
            keys=(key, key | set(own)),
            alone=bar_text([":".join(numbers) or "1"], ":".join([grouping.name, *own])),
        )
        found.append(element)
    return found


def _margins(k: int, elements: Sequence[Element]) -> tuple[tuple[int, ...], ...]:
    """Other elements of the same part and grouping factor whose powers are none of them higher."""
    element = elements[k]
    own = dict(element.powers)
    found: dict[tuple, list[int]] = {}
    for m, other in enumerate(elements):
        if (other.part, other.keys[:1]) != (element.part, element.keys[:1]):
            continue
        lower = all(exponent <= own.get(base, 0) for base, exponent in other.powers)
        if lower and other.powers != element.powers:
            found.setdefault(other.powers, []).append(m)
    return tuple(map(tuple, found.values()))


def _powers(terms: Terms, members: Sequence[int]) -> tuple[tuple[str, int], ...]:
    total: dict[str, int] = {}
    for member in members:
        base, exponent = _power(terms.variables[member].expression.root)
        total[base] = total.get(base, 0) + exponent
    return tuple(sorted(total.items()))


def _power(node: Node) -> tuple[str, int]:
    """A variable as a power of another one: ``I(x^2)`` is (x, 2)."""
    inner = node
    if isinstance(node, Call) and node.function == "I" and len(node.arguments) == 1:
        inner = node.arguments[0].value
        while isinstance(inner, Parentheses):
            inner = inner.inner
        match inner:
            case Binary(operator="^", left=Name() as left, right=Number(value=value)):
                if value >= 1 and value == int(value):
                    return deparse(left), int(value)
    return deparse(node), 1


def _levels(scope: SearchScope, minimal: Formula) -> tuple[int, ...]:
    """The levels of a minimal formula's terms, their margins with them."""
    if minimal.response != scope.response:
        raise ComparisonError(
            f"the minimal model has the response {minimal.response!r}, the maximal one "
            f"{scope.response!r}; they must be the same"
        )
    levels = [0] * len(scope.elements)
    for members, label in zip(minimal.fixed.members, minimal.fixed.labels, strict=True):
        place = _place(scope, _powers(minimal.fixed, members))
        if place is None:
            raise _missing(f"the fixed term {label}")
        levels[place] = 1
    for bar in minimal.random:
        _raise_bar(scope, bar, levels)
    return _closed(scope, levels)


def _closed(scope: SearchScope, levels: list[int]) -> tuple[int, ...]:
    """The margins of what is in, added until nothing is missing."""
    before = None
    while before != levels:
        before = list(levels)
        for k, element in enumerate(scope.elements):
            for group in element.margins if levels[k] else ():
                if not any(levels[m] for m in group):
                    levels[group[-1]] = 1
                for m in group if levels[k] == 2 else ():
                    if scope.elements[m].block == element.block:
                        levels[m] = scope.elements[m].top
    return tuple(levels)


def _place(scope: SearchScope, powers) -> int | None:
    places = (k for k in scope.members(FIXED) if scope.elements[k].powers == powers)
    return next(places, None)


def _raise_bar(scope: SearchScope, bar: Bar, levels: list[int]) -> None:
    """Set the levels of one bar: of terms that are together in one bar, or of one that is alone."""
    key = frozenset(variable.label for variable in bar.grouping.factors)
    wanted = [_powers(bar.terms, members) for members in bar.terms.members]
    if bar.terms.intercept:
        wanted.insert(0, ())
    for block in range(scope.blocks):
        own = {scope.elements[k].powers: k for k in scope.block_members(block)}
        if (
            all(powers in own for powers in wanted)
            and scope.elements[own[wanted[0]]].keys[0] == key
        ):
            places = [own[powers] for powers in wanted]
            for k in places:
                together = len(places) > 1
                levels[k] = max(levels[k], scope.elements[k].top if together else 1)
                levels[scope.elements[k].anchor] |= int(together)
            return
    for k, element in enumerate(scope.elements):
        if element.factors and element.keys[1] == key and len(wanted) == 1:
            numbers = tuple(p for p in element.powers if p[0] not in element.factors)
            if numbers == wanted[0]:
                levels[k] = max(levels[k], 1)
                return
    raise _missing(f"the random term ({bar.text})")


def _missing(what: str) -> ComparisonError:
    return ComparisonError(
        f"{what} of the minimal model is not in the maximal one, which must contain it"
    )
