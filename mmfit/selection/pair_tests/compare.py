"""Comparisons of pairs of candidates: their likelihood-ratio tests, or why there are none."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from mmfit.engine.records import Fit
from mmfit.errors import ComparisonError
from mmfit.inference.null_distributions.bootstrap import Replicates
from mmfit.selection import words
from mmfit.selection.pair_tests.fitted_pair import NullSource
from mmfit.selection.pair_tests.likelihood_ratio import LikelihoodRatio, likelihood_ratio
from mmfit.selection.records import Candidate, Comparison, NullSettings, Remark
from mmfit.selection.relations.relations import Relations
from mmfit.selection.relations.validity import PairAssessment

# A pair of names, the null first.
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """How the null distributions of an analysis are to be found.

    Attributes
    ----------
    settings : NullSettings of every pair;  per_pair : those of pairs with their own, in any order.
    replicates : of bootstraps computed elsewhere, by (null, alternative).
    """

    settings: NullSettings = field(default_factory=NullSettings)
    per_pair: Mapping[Pair, NullSettings] = field(default_factory=dict)
    replicates: Mapping[Pair, Replicates] = field(default_factory=dict)

    def settings_of(self, first: str, second: str) -> NullSettings:
        """The settings of a pair, in whatever order its names stand."""
        own = self.per_pair.get((first, second), self.per_pair.get((second, first)))
        return self.settings if own is None else own


def compare_candidates(
    null: Candidate,
    alternative: Candidate,
    settings: NullSettings | None = None,
    relations: Relations[str] | None = None,
) -> Comparison:
    """Test ``null`` against ``alternative``, or say why that has no meaning.

    A pair given in the wrong order is tested in the right one, and ``note`` says so.

    Parameters
    ----------
    settings : how the null distribution is found; by default the best that keeps its level.
    relations : of a set with both models in it by their names, where there is one.

    Raises
    ------
    ComparisonError : a candidate lacks the fit that the comparison needs.
    ComputationError : the null fits better than the alternative, so that a fit must have failed.
    """
    named = by_name((null, alternative))
    pair = (relations or relations_of(named)).pair(null.name, alternative.name)
    plan = Plan(NullSettings() if settings is None else settings)
    return _comparison(pair, named, plan, order_asked=True)


def compare_all(
    candidates: Iterable[Candidate],
    pairs: str | Iterable[Pair] = "all",
    settings: NullSettings | None = None,
    per_pair: Mapping[Pair, NullSettings] | None = None,
    replicates: Mapping[Pair, Replicates] | None = None,
    relations: Relations[str] | None = None,
) -> tuple[Comparison, ...]:
    """Compare candidates in pairs.

    Parameters
    ----------
    candidates : iterable of Candidate, in the order of the analysis.
    pairs : ``"all"`` (every pair once) or an iterable of (null, alternative) names.
    settings : how null distributions are found;  per_pair : for pairs that differ from that.
    replicates : of bootstraps by (null, alternative), as ``bootstrap_chunks.join_chunks`` gives
        them; those of pairs that are not among them are drawn here.
    relations : of the candidates by name, where they are known.

    Raises
    ------
    ComparisonError : a name is unknown or used twice, a pair has one model on both sides, or
        replicates are too few.
    ComputationError : see ``compare_candidates``.
    """
    plan = Plan(NullSettings() if settings is None else settings, per_pair or {}, replicates or {})
    named = by_name(candidates)
    order_asked = not isinstance(pairs, str)
    return tuple(
        _comparison(pair, named, plan, order_asked=order_asked)
        for pair in assessments(named, pairs, relations)
    )


def assessments(
    named: Mapping[str, Candidate],
    pairs: str | Iterable[Pair],
    relations: Relations[str] | None = None,
) -> tuple[PairAssessment, ...]:
    """What each pair of candidates is to the other, in order; by ``relations`` where known.

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
    relations = relations or relations_of(named)
    return tuple(relations.pair(first, second) for first, second in wanted)


def relations_of(named: Mapping[str, Candidate]) -> Relations[str]:
    """The relations of candidates, by name."""
    return Relations.of({name: candidate.matrices for name, candidate in named.items()})


def by_name(candidates: Iterable[Candidate]) -> dict[str, Candidate]:
    """Candidates by name, in order; a name used twice is an error."""
    named: dict[str, Candidate] = {}
    for candidate in candidates:
        if candidate.name in named:
            raise ComparisonError(f'two candidates are called "{candidate.name}"')
        named[candidate.name] = candidate
    return named


def converged_fits(pair: PairAssessment, named: Mapping[str, Candidate]) -> tuple[Fit, Fit] | str:
    """The fits of null and alternative that a valid pair needs, or which did not converge.

    Raises
    ------
    ComparisonError : a candidate lacks the fit.
    """
    models = pair.null, pair.alternative
    fits = tuple(named[model.name].fit_by(pair.criterion) for model in models)
    failed = [
        f"{model.name} ({fit.optimizer.message})"
        for model, fit in zip(models, fits, strict=True)
        if not fit.converged
    ]
    if failed:
        return f"no test: the {pair.criterion} fit of {' and of '.join(failed)} did not converge"
    return fits


def null_source(pair: PairAssessment, named: Mapping[str, Candidate]) -> NullSource | None:
    """The null's REML fit and its fits to drawn responses, where the candidate has the former."""
    null = named[pair.null.name]
    return NullSource(lambda: null.fits["REML"], null.drawn_fits) if "REML" in null.fits else None


def _comparison(pair: PairAssessment, named, plan: Plan, *, order_asked: bool) -> Comparison:
    if pair.outcome != "valid":
        return _refused(pair, pair.outcome, pair.reason)
    fits = converged_fits(pair, named)
    if isinstance(fits, str):
        return _refused(pair, "not_converged", fits)
    names = pair.null.name, pair.alternative.name
    settings, drawn = plan.settings_of(*names), plan.replicates.get(names)
    test = likelihood_ratio(pair, *fits, settings, drawn, null_source(pair, named))
    return _tested(test, _note(test, order_asked))


def _note(test: LikelihoodRatio, order_asked: bool) -> str | None:
    """Everything that must be said of a test."""
    fitted, pair = test.fitted, test.fitted.pair
    null, alternative = pair.null.name, pair.alternative.name
    out: list[Remark] = []
    if pair.swapped and order_asked:
        out.append(Remark("swapped", (null, alternative)))
    out += [Remark("said", (note,)) for note in pair.notes]
    if fitted.shift != 0.0:
        out.append(Remark("basis", (alternative, null, fitted.shift)))
    out += test.remarks
    if fitted.alternative_fit.singular:
        out.append(Remark("singular", (alternative, fitted.alternative_fit.singular_groups)))
    return words.remarks(out)


def _tested(test: LikelihoodRatio, note: str | None) -> Comparison:
    fitted, pair = test.fitted, test.fitted.pair
    null_fit, alternative_fit, shift = fitted.null_fit, fitted.alternative_fit, fitted.shift
    return Comparison(
        null=pair.null.name,
        alternative=pair.alternative.name,
        criterion=pair.criterion,
        valid=True,
        reason=pair.reason,
        note=note,
        npar_null=null_fit.npar,
        npar_alternative=alternative_fit.npar,
        aic_null=float(null_fit.aic),
        aic_alternative=float(alternative_fit.aic + shift),
        bic_null=float(null_fit.bic),
        bic_alternative=float(alternative_fit.bic + shift),
        log_lik_null=float(null_fit.log_lik),
        log_lik_alternative=-0.5 * float(alternative_fit.objective + shift),
        chisq=test.chisq,
        df=test.df,
        p_value=test.p_value,
        null_distribution=test.null_distribution,
        p_value_chi2=test.p_value_chi2,
        outcome="valid",
        distributions=test.distributions,
    )


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
