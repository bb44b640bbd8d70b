"""The analyses that run together: loaded and checked as one, all problems in one error."""

import glob
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmfit.errors import SpecError
from mmfit.spec import Analysis, load_analysis
from mmfit.spec.problems import did_you_mean

_KEYS = ("analyses", "results")


@dataclass(frozen=True, slots=True)
class Project:
    """What ``config/config.yaml`` asks for.

    Attributes
    ----------
    analyses : tuple of Analysis, each with a name of its own, in the order of the file.
    results : str, the folder that takes the results.
    """

    analyses: tuple[Analysis, ...]
    results: str


def load_analyses(paths: Iterable[str | Path]) -> tuple[Analysis, ...]:
    """Load every file.

    Raises
    ------
    SpecError
        All problems of all files; also two files of one name, as their results would collide.
    """
    analyses: dict[str, Analysis] = {}
    problems: list[str] = []
    for path in paths:
        try:
            analysis = load_analysis(path)
        except SpecError as error:
            problems.extend(error.problems)
            continue
        other = analyses.setdefault(analysis.name, analysis)
        if other is not analysis:
            problems.append(
                f"{path}: the analysis {other.path} has the same name, {analysis.name!r}, and so "
                "the same folder of results; rename one of the files or list it once"
            )
    if problems:
        raise SpecError(problems)
    return tuple(analyses.values())


def load_project(config: Mapping[str, object]) -> Project:
    """The project of a parsed ``config.yaml``: keys ``analyses`` and (optional) ``results``.

    ``analyses`` lists files; an entry may hold ``*``, which stands for the matching files in the
    order of their names.

    Raises
    ------
    SpecError
        All problems of the configuration, or all problems of all analyses.
    """
    problems = [
        f"config: unknown key {key!r}{did_you_mean(str(key), _KEYS)}; the keys are {', '.join(_KEYS)}"
        for key in config
        if key not in _KEYS
    ]
    results = config.get("results", "results")
    if not isinstance(results, str) or not results:
        problems.append(f"config: results: found {results!r}; give the path of a folder")
    paths = _paths(config.get("analyses"), problems)
    if problems:
        raise SpecError(problems)
    return Project(load_analyses(paths), str(results))


def _paths(entries: object, problems: list[str]) -> Sequence[str]:
    if isinstance(entries, str):
        entries = [entries]
    if not isinstance(entries, list) or not entries:
        problems.append(
            f"config: analyses: found {entries!r}; list the analysis files that are to run, "
            "for example [config/analyses/my_study.yaml]"
        )
        return ()
    paths: list[str] = []
    for entry in entries:
        if not isinstance(entry, str):
            problems.append(f"config: analyses: found {entry!r}; each entry is the path of a file")
            continue
        matches = sorted(glob.glob(entry)) if glob.has_magic(entry) else [entry]
        if not matches:
            problems.append(f"config: analyses: no file matches {entry!r}")
        paths.extend(path for path in matches if path not in paths)
    return paths
