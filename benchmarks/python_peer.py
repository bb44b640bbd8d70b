"""mixedlm or statsmodels as a process that fits on request (``worker.py`` has the protocol).

usage: python -m benchmarks.python_peer mixedlm|statsmodels
"""

import importlib
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from benchmarks.tables import read_table
from benchmarks.worker import Answer, collect, peak, reset_peak, serve, timed


class Mixedlm:
    """The commands that mixedlm can answer."""

    def __init__(self):
        self.package = importlib.import_module("mixedlm")
        self.data = pd.DataFrame()

    def load(self, folder: str) -> Answer:
        self.data = read_table(Path(folder))
        return {"rows": len(self.data)}

    def fit(self, formula: str) -> Answer:
        """Formula to result."""
        fit, seconds, cpu = timed(lambda: self.package.lmer(formula, self.data))
        return _answer(fit, seconds, cpu)

    def table(self, formula: str) -> Answer:
        """The table of fixed effects with Satterthwaite's degrees of freedom."""
        fit, fit_seconds, fit_cpu = timed(lambda: self.package.lmer(formula, self.data))
        _, seconds, cpu = timed(lambda: self.package.pvalues_with_ddf(fit, "Satterthwaite"))
        return _answer(fit, seconds, cpu) | {"fit_seconds": fit_seconds, "fit_cpu": fit_cpu}


def _answer(fit, seconds: float, cpu: float) -> dict:
    return {
        "seconds": seconds,
        "cpu": cpu,
        "objective": -2 * float(fit.logLik().value),
        "theta": fit.theta,
    }


class Statsmodels:
    """The one command that statsmodels can answer, for one grouping factor."""

    def __init__(self):
        self.package = importlib.import_module("statsmodels.formula.api")
        self.data = pd.DataFrame()

    def load(self, folder: str) -> Answer:
        self.data = read_table(Path(folder))
        return {"rows": len(self.data)}

    def fit(self, formula: str) -> Answer:
        """Formula to result; its own language has the random part apart."""
        fixed, _, bar = formula.partition(" + (")
        effects, _, group = bar.rstrip(")").partition("|")

        def work():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = self.package.mixedlm(
                    fixed, self.data, re_formula=f"~ {effects}", groups=self.data[group.strip()]
                )
                return model.fit(reml=True)

        fit, seconds, cpu = timed(work)
        return {"seconds": seconds, "cpu": cpu, "objective": -2 * float(fit.llf)}


def main() -> None:
    name = sys.argv[1]
    worker = {"mixedlm": Mixedlm, "statsmodels": Statsmodels}[name]()
    commands = {
        word: getattr(worker, word) for word in ("load", "fit", "table") if hasattr(worker, word)
    }
    common = {"collect": collect, "reset": reset_peak, "peak": peak}
    serve(f"{name} {version(name)}", commands | common)


if __name__ == "__main__":
    main()
