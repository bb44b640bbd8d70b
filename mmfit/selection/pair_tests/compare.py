"""Likelihood-ratio tests of pairs of candidates; only bootstrap replicates are fitted here."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from mmfit.errors import ComparisonError, ComputationError
from mmfit.inference.null_distributions.mixtures import plain
from mmfit.selection.pair_tests.null_choice import FittedPair, choose_null
from mmfit.selection.records import Candidate, Comparison, NullSettings
from mmfit.selection.relations.spans import log_volume
from mmfit.selection.relations.validity import PairAssessment, Structure, assess, structure

# A fit stops when a further step promises less than 1e-9 and may sit 1e-6 above the optimum; the
# criterion itself carries rounding of about 1e-12 of its size. A null that fits better than the
# alternative by more than both together means that one of the fits failed.
OBJECTIVE_TOLERANCE = 1e-6
OBJECTIVE_ROUNDING = 1e-12

# Bases whose volumes agree to this are the same for REML (x and I(x - 3) beside an intercept).
VOLUME_ROUNDING = 1e-9


# A pair of names, the null first.
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """How the null distributions of an analysis are to be found.

    Attributes
    ----------
    settings : NullSettings of every pair;  per_pair : those of pairs with their own, in any order.
    statistics : bootstrap statistics computed elsewhere, by (null, alternative).
    """

    settings: NullSettings = field(default_factory=NullSettings)
    per_pair: Mapping[Pair, NullSettings] = field(default_factory=dict)
    statistics: Mapping[Pair, np.ndarray] = field(default_factory=dict)

    def settings_of(self, first: str, second: str) -> NullSettings:
        """The settings of a pair, in whatever order its names stand."""
        own = self.per_pair.get((first, second), self.per_pair.get((second, first)))
        return self.settings if own is None else own


def compare_candidates(
    null: Candidate, alternative: Candidate, settings: NullSettings | None = None
) -> Comparison:
    """Test ``null`` against ``alternative``, or say why that has no meaning.

    A pair given in the wrong order is tested in the right one, and ``note`` says so. ``settings``
    say how the null distribution is found; by default the best that holds is taken.

    Raises
    ------
    ComparisonError : a candidate lacks the fit that the comparison needs.
    ComputationError : the null fits better than the alternative, so that a fit must have failed.
    """
    plan = Plan(NullSettings() if settings is None else settings)
    named = by_name((null, alternative))
    first, second = (structure(name, c.matrices) for name, c in named.items())
    return _comparison(assess(first, second), named, plan, order_asked=True)


def compare_all(
    candidates: Iterable[Candidate],
    pairs: str | Iterable[Pair] = "all",
    settings: NullSettings | None = None,
    per_pair: Mapping[Pair, NullSettings] | None = None,
    statistics: Mapping[Pair, np.ndarray] | None = None,
) -> tuple[Comparison, ...]:
    """Compare candidates in pairs.

    Parameters
    ----------
    candidates : iterable of Candidate, in the order of the analysis.
    pairs : ``"all"`` (every pair once) or an iterable of (null, alternative) names.
    settings : how null distributions are found;  per_pair : for pairs that differ from that.
    statistics : bootstrap statistics by (null, alternative), as ``chunks.join_chunks`` gives them;
        pairs that are not among them are bootstrapped here.

    Raises
    ------
    ComparisonError : a name is unknown or used twice, a pair has one model on both sides, or
        statistics are too few.
    ComputationError : see ``compare_candidates``.
    """
    plan = Plan(NullSettings() if settings is None else settings, per_pair or {}, statistics or {})
    named = by_name(candidates)
    order_asked = not isinstance(pairs, str)
    return tuple(
        _comparison(pair, named, plan, order_asked=order_asked)
        for pair in assessments(named, pairs)
    )


def assessments(
    named: Mapping[str, Candidate], pairs: str | Iterable[Pair]
) -> tuple[PairAssessment, ...]:
    """What each pair of candidates is to the other, in order.

    Raises
    ------
    ComparisonError : a name is unknown, or a pair has one model on both sides.
    """
    listed = not isinstance(pairs, str)
    if not listed and pairs != "all":
        raise ComparisonError(f'pairs must be "all" or a list of pairs of names, not "{pairs}"')
    wanted = list(pairs) if listed else list(combinations(named, 2))
    for pair in wanted:
        _check_names(pair, named)
    used = {name for pair in wanted for name in pair}
    structures = {name: structure(name, c.matrices) for name, c in named.items() if name in used}
    return tuple(assess(structures[first], structures[second]) for first, second in wanted)


def by_name(candidates) -> dict[str, Candidate]:
    """Candidates by name, in order; a name used twice is an error."""
    named: dict[str, Candidate] = {}
    for candidate in candidates:
        if candidate.name in named:
            raise ComparisonError(f'two candidates are called "{candidate.name}"')
        named[candidate.name] = candidate
    return named


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


def fitted_pair(pair: PairAssessment, named: Mapping[str, Candidate]) -> FittedPair | str:
    """A valid pair with its fits and its statistic, or which fit did not converge.

    Raises
    ------
    ComparisonError : a candidate lacks the fit.
    ComputationError : the null fits better than the alternative.
    """
    null_fit = named[pair.null.name].fit_by(pair.criterion)
    alternative_fit = named[pair.alternative.name].fit_by(pair.criterion)
    failed = [
        f"{model.name} ({fit.optimizer.message})"
        for model, fit in ((pair.null, null_fit), (pair.alternative, alternative_fit))
        if not fit.converged
    ]
    if failed:
        return f"no test: the {pair.criterion} fit of {' and of '.join(failed)} did not converge"
    shift = basis_constant(pair.null, pair.alternative) if pair.criterion == "REML" else 0.0
    chisq = _statistic(pair, null_fit.objective, alternative_fit.objective + shift)
    return FittedPair(pair, null_fit, alternative_fit, chisq, shift)


def _comparison(pair: PairAssessment, named, plan: Plan, *, order_asked: bool) -> Comparison:
    if pair.outcome != "valid":
        return _refused(pair, pair.outcome, pair.reason)
    fitted = fitted_pair(pair, named)
    if isinstance(fitted, str):
        return _refused(pair, "not_converged", fitted)
    notes = list(pair.notes)
    if pair.swapped and order_asked:
        notes.insert(
            0,
            f"asked for with {pair.alternative.name} as the null; {pair.null.name} is the smaller "
            "model, so it is the null here",
        )
    return _tested(fitted, plan, notes)


def _tested(fitted: FittedPair, plan: Plan, notes: list[str]) -> Comparison:
    pair, null_fit, alternative_fit = fitted.pair, fitted.null_fit, fitted.alternative_fit
    null, alternative, shift = pair.null.name, pair.alternative.name, fitted.shift
    if shift != 0.0:
        notes.append(
            f"{alternative} codes the fixed part in another basis than {null}; "
            f"its REML criterion is expressed in the latter's ({shift:+.6g})"
        )
    choice = choose_null(
        fitted, plan.settings_of(null, alternative), plan.statistics.get((null, alternative))
    )
    notes += [choice.note] if choice.note else []
    if alternative_fit.singular:
        groups = ", ".join(alternative_fit.singular_groups)
        notes.append(f"the fit of {alternative} is singular ({groups})")
    return Comparison(
        null=null,
        alternative=alternative,
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
        log_lik_alternative=-0.5 * float(alternative_fit.objective + shift),
        chisq=fitted.chisq,
        df=pair.df,
        p_value=plain(pair.df).survival(fitted.chisq),
        null_distribution=choice.chosen.distribution if choice.chosen else None,
        p_value_boundary=choice.chosen.p_value if choice.chosen else None,
        outcome="valid",
        distributions=choice.distributions,
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
