"""One member of many fits is the record that a fit of its own gives."""

import numpy as np
import pytest

from mmfit.engine.criterion import ML, REML
from mmfit.engine.fit import fit_model
from mmfit.engine.many import fit_many
from mmfit.engine.many_fits import NO_RESIDUAL
from mmfit.engine.serialize import fit_from_json, fit_to_json
from tests.engine.designs import DESIGNS, matrices


@pytest.mark.parametrize("criterion", [REML, ML])
@pytest.mark.parametrize("name", DESIGNS)
def test_a_member_is_the_record_of_a_single_fit(name, criterion):
    m = DESIGNS[name]()
    rng = np.random.default_rng(3)
    Y = np.array([m.y, m.y + 0.1 * rng.normal(size=m.nobs), m.y - 0.1 * rng.normal(size=m.nobs)])
    many = fit_many(m, Y, criterion=criterion)
    for i, y in enumerate(Y):
        found = many.member(i)
        given = matrices(y, m.X, *m.random, weights=m.weights, offset=m.offset)
        expected = fit_model(given, criterion=criterion)
        assert found.objective == pytest.approx(expected.objective, abs=1e-7)
        assert found.criterion == criterion.name
        assert (found.nobs, found.npar) == (expected.nobs, expected.npar)
        assert found.singular_groups == expected.singular_groups
        assert found.optimizer.solver == expected.optimizer.solver
        assert found.converged
        spread = np.sqrt(np.diag(expected.vcov))
        np.testing.assert_allclose(found.fixef, expected.fixef, atol=1e-4 * spread.max())
        for one, two in zip(found.groups, expected.groups, strict=True):
            assert (one.grouping, one.effects, one.levels) == (
                two.grouping,
                two.effects,
                two.levels,
            )
            np.testing.assert_allclose(one.modes, two.modes, atol=1e-3 * found.sigma)
        one, two = found.uncertainty, expected.uncertainty
        assert one.covariance.shape == two.covariance.shape
        assert (one.confounding is None) == (two.confounding is None)
        assert fit_to_json(fit_from_json(fit_to_json(found))) == fit_to_json(found)


def test_a_member_without_estimates_is_complete_too():
    m = DESIGNS["single"]()
    exact = m.random[0].model[:, 0] * np.arange(len(m.random[0].levels))[m.random[0].codes]
    fit = fit_many(m, np.array([m.y, exact])).member(1)
    alone = fit_model(matrices(exact, m.X, *m.random, weights=m.weights, offset=m.offset))
    assert fit.optimizer.message == alone.optimizer.message == NO_RESIDUAL
    for record in (fit, alone):
        assert np.isnan([record.objective, record.sigma, record.optimizer.curvature]).all()
        assert np.isnan(record.uncertainty.covariance).all()
        assert np.isnan(record.groups[0].modes).all()
        assert not record.converged
        assert not record.singular
