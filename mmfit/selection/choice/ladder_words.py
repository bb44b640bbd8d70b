"""What the steps of a selection among declared candidates say."""

from collections.abc import Sequence

from mmfit.selection.choice.eligible_candidates import EligibleCandidate
from mmfit.selection.records import Comparison, DecidedTest
from mmfit.selection.relations.spans import columns_inside


def testing_ground_words(
    members: Sequence[EligibleCandidate], group: Sequence[EligibleCandidate]
) -> str:
    """Which candidates the random part is chosen among, and which are left out."""
    names = ", ".join(e.name for e in group)
    model = group[0].structure
    text = (
        f"Random part: {names} share the fixed part {' + '.join(model.matrices.fixed_names)}, the "
        "richest one that comes with more than one random part; tests by REML."
    )
    rank = model.span.rank
    richer = [e.name for e in members if e.structure.span.rank > rank]
    if richer:
        text += f" No richer fixed part (of {', '.join(richer)}) comes with two random parts."
    aside = [
        e.name
        for e in members
        if e.structure.span.rank <= rank
        and not columns_inside(e.structure.matrices.X, model.span).all()
    ]
    if aside:
        text += f" It does not contain the fixed part of {', '.join(aside)}."
    tested = {e.random_class for e in group}
    untested = [e.name for e in members if e.random_class not in tested]
    if untested:
        text += (
            f" The random part of {', '.join(untested)} comes only with other fixed parts and is "
            "not tested; see the rankings."
        )
    return text


def test_words(test: Comparison) -> str:
    """A test, with the p-value that decides and, where it is another, the plain one."""
    words = (
        f"{test.null} against {test.alternative} ({test.criterion}): chi-square {test.chisq:.4g} "
        f"on {test.df} df, p = {p_words(test)}"
    )
    if test.kind == "plain":
        return f"{words} by the plain chi-square: {test.note}."
    if test.decided_by.method != "chi2":
        return f"{words} by {test.null_distribution} (plain chi-square: {test.p_value_chi2:.4g})."
    return f"{words}."


def p_words(test: DecidedTest) -> str:
    """The p-value that decides, with the digits that it has, and its Monte Carlo interval."""
    by = test.decided_by
    if by.method not in ("calibrated", "bootstrap"):
        return f"{by.p_value:.4g}"
    return f"{by.p_value:.2g} (Monte Carlo 95%: {by.mc_low:.2g} to {by.mc_high:.2g})"


def beside_words(test: Comparison, alpha: float) -> str:
    """The bootstrap where it stands beside the law that decided, and whether the two agree.

    They agree where their Monte Carlo intervals meet: to be on one side of ``alpha`` is not enough.
    """
    law = test.decided_by
    found = next((d for d in test.distributions if d.method == "bootstrap"), None)
    if found is None or found is law:
        return ""
    words = f" By parametric bootstrap p = {found.p_value:.4g}"
    if found.mc_low == 0:
        return f"{words}: none of {found.replicates} replicates reached the statistic."
    # What it stands beside is calibrated by the same replicates, and has an interval too.
    if law.mc_low <= found.mc_high and found.mc_low <= law.mc_high:
        return f"{words}, which agrees within the errors of both."
    words += f" (95% Monte Carlo interval {found.mc_low:.3g} to {found.mc_high:.3g})"
    if (found.p_value < alpha) == (test.p_value < alpha):
        return f"{words}, another number on the same side of {alpha:g}."
    side = "below" if found.p_value < alpha else "not below"
    return f"{words}, another number, {side} {alpha:g}: see what each of the two rests on."
