"""What the data tell of the variance parameters: their expected information, and what is unseen."""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.confounding import confounding
from mmfit.engine.covariance.roots import semidefinite_cholesky
from mmfit.engine.criterion import CRITERIA, REML
from mmfit.engine.evaluation import EstimationProblem
from mmfit.engine.fit import prepare
from mmfit.engine.records import Confounding, Fit
from mmfit.formula.matrices import ModelMatrices


@dataclass(frozen=True, slots=True)
class VarianceInformation:
    """Expected information about the variance parameters.

    Attributes
    ----------
    information : (m, m) array, for the vech (column-major lower triangle) of each random term's
        covariance, term by term, then sigma^2; all in squared units of the response.
    labels : tuple of (group, effect_1, effect_2), with (``Residual``, "", "") last.
    """

    information: np.ndarray
    labels: tuple[tuple[str, str, str], ...]


def variance_information(matrices: ModelMatrices, fit: Fit) -> VarianceInformation:
    """Half tr(P S_a P S_b), S_a the derivatives of Var(y), at the covariances and sigma of ``fit``.

    Searle, Casella & McCulloch 1992, section 6.6.e; V^-1 stands for P when ``fit`` is by ML. The
    covariances may be any positive semidefinite ones of the right shapes, not only estimates.
    """
    prepared = prepare(matrices)
    system = prepared.system
    problem = EstimationProblem(system, prepared.solver, CRITERIA[fit.criterion])
    layout = system.layout
    lambdas = [np.zeros((q, q)) for q in layout.sizes]
    directions, weights, labels = [], [], []
    for block, term in zip(system.terms, fit.terms, strict=True):
        s = block.place
        psi = block.transform @ term.covariance @ block.transform.T / fit.sigma**2
        lambdas[block.group][s, s] = semidefinite_cholesky(psi)
        for row, column in zip(block.structure.row, block.structure.column, strict=True):
            E = np.zeros((layout.sizes[block.group],) * 2)
            e = np.zeros((block.size, block.size))
            e[row, column] = e[column, row] = 1.0
            E[s, s] = block.transform @ e @ block.transform.T
            directions.append(layout.entries(block.group, E))
            weights.append(term.covariance[row, column] / fit.sigma**2)
            labels.append((term.group, term.effects[column], term.effects[row]))
    at = problem.at(layout.theta(lambdas))
    along = np.array(directions)
    pairs = along @ at.psi_information[0] @ along.T
    single = along @ at.psi_traces[0]
    # sigma^2 multiplies the identity, which is V less the random terms' share of it.
    weights = np.array(weights)
    mixed = single - pairs @ weights
    residual = problem.nu - single @ weights - mixed @ weights
    full = np.block([[pairs, mixed[:, None]], [mixed[None, :], np.array([[residual]])]])
    return VarianceInformation(
        information=full / (2 * fit.sigma**4), labels=(*labels, ("Residual", "", ""))
    )


def design_confounding(matrices: ModelMatrices) -> Confounding | None:
    """What of the fixed effects hangs on variances that no data of this design tell.

    ``Fit.uncertainty`` has the same of a single fit. None where the data tell all variances apart.
    """
    prepared = prepare(matrices, stand_ins(matrices.nobs, 1))
    return confounding(EstimationProblem(prepared.system, prepared.solver, REML))


def stand_ins(rows: int, count: int) -> np.ndarray:
    """(count, rows) responses without a pattern, for questions that are about the design alone."""
    return np.random.default_rng(0).normal(size=(count, rows))
