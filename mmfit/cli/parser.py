"""The command line: names and options only; what they do stands in `mmfit.cli.commands`."""

import argparse
from importlib.metadata import version
from pathlib import Path

from mmfit.cli import commands

DESCRIPTION = """\
Model selection for linear mixed models, from an analysis file (YAML) to a report.

`mmfit run` does everything. The other commands are its stages, in this order:
validate, data, fit (once per model), search (where there is one), bootstrap (once per chunk, where
there are several), compare, select, tables, inference, report, index."""

STAGES = {
    "data": "read or simulate the data and fix the rows: data.parquet, design.json",
    "design": "diagnose the grouping factors anew: design.json",
    "fit": "fit one model by REML and by ML: fits/<model>.REML.json, fits/<model>.ML.json",
    "bootstrap": "draw one part of the bootstrap replicates: bootstrap/chunk.<I>.json",
    "compare": "test every valid pair of models: comparisons.csv, null_distributions.csv",
    "select": "choose a model, each step in words: selection.json",
    "search": "search for a model, or audit one: search.csv, stability.csv, after_selection.csv",
    "tables": "write the tables of models, coefficients, (co)variances, random effects, anova",
    "inference": "write the tables of intervals, tests, measures, means, predictions, diagnosis",
    "report": "write report.html and provenance.json",
}


def build_parser() -> argparse.ArgumentParser:
    """The parser; ``command`` of what it parses is the function to call with that."""
    parser = argparse.ArgumentParser(
        prog="mmfit",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, text: str, command) -> argparse.ArgumentParser:
        subparser = subparsers.add_parser(name, help=text, description=text, allow_abbrev=False)
        subparser.set_defaults(command=command)
        return subparser

    _add_analyses(add("validate", "check analysis files; computes nothing", commands.validate))
    add("schema", "print the JSON schema of an analysis file", commands.schema)
    for name, text in STAGES.items():
        subparser = add(name, text, commands.stage)
        subparser.set_defaults(stage=name)
        subparser.add_argument("analysis", metavar="ANALYSIS.yaml", type=Path)
        if name == "fit":
            subparser.add_argument("--model", required=True, metavar="NAME")
        if name == "bootstrap":
            subparser.add_argument(
                "--chunk", required=True, type=int, metavar="I", help="which part, from 0"
            )
        _add_results(subparser)
    for name, text, command in (
        ("index", "write index.html, which links the reports", commands.index),
        ("run", "do everything without Snakemake, to the same bytes", commands.run),
    ):
        subparser = add(name, text, command)
        _add_analyses(subparser)
        _add_results(subparser)
    return parser


class _Version(argparse.Action):
    # argparse's own version action would look the version up on every start.
    def __call__(self, parser, namespace, values, option_string=None):
        print(f"mmfit {version('mmfit')}")
        parser.exit()


def _add_analyses(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("analyses", nargs="+", metavar="ANALYSIS.yaml", type=Path)


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results"),
        metavar="FOLDER",
        help="where the results go: FOLDER/<analysis>/ (default: %(default)s)",
    )
