"""Analysis files and the configuration: read, checked whole, and returned as frozen records."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from mmfit.errors import SpecError
from mmfit.spec import checks
from mmfit.spec.analysis import Analysis, AnalysisFile, ModelSpec
from mmfit.spec.base import Record, Text, listed
from mmfit.spec.comparison_checks import check_bootstrap, check_comparisons
from mmfit.spec.comparisons import methods_of, pairs_of
from mmfit.spec.inference_checks import check_inference
from mmfit.spec.problems import KeyPath, Problem, did_you_mean
from mmfit.spec.search import resolved
from mmfit.spec.search_checks import check_search
from mmfit.spec.simulation import Simulation
from mmfit.spec.simulation_checks import check_parameters
from mmfit.spec.source import Source, read_source
from mmfit.spec.translate import describe, translate

_STEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_PURPOSE = "an analysis has at least `data` and `models`"


class Config(Record):
    """Which analyses run.

    Attributes
    ----------
    analyses : tuple of str, the analysis files, relative to the working directory.
    results : str, the folder of the results.
    """

    analyses: Annotated[
        listed(Text), Field(min_length=1, description="The analysis files that run, in this order.")
    ]
    results: Annotated[Text, Field(description="The folder that the results go to.")] = "results"


def load_analysis(path: str | Path) -> Analysis:
    """Read and check an analysis file.

    Raises
    ------
    SpecError
        With everything that is wrong in ``problems``, each as ``file:line: key: found; allowed``.
    """
    source = read_source(path, _PURPOSE)
    parsed, problems = _validate(source, AnalysisFile)
    if isinstance(source.value, dict):
        problems += _cross_checks(source.value, problems)
    if not _STEM.fullmatch(Path(path).stem):
        allowed = "letters, digits, '_', '-' and '.' are allowed, a letter or digit first"
        found = f"the file name {Path(path).stem!r} names a folder of results"
        problems.append(Problem((), found, allowed))
    if problems or source.problems:
        raise source.error(problems)
    return _resolve(parsed, path, source.sha256)


def load_analyses(paths: Iterable[str | Path]) -> tuple[Analysis, ...]:
    """Read several analysis files, whose results lie side by side.

    Raises
    ------
    SpecError
        With the problems of all files; also if two have the same name (or nearly: upper and lower
        case count alike, as file names do on some systems).
    """
    analyses, problems, by_name = [], [], {}
    for path in paths:
        name = Path(path).stem
        first = by_name.setdefault(name.lower(), path)
        if first is not path:
            problems.append(
                f"{path}: the analysis {name!r} would overwrite the results of {first}; "
                "each file needs a name of its own"
            )
        try:
            analyses.append(load_analysis(path))
        except SpecError as error:
            problems.extend(error.problems)
    if problems:
        raise SpecError(dict.fromkeys(problems))
    return tuple(analyses)


def load_config(path: str | Path) -> Config:
    """Read and check the list of analyses that run; the analyses themselves are not read.

    Raises
    ------
    SpecError
        As ``load_analysis``; also if an analysis file does not exist.
    """
    return _config(read_source(path, "a configuration has `analyses`, a list of analysis files"))


def check_config(values: dict[str, Any]) -> Config:
    """Check a configuration that is read already: Snakemake merges it from files and options.

    Raises
    ------
    SpecError
        As ``load_config``, without line numbers.
    """
    return _config(Source("configuration", values, {}, []))


def _config(source: Source) -> Config:
    config, problems = _validate(source, Config)
    listed_files = source.value.get("analyses") if isinstance(source.value, dict) else None
    for index, name in enumerate(listed_files if isinstance(listed_files, list) else ()):
        if isinstance(name, str):
            problems += _check_listed(name, ("analyses", index), listed_files[:index])
    if problems or source.problems:
        raise source.error(problems)
    return config


def _check_listed(name: str, path: KeyPath, before: list[Any]) -> list[Problem]:
    file = Path(name)
    if not file.is_file():
        found = "this is a directory" if file.is_dir() else f"no such file {name!r}"
        names = sorted(str(f) for f in file.parent.glob("*.y*ml")) if file.parent.is_dir() else []
        return [Problem(path, found + did_you_mean(name, names), "an analysis file is needed")]
    for other in before:
        if isinstance(other, str) and Path(other).stem.lower() == file.stem.lower():
            found = f"the name {file.stem!r} is that of {other} too, and names its results"
            return [Problem(path, found, "each analysis needs a name of its own")]
    return []


def _validate(source: Source, model: type[BaseModel]) -> tuple[Any, list[Problem]]:
    if not isinstance(source.value, dict):
        found = f"found {describe(source.value)}"
        return None, [Problem((), found, "a mapping, `key: value` lines, is allowed here")]
    try:
        return model.model_validate(source.value), []
    except ValidationError as error:
        return None, translate(error, model)


def _cross_checks(raw: dict[str, Any], problems: list[Problem]) -> list[Problem]:
    models = raw.get("models")
    found = [
        *checks.check_names(models),
        *check_comparisons(raw.get("comparisons"), models),
        *check_bootstrap(raw.get("bootstrap"), raw.get("inference")),
        *check_search(raw),
        *check_inference(raw.get("inference"), _formulas(raw)),
        *checks.check_categorical(raw.get("data")),
    ]
    data = raw.get("data")
    block = data.get("simulate") if isinstance(data, dict) else None
    broken = any(problem.path[:2] == ("data", "simulate") for problem in problems)
    if block is None or broken:
        return found
    simulation = TypeAdapter(Simulation).validate_python(block)
    design = [*checks.check_design(simulation)]
    found += design
    if not design:
        found += [*check_parameters(simulation), *checks.check_simulated_columns(simulation, raw)]
    return found


def _formulas(raw: dict[str, Any]) -> list[Any]:
    """The formulas of all models and of the search, whatever stands in their places."""
    models = raw.get("models")
    entries = models.values() if isinstance(models, dict) else ()
    found = [entry.get("formula") if isinstance(entry, dict) else entry for entry in entries]
    return [*found, *(text for text in checks.scope_formulas(raw).values() if text is not None)]


def _resolve(parsed: AnalysisFile, path: str | Path, sha256: str) -> Analysis:
    """Fill the analysis's weights, offset and contrasts in where a model has none of its own."""
    models = {}
    for name, entry in parsed.models.items():
        spec = entry if isinstance(entry, ModelSpec) else ModelSpec(formula=entry)
        given = spec.model_fields_set
        models[name] = ModelSpec(
            formula=spec.formula,
            weights=spec.weights if "weights" in given else parsed.weights,
            offset=spec.offset if "offset" in given else parsed.offset,
            contrasts={**parsed.contrasts, **spec.contrasts},
        )
    fields = {name: getattr(parsed, name) for name in AnalysisFile.model_fields}
    name = Path(path).stem
    fields |= {"models": models, "title": parsed.title or name, "name": name, "path": str(path)}
    fields["sha256"] = sha256
    fields |= {
        "comparisons": pairs_of(parsed.comparisons),
        "pair_methods": methods_of(parsed.comparisons),
        "selection": resolved(parsed.selection),
    }
    return Analysis.model_construct(**fields)
