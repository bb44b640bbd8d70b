"""Levels without which a fixed effect cannot be estimated, in the report's section."""

import numpy as np
import pandas as pd

import mmfit
from mmfit.report.content.diagnosis_sections import diagnosis_section


def test_needed_levels_are_said_and_not_drawn():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"s": rng.integers(0, 3, 60), "x": rng.standard_normal(60)})
    frame["only"] = (frame["s"] == 1) * frame["x"]
    frame["y"] = rng.standard_normal(60) + frame["s"]
    found = mmfit.lmer("y ~ x + only + (1 | s)", frame).influence()
    rows = found.coefficients.merge(found.groups, on=["group", "level"], how="left")
    tables = {
        "influence": rows.assign(model="m"),
        "diagnosis": pd.DataFrame(columns=["model", "check"]),
        "inference_notes": pd.DataFrame(columns=["model", "table", "text"]),
    }
    section = diagnosis_section(tables, "m")
    assert section.warnings == ("Without 1 of s the fixed effects cannot all be estimated.",)
    (table,) = section.tables
    assert sorted(row[1] for row in table.rows) == ["0", "2"]
    assert "the largest distance is 0." in section.figures[0].svg
