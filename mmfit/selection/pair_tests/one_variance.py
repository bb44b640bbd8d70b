"""Whether a pair has an exact null distribution: one scalar variance, and what else is random."""

from mmfit.engine.records import Fit
from mmfit.inference.null_distributions.exact_tests import ExactNull
from mmfit.inference.null_distributions.spectra import no_spectrum, spectrum
from mmfit.selection.pair_tests.boundary import edge_orders
from mmfit.selection.records import NullDistribution
from mmfit.selection.relations.term_coordinates import FamilyTerm
from mmfit.selection.relations.validity import PairAssessment

NORMAL_95 = 1.959963984540054


def exact_distribution(
    pair: PairAssessment, null_fit: Fit, chisq: float
) -> tuple[NullDistribution | None, str | None]:
    """The exact null distribution with its p-value, or None and why there is none.

    One variance against a linear model has it (Crainiceanu & Ruppert 2004), and so have the fixed
    effects of linear models (the F test). Where other random effects are present and independent of
    the tested one, the law of the model with the tested one alone is an approximation (Greven,
    Crainiceanu, Kuechenhoff & Peters 2008, J. Comput. Graph. Stat. 17: 870-891); ``holds`` is False
    for it.
    """
    tested, matrices = _tested_term(pair), pair.alternative.matrices
    if isinstance(tested, str):
        return None, tested
    if tested is None:
        found = no_spectrum(*matrices.X.shape)
    else:
        column = tested.model[:, 0]
        found = spectrum(matrices.X, tested.codes, tested.levels, column, matrices.weights)
        if not found.rank:
            what = f"the fixed part of {pair.alternative.name} leaves nothing of {tested.label}"
            return None, what
    law = ExactNull(found, pair.fixed_df, pair.criterion == "REML")
    tail = law.survival(chisq)
    alone = not pair.null.family.terms
    margin, simulated = NORMAL_95 * tail.error, law.draws > 0
    return NullDistribution(
        method="exact",
        distribution=str(law) if alone else f"{law}, other random effects as known",
        p_value=tail.probability,
        mc_low=max(tail.probability - margin, 0.0) if simulated else None,
        mc_high=min(tail.probability + margin, 1.0) if simulated else None,
        replicates=law.draws if simulated else None,
        holds=alone,
        condition=_alone_words(law) if alone else _approximate_words(pair, tested, null_fit),
    ), None


def _tested_term(pair: PairAssessment) -> FamilyTerm | str | None:
    """The one scalar term that the alternative adds, or why there is none.

    None for two linear models, whose test of fixed effects is exact without any.
    """
    terms, orders = pair.alternative.family.terms, edge_orders(pair)
    if not terms:
        return None
    added = [term for term, order in zip(terms, orders, strict=True) if order]
    if not added:
        return f"{pair.null.name} puts no variance at zero"
    if len(added) > 1 or sum(orders) > 1:
        return f"{pair.null.name} puts {sum(orders)} variances at zero, and it is for one alone"
    if added[0].rank > 1:
        return f"in {added[0].label} effects are correlated, and it is for an independent one"
    inner = pair.null.family
    if not pair.alternative.family.regular or inner.redundant:
        return "covariance parameters cannot all be told apart"
    if pair.df != pair.fixed_df + 1:
        return "covariance parameters that are not at an edge are tested along"
    if pair.fixed_df and inner.terms:
        return "fixed effects are tested along while other random effects are present"
    return added[0]


def _alone_words(law: ExactNull) -> str:
    words = "for samples of any size, with normal errors"
    return words if law.draws else f"{words}; nothing is simulated"


def _approximate_words(pair: PairAssessment, tested: FamilyTerm, null_fit: Fit) -> str:
    others = ", ".join(term.group for term in null_fit.terms)
    return (
        f"an approximation: the exact law of {tested.label} alone, which takes the random effects "
        f"of {pair.null.name} ({others}) as known"
    )
