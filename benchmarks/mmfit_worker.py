"""mmfit as a process that fits on request (``worker.py`` has the protocol)."""

import platform
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import scipy

import mmfit
from benchmarks.tables import read_matrix, read_table, write_matrix
from benchmarks.worker import Answer, collect, peak, reset_peak, serve, timed
from mmfit.engine import fit_model, prepare
from mmfit.engine.criterion import REML
from mmfit.engine.evaluation import EstimationProblem
from mmfit.formula import build_matrices, parse


class Worker:
    """The commands; each fits the data that were loaded last, by REML."""

    def __init__(self):
        self.data = pd.DataFrame()

    def load(self, folder: str) -> Answer:
        self.data = read_table(Path(folder))
        return {"rows": len(self.data)}

    def fit(self, formula: str) -> Answer:
        """Formula to result."""
        fit, seconds, cpu = timed(lambda: mmfit.lmer(formula, self.data))
        return _answer(fit, seconds, cpu)

    def matrices(self, formula: str) -> Answer:
        """The fit alone; the matrices are built before."""
        matrices = build_matrices(parse(formula), self.data)
        fit, seconds, cpu = timed(lambda: fit_model(matrices))
        return _answer(fit, seconds, cpu)

    def table(self, formula: str) -> Answer:
        """The table of fixed effects, from a fit that has computed nothing of it yet."""
        fit, fit_seconds, fit_cpu = timed(lambda: mmfit.lmer(formula, self.data))
        table, seconds, cpu = timed(fit.tidy)
        return _answer(fit, seconds, cpu) | {
            "fit_seconds": fit_seconds,
            "fit_cpu": fit_cpu,
            "df": table["df"],
        }

    def simulate(self, formula: str, count: str, output: str) -> Answer:
        """Responses drawn from the fit."""
        fit = mmfit.lmer(formula, self.data)
        write_matrix(Path(output), fit.simulate(int(count), seed=1))
        return {}

    def many(self, formula: str, responses: str, output: str) -> Answer:
        """One fit per response of a file; criterion by response to ``output``."""
        right = formula.partition("~")[2]
        columns = pd.DataFrame(read_matrix(Path(responses), len(self.data)))
        columns.columns = [f"y{k}" for k in columns.columns]
        fits, seconds, cpu = timed(lambda: mmfit.lmer_many(f"~{right}", self.data, columns))
        write_matrix(Path(output), np.asarray(fits.objective, dtype=float)[:, None])
        return {"seconds": seconds, "cpu": cpu}

    def evaluation(self, formula: str, count: str, repeats: str) -> Answer:
        return _evaluation(self.data, formula, int(count), int(repeats))


def _answer(fit, seconds: float, cpu: float) -> dict:
    return {
        "seconds": seconds,
        "cpu": cpu,
        "objective": fit.objective,
        "evaluations": fit.optimizer.evaluations,
        "theta": fit.theta,
    }


def _evaluation(data: pd.DataFrame, formula: str, count: int, repeats: int) -> Answer:
    """Median seconds of the pass over the rows, of the criterion, and of it with derivatives.

    ``count`` is the number of thetas. The only function here that uses the engine's inside.
    """
    matrices = build_matrices(parse(formula), data)
    prepared, pass_seconds, _ = timed(lambda: prepare(matrices))
    problem = EstimationProblem(prepared.system, prepared.solver, REML)
    theta = np.full(count, 0.4)

    def criterion():
        return problem.at(theta).objective

    def derivatives():
        at = problem.at(theta)
        return at.objective, at.gradient, at.hessian

    return {
        "pass": pass_seconds,
        "criterion": median(timed(criterion)[1] for _ in range(repeats)),
        "derivatives": median(timed(derivatives)[1] for _ in range(repeats)),
    }


def main() -> None:
    worker = Worker()
    versions = (
        f"mmfit {mmfit.__version__} (Python {platform.python_version()}, "
        f"numpy {np.__version__}, scipy {scipy.__version__}, pandas {pd.__version__})"
    )
    names = ("load", "fit", "matrices", "table", "simulate", "many", "evaluation")
    commands = {name: getattr(worker, name) for name in names}
    serve(versions, commands | {"collect": collect, "reset": reset_peak, "peak": peak})


if __name__ == "__main__":
    main()
