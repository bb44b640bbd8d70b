"""Size of the t tests under the null, by simulation in a small unbalanced design."""

import numpy as np

from mmfit.engine import fit_model
from mmfit.inference import FittedModel, tidy
from tests.engine.designs import matrices, term


def test_satterthwaite_keeps_its_size_where_the_normal_does_not():
    """A between-group covariate with six groups: five per cent, within Monte Carlo error."""
    rng = np.random.default_rng(8)
    sizes = np.array([3, 4, 6, 8, 5, 4])
    g = np.repeat(np.arange(6), sizes)
    X = np.column_stack([np.ones(len(g)), rng.normal(size=6)[g]])
    rejected = {"satterthwaite": 0, "normal": 0}
    replicates = 800
    for _ in range(replicates):
        y = 2 * rng.normal(size=6)[g] + rng.normal(size=len(g))
        drawn = matrices(y, X, term("g", g, np.ones(len(g))))
        model = FittedModel(fit_model(drawn), drawn)
        for method in rejected:
            rejected[method] += tidy(model, df=method)["p_value"].iloc[1] < 0.05
    # three standard errors of a proportion of 0.05 in 800
    assert abs(rejected["satterthwaite"] / replicates - 0.05) < 0.025
    assert rejected["normal"] / replicates > 0.08
