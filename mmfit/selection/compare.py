"""Likelihood-ratio tests of pairs of candidates; nothing is fitted here."""

import difflib
from itertools import combinations

from mmfit.engine.records import Fit
from mmfit.errors import ComparisonError, ComputationError
from mmfit.inference.null_distributions import plain
from mmfit.selection.boundary import null_law
from mmfit.selection.records import Candidate, Comparison
from mmfit.selection.spans import log_volume
from mmfit.selection.validity import PairAssessment, Structure, assess, structure

# A fit stops when a further step promises less than 1e-9 and may sit 1e-6 above the optimum; the
# criterion itself carries rounding of about 1e-12 of its size. A null that fits better than the
# alternative by more than both together means that one of the fits failed.
OBJECTIVE_TOLERANCE = 1e-6
OBJECTIVE_ROUNDING = 1e-12

# Bases whose volumes agree to this are the same for REML (x and I(x - 3) beside an intercept).
VOLUME_ROUNDING = 1e-9


def compare_candidates(null: Candidate, alternative: Candidate) -> Comparison:
    """Test ``null`` against ``alternative``, or say why that has no meaning.

    A pair given in the wrong order is tested in the right one, and ``note`` says so.

    Raises
    ------
    ComparisonError : a candidate lacks the fit that the comparison needs.
    ComputationError : the null fits better than the alternative, so that a fit must have failed.
    """
    named = by_name((null, alternative))
    first, second = (structure(name, c.matrices) for name, c in named.items())
    return _comparison(assess(first, second), named, order_asked=True)


def compare_all(candidates, pairs="all") -> tuple[Comparison, ...]:
    """Compare candidates in pairs.

    Parameters
    ----------
    candidates : iterable of Candidate, in the order of the analysis.
    pairs : ``"all"`` (every pair once) or an iterable of (null, alternative) names.

    Raises
    ------
    ComparisonError : a name is unknown or used twice, or a pair has one model on both sides.
    ComputationError : see ``compare_candidates``.
    """
    named = by_name(candidates)
    order_asked = not isinstance(pairs, str)
    if not order_asked and pairs != "all":
        raise ComparisonError(f'pairs must be "all" or a list of pairs of names, not "{pairs}"')
    wanted = list(pairs) if order_asked else list(combinations(named, 2))
    for pair in wanted:
        _check_names(pair, named)
    used = {name for pair in wanted for name in pair}
    structures = {name: structure(name, c.matrices) for name, c in named.items() if name in used}
    return tuple(
        _comparison(assess(structures[first], structures[second]), named, order_asked=order_asked)
        for first, second in wanted
    )


def by_name(candidates) -> dict[str, Candidate]:
    """Candidates by name, in order; a name used twice is an error."""
    named: dict[str, Candidate] = {}
    for candidate in candidates:
        if candidate.name in named:
            raise ComparisonError(f'two candidates are called "{candidate.name}"')
        named[candidate.name] = candidate
    return named


def fit_of(candidate: Candidate, criterion: str) -> Fit:
    """The candidate's fit by ``criterion``."""
    if criterion not in candidate.fits:
        raise ComparisonError(f'the model "{candidate.name}" has no {criterion} fit')
    return candidate.fits[criterion]


def basis_constant(reference: Structure, other: Structure) -> float:
    """What to add to ``other``'s REML criterion to express it in the basis of ``reference``'s X.

    The REML criterion holds log det X'V^-1 X. For X1 = X0 T it is larger by 2 log|det T|, whatever
    V is, so that criteria of two bases of one space (other contrasts) differ by a constant.
    """
    X0, X1 = reference.matrices.X, other.matrices.X
    if X0 is X1:
        return 0.0
    constant = 2 * (log_volume(X0) - log_volume(X1))
    return constant if abs(constant) > VOLUME_ROUNDING else 0.0


def _comparison(pair: PairAssessment, named, *, order_asked: bool) -> Comparison:
    if pair.outcome != "valid":
        return _refused(pair, pair.outcome, pair.reason)
    null_fit = fit_of(named[pair.null.name], pair.criterion)
    alternative_fit = fit_of(named[pair.alternative.name], pair.criterion)
    failed = [
        f"{model.name} ({fit.optimizer.message})"
        for model, fit in ((pair.null, null_fit), (pair.alternative, alternative_fit))
        if not fit.converged
    ]
    if failed:
        reason = f"no test: the {pair.criterion} fit of {' and of '.join(failed)} did not converge"
        return _refused(pair, "not_converged", reason)
    notes = list(pair.notes)
    if pair.swapped and order_asked:
        notes.insert(
            0,
            f"asked for with {pair.alternative.name} as the null; {pair.null.name} is the smaller "
            "model, so it is the null here",
        )
    return _tested(pair, null_fit, alternative_fit, notes)


def _tested(pair, null_fit: Fit, alternative_fit: Fit, notes: list[str]) -> Comparison:
    shift = basis_constant(pair.null, pair.alternative) if pair.criterion == "REML" else 0.0
    objective = alternative_fit.objective + shift
    chisq = _statistic(pair, null_fit.objective, objective)
    if shift != 0.0:
        notes.append(
            f"{pair.alternative.name} codes the fixed part in another basis than {pair.null.name}; "
            f"its REML criterion is expressed in the latter's ({shift:+.6g})"
        )
    law = null_law(pair, null_fit, alternative_fit)
    notes += [law.note] if law.note else []
    if alternative_fit.singular:
        groups = ", ".join(alternative_fit.singular_groups)
        notes.append(f"the fit of {pair.alternative.name} is singular ({groups})")
    return Comparison(
        null=pair.null.name,
        alternative=pair.alternative.name,
        criterion=pair.criterion,
        valid=True,
        reason=pair.reason,
        note="; ".join(notes) or None,
        npar_null=null_fit.npar,
        npar_alternative=alternative_fit.npar,
        aic_null=float(null_fit.aic),
        aic_alternative=float(alternative_fit.aic + shift),
        bic_null=float(null_fit.bic),
        bic_alternative=float(alternative_fit.bic + shift),
        log_lik_null=float(null_fit.log_lik),
        log_lik_alternative=-0.5 * float(objective),
        chisq=chisq,
        df=pair.df,
        p_value=plain(pair.df).survival(chisq),
        null_distribution=None if law.distribution is None else str(law.distribution),
        p_value_boundary=None if law.distribution is None else law.distribution.survival(chisq),
        outcome="valid",
    )


def _statistic(pair, null_objective: float, alternative_objective: float) -> float:
    """The likelihood-ratio statistic; zero where it is negative by no more than noise."""
    chisq = float(null_objective - alternative_objective)
    noise = OBJECTIVE_TOLERANCE + OBJECTIVE_ROUNDING * abs(null_objective)
    if chisq < -noise:
        raise ComputationError(
            f"{pair.null.name} fits better than {pair.alternative.name}, which contains it "
            f"({pair.criterion} criterion {null_objective:.6f} against {alternative_objective:.6f},"
            f" chi-square {chisq:.3g}): one of the two fits has not reached its optimum"
        )
    return max(chisq, 0.0)


def _refused(pair: PairAssessment, outcome: str, reason: str) -> Comparison:
    return Comparison(
        null=pair.null.name,
        alternative=pair.alternative.name,
        criterion=None,
        valid=False,
        reason=reason,
        outcome=outcome,
    )


def _check_names(pair, named) -> None:
    for name in pair:
        if name not in named:
            near = difflib.get_close_matches(name, named, n=1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise ComparisonError(
                f'a comparison names the model "{name}", which does not exist{hint} '
                f"(models: {', '.join(named)})"
            )
    if pair[0] == pair[1]:
        raise ComparisonError(f'a comparison has the model "{pair[0]}" on both sides')
