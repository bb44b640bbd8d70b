"""Runs on data that do not tell everything: they end, and say in every file what is missing."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from mmfit.cli.console import main

ONCE = Path(__file__).parents[1] / "inference" / "unidentified" / "level_seen_once.csv"
REASON = "The data do not tell all variance parameters apart"


def test_a_run_with_a_treatment_seen_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ONCE, "once.csv")
    pd.DataFrame({"trt": ["A", "C", "C"], "s": [3, 0, 3]}).to_csv("new.csv", index=False)
    Path("once.yaml").write_text(
        "title: Once\ndata: {file: once.csv}\nmodels: {m1: y ~ trt + (trt | s)}\n"
        "inference: {predictions: {file: new.csv}}\n"
    )
    assert main(["run", "once.yaml"]) == 0
    folder = Path("results/once")
    tables = {path.stem: pd.read_csv(path) for path in (folder / "tables").glob("*.csv")}
    coefficients = tables["coefficients"].set_index("term")
    missing = ["std_error", "df", "statistic", "p_value", "conf_low", "conf_high"]
    assert coefficients.loc["trtC", missing].isna().all()
    assert coefficients.loc["trtB", missing].notna().all()
    contrasts = tables["contrasts"].set_index("contrast")
    assert contrasts["p_value"].isna().to_dict() == {"A - B": False, "A - C": True, "B - C": True}
    assert tables["anova"]["p_value"].isna().all()
    assert tables["predictions"]["estimate"].isna().tolist() == [False, False, True]
    notes = tables["inference_notes"]
    for table in ("coefficients", "anova", "intervals", "means", "contrasts", "term_tests"):
        assert notes.loc[notes["table"] == table, "text"].str.contains(REASON).any(), table
    assert notes["text"].str.contains("1 of 3 rows cannot be predicted").any()
    modes = tables["random_effects"].set_index(["level", "term"])["estimate"]
    assert modes.isna().groupby("term").all().to_dict() == {
        "(Intercept)": False,
        "trtB": False,
        "trtC": True,
    }
    # C's in all levels; and in the level that had it, the variances of the other two
    assert notes.loc[notes["table"] == "random_effects", "text"].str.startswith("10 of 24").all()
    page = (folder / "report.html").read_text()
    assert f"{REASON} once the fixed effects are estimated; what depends on them (trtC)" in page
    assert "1 of 3 rows cannot be predicted" in page


def test_a_run_with_two_coefficients_of_one_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"g": rng.integers(0, 8, 60), "time": rng.choice(list("123"), 60)})
    data["time2"], data["y"] = rng.normal(size=60), rng.normal(size=60)
    data.to_csv("names.csv", index=False)
    Path("names.yaml").write_text(
        "title: Names\ndata: {file: names.csv, categorical: [time]}\n"
        "models: {m1: y ~ time + time2 + (1 | g)}\n"
        "bootstrap: {replicates: 39}\n"
        "inference: {intervals: [profile, wald, bootstrap], means: [], influence: false,"
        " diagnosis: false, measures: false, random_term_tests: false}\n"
    )
    assert main(["run", "names.yaml"]) == 0
    intervals = pd.read_csv("results/names/tables/intervals.csv")
    estimates = intervals[intervals["parameter"].str.startswith("time2")]
    assert estimates["parameter"].tolist() == ["time2", "time2 [2]"] * 3
    inside = estimates["conf_low"] < estimates["estimate"]
    assert (inside & (estimates["estimate"] < estimates["conf_high"])).all()
    assert estimates["estimate"].round(6).nunique() == 2
