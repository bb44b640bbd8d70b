"""Whether a pair has an exact null distribution: one scalar variance, and what else is random."""

from mmfit.engine.criterion import CRITERIA
from mmfit.engine.records import Fit
from mmfit.inference.distributions import NORMAL_95
from mmfit.inference.null_distributions.exact_tests import ExactNull
from mmfit.inference.null_distributions.spectra import no_spectrum, spectrum
from mmfit.selection.pair_tests.boundary import edge_orders
from mmfit.selection.records import NullDistribution, Remark
from mmfit.selection.relations.term_coordinates import FamilyTerm
from mmfit.selection.relations.validity import PairAssessment


def exact_distribution(
    pair: PairAssessment, null_fit: Fit, chisq: float
) -> NullDistribution | Remark:
    """The exact null distribution with its p-value, or why there is none.

    One variance against a linear model has it (Crainiceanu & Ruppert 2004), and so have the fixed
    effects of linear models (the F test). Where other random effects are present and independent of
    the tested one, the law of the model with the tested one alone is an approximation (Greven,
    Crainiceanu, Kuechenhoff & Peters 2008, J. Comput. Graph. Stat. 17: 870-891); ``holds`` is False
    for it.
    """
    tested, matrices = _tested_term(pair), pair.alternative.matrices
    if isinstance(tested, Remark):
        return tested
    if tested is None:
        found = no_spectrum(*matrices.X.shape)
    else:
        column = tested.model[:, 0]
        found = spectrum(matrices.X, tested.codes, tested.levels, column, matrices.weights)
        if not found.rank:
            return Remark("nothing_left", (pair.alternative.name, tested.label))
    law = ExactNull(found, pair.fixed_df, CRITERIA[pair.criterion])
    tail = law.survival(chisq)
    alone = not pair.null.family.terms
    margin, simulated = NORMAL_95 * tail.error, law.draws > 0
    others = tuple(term.group for term in null_fit.terms)
    return NullDistribution(
        method="exact",
        p_value=tail.probability,
        mc_low=max(tail.probability - margin, 0.0) if simulated else None,
        mc_high=min(tail.probability + margin, 1.0) if simulated else None,
        replicates=law.draws if simulated else None,
        holds=alone,
        condition=(
            Remark("exact", (simulated,))
            if alone
            else Remark("exact_approximate", (tested.label, pair.null.name, others)),
        ),
        criterion=pair.criterion,
    )


def _tested_term(pair: PairAssessment) -> FamilyTerm | Remark | None:
    """The one scalar term that the alternative adds, or why there is none.

    None for two linear models, whose test of fixed effects is exact without any.
    """
    terms, orders = pair.alternative.family.terms, edge_orders(pair)
    if not terms:
        return None
    added = [term for term, order in zip(terms, orders, strict=True) if order]
    if not added:
        return Remark("none_at_zero", (pair.null.name,))
    if len(added) > 1 or sum(orders) > 1:
        return Remark("several_at_zero", (pair.null.name, sum(orders)))
    if added[0].rank > 1:
        return Remark("correlated", (added[0].label,))
    inner = pair.null.family
    if not pair.alternative.family.regular or inner.redundant:
        return Remark("parameters_not_told_apart")
    if pair.df != pair.fixed_df + 1:
        return Remark("others_tested_along")
    if pair.fixed_df and inner.terms:
        return Remark("fixed_tested_along")
    return added[0]
