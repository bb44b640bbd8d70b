"""Whatever a file holds, the answer is an analysis or a SpecError, and never anything else."""

import copy

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmfit.errors import SpecError
from mmfit.spec import Analysis, load_analysis
from tests.spec.files import write
from tests.spec.test_simulate_problems import GOOD

ANALYSES = (
    {
        "title": "a",
        "data": {"file": "a.csv", "categorical": ["g"], "where": "x > 1", "derive": {"z": "x"}},
        "models": {"m1": "y ~ x + (1 | g)", "m2": {"formula": "y ~ z + (1 | g)", "weights": "w"}},
        "comparisons": [["m1", "m2"]],
        "selection": {"alpha": 0.05},
    },
    {"data": {"simulate": GOOD}, "models": {"m1": "y ~ x + (1 | doctor)"}},
)
WORDS = ["", "m1", "y ~ x + (1 | g)", "x", "((", "<file>", "[key]", "null", "é", "all"]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(WORDS)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3)
    ),
    max_leaves=5,
)


QUICK = settings(deadline=None, derandomize=True)


def places(value, path=()):
    """The paths of all values within a value."""
    yield path
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from places(inner, (*path, key))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("any")


def check_refused_or_read(folder, content):
    try:
        assert isinstance(load_analysis(write(folder, content)), Analysis)
        return
    except SpecError as error:
        problems = error.problems
    assert problems
    assert all(problem.startswith(f"{folder}/trial.yaml") for problem in problems)


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(st.sampled_from(ANALYSES), st.data(), VALUES)
def test_any_value_at_any_place(folder, analysis, data, value):
    changed = copy.deepcopy(analysis)
    path = data.draw(st.sampled_from([path for path in places(changed) if path]))
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    check_refused_or_read(folder, yaml.safe_dump(changed, allow_unicode=True, sort_keys=False))


@settings(QUICK, max_examples=150)
@given(st.text(max_size=40) | st.text(alphabet="ab:[]{}-?&*!|>'\"# \n\t", max_size=30))
def test_any_text(folder, text):
    check_refused_or_read(folder, text.encode("utf-8", "surrogatepass"))


@settings(QUICK, max_examples=50)
@given(st.binary(max_size=30))
def test_any_bytes(folder, content):
    check_refused_or_read(folder, content)
