"""The exported JSON schema says what the validator says."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from mmfit.spec import json_schema, json_schema_text, load_analysis

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "config" / "analyses").glob("*.yaml"))


@pytest.fixture(scope="module")
def validator():
    jsonschema.Draft202012Validator.check_schema(json_schema())
    return jsonschema.Draft202012Validator(json_schema())


def test_the_exported_schema_has_not_drifted():
    exported = ROOT / "workflow" / "schemas" / "analysis.schema.json"
    assert exported.read_text(encoding="utf-8") == json_schema_text(), (
        f"the spec has changed: mmfit schema > {exported.relative_to(ROOT)}"
    )
    assert json.loads(json_schema_text()) == json_schema()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_analysis_is_valid(validator, path):
    assert load_analysis(path).name == path.stem
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert list(validator.iter_errors(content)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"titel": "a"},
        {"models": {}},
        {"models": {"m": 3}},
        {"models": {"m": "no formula"}},
        {"selection": {"alpha": 1}},
        {"df": "exact"},
        {"comparisons": "some"},
        {"data": {"file": "a.csv", "missing": "keep"}},
        {"data": {"simulate": {"seed": 1}}},
        {"null_distribution": "exakt"},
        {"comparisons": [{"alternative": "m"}]},
        {"bootstrap": {"replicates": 5}},
        {"inference": {"level": 1}},
        {"inference": {"means": "some"}},
        {"inference": {"slopes": {"x": 3}}},
        {"inference": {"predictions": {"interval": "prediction"}}},
        {"selection": {"search": "sideways", "scope": "y ~ x"}},
        {"selection": {"scope": "no formula"}},
        {"selection": {"stability": {"samples": 0}}},
    ],
    ids=str,
)
def test_the_schema_refuses_what_the_validator_refuses(validator, change):
    good = {"data": {"file": "a.csv"}, "models": {"m": "y ~ x + (1 | g)"}}
    validator.validate(good)
    assert not validator.is_valid(good | change)


def test_the_schema_takes_a_search_in_place_of_models(validator):
    search = {"search": "backward", "scope": "y ~ x + (1 | g)"}
    validator.validate({"data": {"file": "a.csv"}, "selection": search})
    assert not validator.is_valid({"data": {"file": "a.csv"}})
    assert not validator.is_valid({"data": {"file": "a.csv"}, "selection": {"alpha": 0.1}})


def test_the_schema_takes_short_and_long_forms(validator):
    pair = {"null": "m", "alternative": "n", "null_distribution": "exact"}
    validator.validate(
        {
            "data": {"file": "a.csv"},
            "models": {"m": "y ~ x + (1 | g)", "n": "y ~ x + (x | g)"},
            "comparisons": [["m", "n"], pair],
            "inference": {"slopes": {"x": "a", "z": ["a", "b"], "u": []}, "means": ["a"]},
            "selection": {"search": "forward", "scope": {"maximal": "y ~ x + (x | g)"}},
        }
    )
