"""What each subcommand does with its parsed arguments.

Heavy packages are imported by the commands that need them, so that the others start at once.
"""

import argparse
import contextlib
from collections.abc import Iterator

from mmfit.errors import naming


def validate(args: argparse.Namespace) -> None:
    """Check analysis files whole: every problem of every file, each with its place."""
    from mmfit.spec import check_data_files, load_analyses

    analyses = load_analyses(args.analyses)
    check_data_files(analyses)
    for analysis in analyses:
        count, search = len(analysis.models), analysis.selection.search
        held = [f"{count} model{'s' * (count != 1)}"] if count else []
        held += [f"a {search} search"] if search else []
        print(f"{analysis.path}: {' and '.join(held)}, no problems")


def schema(args: argparse.Namespace) -> None:
    """Print the JSON schema of an analysis file."""
    from mmfit.spec import json_schema_text

    print(json_schema_text(), end="")


def stage(args: argparse.Namespace) -> None:
    """Run the stage ``args.stage`` of one analysis."""
    from mmfit.spec import load_analyses
    from mmfit.stages.jobs import DATA, DESIGN, job_of
    from mmfit.stages.paths import ResultFiles

    (analysis,) = load_analyses([args.analysis])
    with _one_blas_thread(), naming(f"the analysis {analysis.path}"):
        from mmfit.stages.running import make
        from mmfit.stages.session import Session

        session = Session(analysis, ResultFiles(args.results / analysis.name))
        part = {"fit": "model", "bootstrap": "chunk"}.get(args.stage)
        job = job_of(analysis, args.stage, "" if part is None else str(getattr(args, part)))
        make(job, session)
        if job == DATA:
            make(DESIGN, session)


def index(args: argparse.Namespace) -> None:
    """Write index.html, the page that links the reports of these analyses, then of all others."""
    from mmfit.spec import load_analyses
    from mmfit.stages.index_page import index as write

    analyses = load_analyses(args.analyses)
    write(analyses, args.results, [analysis.name for analysis in analyses])


def run(args: argparse.Namespace) -> None:
    """Do everything for these analyses, without Snakemake, to the same bytes."""
    from mmfit.spec import load_analyses

    analyses = load_analyses(args.analyses)
    with _one_blas_thread():
        from mmfit.stages import index_page, running

        order = index_page.listed_first(analyses, args.results)
        for analysis in analyses:
            with naming(f"the analysis {analysis.path}"):
                chosen, formula = running.run(analysis, args.results)
            report = args.results / analysis.name / "report.html"
            # Each time, so that the page speaks of what lies there even where a later one fails.
            index_page.index([analysis], args.results, order)
            print(f"{analysis.name}: chose {chosen}, {formula}: {report}", flush=True)


@contextlib.contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread: with more, the last bits of sums depend on the machine."""
    # Only libraries that are loaded already can be limited; numpy and scipy bring one each.
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
