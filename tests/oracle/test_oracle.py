"""The oracle itself: against the definition with plain inverses, and by finite differences."""

import numpy as np
import pytest

from tests.engine.definition import objective
from tests.oracle.designs import accepted, random_design
from tests.oracle.minimum import Criterion, minimum


def test_the_value_at_a_theta_of_lme4s_order_is_the_definition():
    rng = np.random.default_rng(1)
    for _, m in accepted(range(30)):
        for reml in (True, False):
            criterion = Criterion(m, reml)
            scale = np.repeat(
                [1 / np.abs(t.model).max() for t in m.random],
                [t.model.shape[1] * (t.model.shape[1] + 1) // 2 for t in m.random],
            )
            theta = scale * rng.normal(size=criterion.k)
            found = criterion.value(criterion.of_user(theta))
            # plain inverses of calendar years keep half of the digits
            assert found == pytest.approx(objective(m, theta, reml), rel=1e-6, abs=1e-6)


def test_the_searchs_value_and_gradient_belong_to_it():
    rng = np.random.default_rng(2)
    for _, m in accepted(range(20)):
        criterion = Criterion(m, bool(rng.random() < 0.5))
        theta = rng.normal(size=criterion.k)
        value, gradient = criterion.at(theta[None])
        assert value[0] == pytest.approx(criterion.value(theta), abs=1e-8)
        steps = 1e-5 * np.eye(criterion.k)
        slope = [criterion.value(theta + s) - criterion.value(theta - s) for s in steps]
        np.testing.assert_allclose(gradient[0], np.array(slope) / 2e-5, rtol=1e-5, atol=1e-5)


def test_no_random_point_is_lower_than_its_minimum():
    for _, m in accepted(range(40, 60)):
        criterion = Criterion(m, True)
        if not criterion.has_minimum():
            continue
        lowest = minimum(m, True)
        rng = np.random.default_rng(3)
        others = [
            criterion.value(10 ** rng.uniform(-2, 2) * rng.normal(size=criterion.k))
            for _ in range(50)
        ]
        assert lowest.objective <= min(others) + 1e-9
        assert lowest.objective == pytest.approx(criterion.value(lowest.theta), abs=1e-9)


def test_a_seed_gives_one_design():
    one, other = random_design(7), random_design(7)
    assert one.formula == other.formula
    assert one.data.equals(other.data)
