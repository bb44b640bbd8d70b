"""A small project of its own in a temporary folder, run by the real snakemake."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

CONFIG = "analyses: [config/analyses/sleep.yaml, config/analyses/crossed.yaml]\n"

SLEEP = """\
title: Reaction time under sleep deprivation
data:
  file: config/data/sleepstudy.csv
  categorical: [Subject]
  where: Days >= 2
  derive: {Days: Days - 2, later: Days + 1}
models:
  intercept: Reaction ~ Days + (1 | Subject)
  slope: Reaction ~ Days + (1 + Days | Subject)
"""

CROSSED = """\
title: A crossed design
data:
  simulate:
    seed: 7
    design: {clinic: 6, doctor: 5}
    per_cell: 3
    covariates: {x: {distribution: normal, mean: 0, sd: 1}}
    formula: y ~ x + (1 | clinic) + (1 | doctor)
    fixed: {(Intercept): 10, x: 1}
    random: {clinic: {sd: [2]}, doctor: {sd: [1]}}
    residual_sd: 1
models:
  clinic: y ~ x + (1 | clinic)
  both: y ~ x + (1 | clinic) + (1 | doctor)
inference:
  predictions: {file: config/data/new.csv}
"""

NEW = "x,clinic,doctor\n0,1,1\n1,2,3\n"

Job = tuple[str, str, str]
SNAKEMAKE = ("snakemake", "--workflow-profile", "workflow/profiles/default", "--cores", "1")


@dataclass(frozen=True, slots=True)
class Project:
    """A copy of the workflow with two small analyses.

    Attributes
    ----------
    folder : Path, where snakemake runs.
    """

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> "Project":
        (folder / "config" / "analyses").mkdir(parents=True)
        (folder / "config" / "data").mkdir()
        shutil.copy(ROOT / "Snakefile", folder)
        shutil.copytree(ROOT / "workflow", folder / "workflow")
        shutil.copytree(
            ROOT / "mmfit",
            folder / "package" / "mmfit",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        data = ROOT / "tests" / "reference" / "data" / "sleepstudy.csv"
        shutil.copy(data, folder / "config" / "data")
        project = cls(folder)
        project.write("config/config.yaml", CONFIG)
        project.write("config/analyses/sleep.yaml", SLEEP)
        project.write("config/analyses/crossed.yaml", CROSSED)
        project.write("config/data/new.csv", NEW)
        return project

    def copy(self, folder: Path) -> "Project":
        """The same project elsewhere, results, time stamps and Snakemake's records included."""
        shutil.copytree(self.folder, folder)
        return Project(folder)

    def write(self, path: str, text: str) -> None:
        (self.folder / path).write_text(text, encoding="utf-8")

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.folder / path).read_text(encoding="utf-8")
        assert text.count(old) == 1
        self.write(path, text.replace(old, new))

    @property
    def environment(self) -> dict[str, str]:
        """This environment's programs, and the project's copy of mmfit."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return {**os.environ, "PATH": path, "PYTHONPATH": str(self.folder / "package")}

    def call(self, *command: str) -> subprocess.CompletedProcess:
        """Run a program in the project."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def snakemake(self, *options: str) -> subprocess.CompletedProcess:
        return self.call(*SNAKEMAKE, *options)

    def kill_snakemake_after(self, path: str) -> None:
        """Start a run and kill it, and nothing that it started, once this file is there."""
        process = subprocess.Popen(
            SNAKEMAKE,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 120
        while not (self.folder / path).exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()
        process.wait()

    def planned(self, *options: str) -> set[Job]:
        """The jobs that snakemake would run: (rule, analysis, model), "" where a rule has none."""
        done = self.snakemake("--dry-run", *options)
        assert done.returncode == 0, done.stderr + done.stdout
        jobs: list[Job] = []
        for line in (done.stdout + done.stderr).splitlines():
            if rule := re.fullmatch(r"(?:local)?rule (\w+):", line):
                jobs.append((rule[1], "", ""))
            elif wildcards := re.fullmatch(r" *wildcards: (.*)", line):
                values = dict(re.findall(r"(\w+)=([^,\s]+)", wildcards[1]))
                jobs[-1] = (jobs[-1][0], values["analysis"], values.get("model", ""))
        return {job for job in jobs if job[0] != "all"}

    def digests(self, results: str = "results") -> dict[str, str]:
        """SHA-256 of every result file by its path below ``results``; logs left out."""
        root = self.folder / results
        return {
            path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(root.rglob("*"))
            if path.is_file() and "logs" not in path.parts
        }
