"""The coefficients of a page with the selection counted."""

import math

from mmfit.report.content.search_section import after_selection_table
from mmfit.tables.frames import empty_frame, frame_of_rows
from mmfit.tables.schema import TABLES


def row(term, **numbers):
    blank = dict.fromkeys(TABLES["after_selection"].header, math.nan)
    naive = {"estimate": 1.5, "conf_low": 1.0, "conf_high": 2.0, "p_value": 0.0004}
    return blank | {"model": "m", "term": term, "note": "", "samples": 9} | naive | numbers


def test_naive_beside_selection_inclusive():
    counted = {
        "estimate_selection": 1.25,
        "conf_low_selection": -0.1,
        "conf_high_selection": 1.9,
        "p_value_selection": 0.07,
        "frequency": 2 / 3,
    }
    rows = [row("x", **counted), row("z", note="why not."), row("w", note="why not.")]
    table = after_selection_table(frame_of_rows("after_selection", rows))
    assert table.rows[0][:4] == ("x", "1.500", "1.00 to 2.00", "<\u00a00.001")
    assert table.rows[0][4:] == ("0.67", "1.250", "\N{MINUS SIGN}0.10 to 1.90", "0.070")
    assert table.rows[1][5:] == table.rows[2][5:] == ("–",) * 3
    assert "among all data sets in which the selection reports the coefficient" in table.notes[0]
    assert any("only just kept has a large p" in note for note in table.notes)
    assert table.notes[-1] == "z, w: why not."


def test_an_interval_without_an_end():
    counted = {"conf_low_selection": 0.25, "conf_high_selection": math.inf}
    table = after_selection_table(frame_of_rows("after_selection", [row("x", **counted)]))
    assert table.rows[0][6] == "0.25 to ∞"


def test_without_an_audit_there_is_none():
    assert after_selection_table(empty_frame("after_selection")) is None
