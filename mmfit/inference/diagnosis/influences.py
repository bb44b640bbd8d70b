"""What the levels of the grouping factors do to a fit: each is left out in turn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mmfit.common.arguments import check_name
from mmfit.engine.deletion.levels import Deletions, delete_levels, refit_levels
from mmfit.engine.records import Fit
from mmfit.errors import MmfitError
from mmfit.formula.matrices import ModelMatrices, RandomTerm
from mmfit.inference.fitted_model import FittedModel

GROUPS = ("group", "level", "rows", "cooks_distance", "covratio", "sigma", "verdict")
COEFFICIENTS = ("group", "level", "term", "estimate_without", "change", "change_se")
PARAMETERS = ("group", "level", "parameter", "estimate_without", "change")


@dataclass(frozen=True, slots=True)
class Influence:
    """Every level of one or more grouping factors left out in turn.

    Attributes
    ----------
    refit : bool, whether theta was estimated anew without each level, or kept.
    groups : DataFrame, a row per level: group, level, rows (those left out), cooks_distance,
        covratio, sigma (without the level, units of the response), verdict (``ok``; ``look``:
        Cook's distance above 4 / L for L levels; ``needed``: without the level a fixed effect
        cannot be estimated; ``failed``: the model cannot be refitted without it).
    coefficients : DataFrame, a row per level and fixed effect: group, level, term,
        estimate_without, change (estimate_without less the estimate), change_se (the same in
        standard errors of the fit to all rows).
    parameters : DataFrame, a row per level and variance parameter (sd, cor, sigma), named as in
        the intervals: group, level, parameter, estimate_without, change. Empty unless ``refit``.
    text : tuple of str, a sentence per grouping factor.
    """

    refit: bool
    groups: pd.DataFrame
    coefficients: pd.DataFrame
    parameters: pd.DataFrame
    text: tuple[str, ...]

    @property
    def influential(self) -> pd.DataFrame:
        """The rows of ``groups`` whose verdict is not ``ok``."""
        return self.groups[self.groups["verdict"] != "ok"].reset_index(drop=True)


def influence(model: FittedModel, group: str | None = None, *, refit: bool = False) -> Influence:
    """Leave out each level of a grouping factor, or of every one in turn.

    Without ``refit`` the relative covariances (theta) are kept, and the change of the fixed
    effects, of their covariance and of sigma is exact given these; with it, the model is fitted
    anew without each level, as ``influence`` of lme4 and influence.ME do.

    Cook's distance is (b - b_(i))' vcov(b)^-1 (b - b_(i)) / p for the p fixed effects, with vcov(b)
    of the fit to all rows (Cook 1977, eq. 5; for mixed models Christensen, Pearson & Johnson 1992,
    section 3, and Demidenko & Stukel 2005); lme4 4's function multiplies it by (L - p) / L. Levels
    beyond 4 / L are worth a look (Van der Meer, te Grotenhuis & Pelzer 2010). ``covratio`` is the
    determinant of vcov(b_(i)) over that of vcov(b) (Belsley, Kuh & Welsch 1980, section 2.1): above
    1 the level makes the estimates more precise, below 1 less.

    Parameters
    ----------
    group : a grouping factor of the model, as it is named in ``fit.groups``, or None for each.
    refit : whether to estimate theta anew without each level.

    Raises
    ------
    MmfitError
        For a grouping factor that the model does not have.
    DesignError
        For a grouping factor with a single level.
    """
    fit, matrices = model.fit, model.matrices
    terms = _terms(matrices, group)
    delete = refit_levels if refit else delete_levels
    tables: list[list[pd.DataFrame]] = [[], [], []]
    text = []
    for term in terms:
        found = delete(matrices, fit, term.codes, len(term.levels), model.system.with_rows)
        frame = _groups(fit, term, found)
        tables[0].append(frame)
        tables[1].append(_coefficients(fit, term, found))
        if refit:
            tables[2].append(_parameters(fit, term, found))
        text.append(_sentence(term.grouping, frame))
    names = (GROUPS, COEFFICIENTS, PARAMETERS)
    frames = [_joined(part, columns) for part, columns in zip(tables, names, strict=True)]
    return Influence(refit, *frames, tuple(text))


def _terms(matrices: ModelMatrices, group: str | None) -> list[RandomTerm]:
    """One random term for each grouping factor asked for."""
    first: dict[str, RandomTerm] = {}
    for term in matrices.random:
        first.setdefault(term.grouping, term)
    if group is None:
        return list(first.values())
    check_name(group, "a grouping factor")
    if group not in first:
        names = ", ".join(repr(name) for name in first) or "none"
        raise MmfitError(
            f"group={group!r} is not a grouping factor of {matrices.formula}; it has: {names}"
        )
    return [first[group]]


def _labels(term: RandomTerm, repeats: int) -> dict[str, object]:
    return {
        "group": term.grouping,
        "level": np.repeat(np.array(list(term.levels), dtype=object), repeats),
    }


def _groups(fit: Fit, term: RandomTerm, found: Deletions) -> pd.DataFrame:
    p, levels = len(fit.fixef), len(found.rows)
    distance = covratio = np.full(levels, np.nan)
    if p:
        root = np.linalg.cholesky(fit.vcov)
        moved = np.linalg.solve(root, (found.fixef - fit.fixef).T)
        distance = (moved**2).sum(axis=0) / p
        log_det = 2 * np.log(np.diag(root)).sum()
        known = np.isfinite(found.sigma)
        covratio = np.full(levels, np.nan)
        covratio[known] = np.exp(np.linalg.slogdet(found.vcov[known])[1] - log_det)
    verdict = np.where(np.isfinite(found.sigma), "ok", "failed").astype(object)
    verdict[distance > 4 / levels] = "look"
    verdict[~found.converged] = "failed"
    verdict[~found.estimable] = "needed"
    values = {
        "rows": found.rows,
        "cooks_distance": distance,
        "covratio": covratio,
        "sigma": found.sigma,
        "verdict": verdict,
    }
    return pd.DataFrame(_labels(term, 1) | values)


def _coefficients(fit: Fit, term: RandomTerm, found: Deletions) -> pd.DataFrame:
    change = found.fixef - fit.fixef
    values = {
        "term": list(fit.fixed_names) * len(found.rows),
        "estimate_without": found.fixef.ravel(),
        "change": change.ravel(),
        "change_se": (change / np.sqrt(np.diag(fit.vcov))).ravel(),
    }
    return pd.DataFrame(_labels(term, len(fit.fixed_names)) | values)


def _parameters(fit: Fit, term: RandomTerm, found: Deletions) -> pd.DataFrame:
    names, whole = _variance_parameters(fit, [one.covariance for one in fit.terms], fit.sigma)
    without = np.array(
        [
            _variance_parameters(fit, [block[i] for block in found.covariances], found.sigma[i])[1]
            for i in range(len(found.rows))
        ]
    )
    values = {
        "parameter": names * len(found.rows),
        "estimate_without": without.ravel(),
        "change": (without - whole).ravel(),
    }
    return pd.DataFrame(_labels(term, len(names)) | values)


def _variance_parameters(
    fit: Fit, covariances: Sequence[np.ndarray], sigma: float
) -> tuple[list[str], np.ndarray]:
    """Names and values of the standard deviations and correlations, and sigma at last."""
    names, values = [], []
    for term, covariance in zip(fit.terms, covariances, strict=True):
        sd = np.sqrt(np.diag(covariance))
        for i, effect in enumerate(term.effects):
            names.append(f"sd_{effect}|{term.group}")
            values.append(sd[i])
            for j in range(i + 1, len(sd)):
                names.append(f"cor_{term.effects[j]}.{effect}|{term.group}")
                scale = sd[i] * sd[j]
                values.append(covariance[i, j] / scale if scale > 0 else np.nan)
    return [*names, "sigma"], np.array([*values, sigma])


def _sentence(group: str, frame: pd.DataFrame) -> str:
    levels = len(frame)
    parts = []
    needed = frame.loc[frame["verdict"] == "needed", "level"].tolist()
    if needed:
        parts.append(f"without {_some(needed)} a fixed effect cannot be estimated at all")
    failed = frame.loc[frame["verdict"] == "failed", "level"].tolist()
    if failed:
        parts.append(f"without {_some(failed)} the model cannot be fitted")
    look = frame[frame["verdict"] == "look"].sort_values(
        "cooks_distance", ascending=False, kind="stable"
    )
    if len(look):
        noun = "this level" if len(look) == 1 else "one of these levels"
        parts.append(
            f"leaving out {noun} moves the fixed effects by a Cook's distance above 4/{levels} = "
            f"{4 / levels:.2g}: {_some(look['level'].tolist())} "
            f"(at most {look['cooks_distance'].iloc[0]:.2f})"
        )
    elif frame["cooks_distance"].notna().any():
        largest = frame.loc[frame["cooks_distance"].idxmax()]
        parts.append(
            f"no level moves the fixed effects by a Cook's distance above 4/{levels} = "
            f"{4 / levels:.2g}; the largest is that of {largest['level']}, "
            f"{largest['cooks_distance']:.2g}"
        )
    return f"{group}: {'; '.join(parts)}." if parts else f"{group}: nothing to compare."


def _some(labels: list[str], most: int = 5) -> str:
    shown = ", ".join(str(label) for label in labels[:most])
    return shown if len(labels) <= most else f"{shown} and {len(labels) - most} more levels"


def _joined(parts: list[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    if not parts:
        return pd.DataFrame(columns=list(columns))
    return pd.concat([part[list(columns)] for part in parts], ignore_index=True)
