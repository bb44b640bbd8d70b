"""config/README.md names every key, and the shipped analyses are those that it lists."""

import re
from pathlib import Path

import pytest
import yaml

from mmfit.spec import json_schema
from mmfit.spec.distributions import distribution_names

CONFIG = Path(__file__).parents[2] / "config"


def keys(schema):
    """Every key that some mapping of the schema may hold."""
    found = set()
    if isinstance(schema, dict):
        found |= set(schema.get("properties", ()))
        for value in schema.values():
            found |= keys(value)
    elif isinstance(schema, list):
        for value in schema:
            found |= keys(value)
    return found


@pytest.fixture(scope="module")
def named():
    """Everything in code marks in the README, word by word."""
    text = (CONFIG / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return {word for code in re.findall(r"`([^`]+)`", text) for word in re.findall(r"\w+", code)}


def test_every_key_is_named(named):
    assert keys(json_schema()) - named == set()


def test_every_distribution_is_named(named):
    assert set(distribution_names()) - named == set()


def test_the_listed_analyses_are_shipped_and_run():
    section = (CONFIG / "README.md").read_text(encoding="utf-8").split("## The shipped analyses")[1]
    listed = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    config = yaml.safe_load((CONFIG / "config.yaml").read_text(encoding="utf-8"))
    # A user may add analyses of their own.
    assert len(listed) == 10
    assert {f"config/analyses/{name}.yaml" for name in listed} <= set(config["analyses"])
    assert all((CONFIG / "analyses" / f"{name}.yaml").is_file() for name in listed)
