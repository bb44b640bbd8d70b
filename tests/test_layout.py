"""The layout: each folder only uses those below it, no circles, every name once."""

import ast
import importlib
import pkgutil
import re
from collections import defaultdict
from pathlib import Path

import pytest

import mmfit

ROOT = Path(mmfit.__file__).parent

# Lowest first; of a package that is split up, its own modules stand where its name does. A module
# may use what stands above its own line here, and its own line.
FLOORS = """
errors
common
expression
formula
spec
data
engine.records engine.serialize engine.criterion
engine.covariance
engine.system
engine.solvers.contract engine.solvers.levels
engine.solvers.sparse engine.solvers.linear
engine.solvers.single engine.solvers.nested engine.solvers.crossed.remainder
engine.solvers.crossed
engine.solvers
engine.evaluation
engine.optimize
engine.estimates engine.confounding engine.preparation
engine.many_fits
engine.fit engine.many engine.simulate
engine.derived
engine.deletion engine.profile
engine
inference
selection.records
selection.words
selection.relations
selection.pair_tests
selection.choice
selection.search
selection
tables
report.blocks report.records report.provenance
report.words
report.figures
report.content
report.html
report
api
stages.paths stages.settings_read
stages.jobs
stages.content_records
stages.session
stages.search_stage
stages.stages stages.index_page
stages.running stages.due
stages
cli
"""
FLOOR = {
    f"mmfit.{name}": place for place, line in enumerate(FLOORS.split("\n")) for name in line.split()
}


def _modules():
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(_modules())
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def _imports(name):
    """The modules of this package that one uses, also inside functions and for types alone."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [one if one in MODULES else node.module for one in inner]
        else:
            continue
        yield from (one for one in found if one in MODULES and one not in ("mmfit", name))


IMPORTS = {name: sorted(set(_imports(name))) for name in MODULES}


def _floor(name):
    """The line of a module, or of the package around it; a new room needs a line of its own."""
    while name not in FLOOR:
        name, dot, _ = name.rpartition(".")
        assert dot, "a folder of mmfit has no line in FLOORS"
    return FLOOR[name]


def test_each_folder_uses_only_those_below_it():
    # The root leads to the public names, each loaded when it is first asked for.
    wrong = [
        f"{name} -> {used}"
        for name, uses in IMPORTS.items()
        if name != "mmfit"
        for used in uses
        if _floor(used) > _floor(name)
    ]
    assert wrong == []


def test_no_module_comes_back_to_itself():
    done, open_ = set(), []

    def visit(name):
        if name in open_:
            raise AssertionError(" -> ".join([*open_[open_.index(name) :], name]))
        if name not in done:
            open_.append(name)
            for used in IMPORTS[name]:
                visit(used)
            open_.pop()
            done.add(name)

    for name in MODULES:
        if name != "mmfit":
            visit(name)


def test_no_class_name_stands_twice():
    where = defaultdict(list)
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                where[node.name].append(name)
    assert {name: places for name, places in where.items() if len(places) > 1} == {}


@pytest.mark.parametrize("name", [name for name in MODULES if "." in name])
def test_the_path_of_a_module_gives_the_module(name):
    """``import mmfit.a.b as m`` gives the module, whatever the package's public names are."""
    parent, _, last = name.rpartition(".")
    module = importlib.import_module(name)
    assert getattr(importlib.import_module(parent), last) is module


def test_no_function_is_longer_than_a_screen():
    long = [
        f"{name}.{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 60
    ]
    assert long == []


def test_every_module_can_be_imported():
    for module in pkgutil.walk_packages(mmfit.__path__, "mmfit."):
        importlib.import_module(module.name)


def test_every_floor_is_a_room():
    assert [name for name in FLOOR if name not in MODULES] == []


@pytest.mark.parametrize("page", ["engine", "inference", "accuracy", "architecture", "formulas"])
def test_the_files_that_the_docs_name_are_there(page):
    """A path in code marks is one of the project, of the package or of the engine."""
    root = ROOT.parent
    text = (root / "docs" / f"{page}.md").read_text(encoding="utf-8")
    places = (root, ROOT, ROOT / "engine", ROOT / "engine" / "solvers")
    named = {name for name in re.findall(r"`([\w/]+\.py)`", text) if "/" in name}
    assert [n for n in sorted(named) if not any((place / n).is_file() for place in places)] == []
