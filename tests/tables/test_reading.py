import math
from dataclasses import replace

import pytest

from mmfit.errors import DataError
from mmfit.selection.records import Comparison
from mmfit.tables.comparison_tables import comparison_tables, comparisons_of
from mmfit.tables.frames import read_tables, write_tables

COMPARE = ("comparisons", "null_distributions")

VALID = Comparison(
    null="m1",
    alternative="m2",
    criterion="REML",
    valid=True,
    reason='the same fixed part, "nested" random parts',
    npar_null=4,
    npar_alternative=6,
    aic_null=1 / 3,
    aic_alternative=-1e-300,
    bic_null=1e22,
    bic_alternative=math.pi,
    log_lik_null=-0.1,
    log_lik_alternative=0.0,
    chisq=5e-324,
    df=2,
    p_value=0.1 + 0.2,
    null_distribution="0.5 chi2(1) + 0.5 chi2(2)",
    p_value_chi2=1.0,
    outcome="valid",
)
REFUSED = Comparison("m2", "m3", None, False, "neither contains the other, in\ntwo lines")


@pytest.mark.parametrize(
    "comparisons", [(), (VALID,), (REFUSED, VALID, replace(VALID, note="a, note", df=None))]
)
def test_comparisons_come_back_as_they_were(tmp_path, comparisons):
    write_tables(tmp_path, "compare", comparison_tables(comparisons))
    assert comparisons_of(read_tables(tmp_path, COMPARE)) == comparisons


@pytest.mark.parametrize(
    "text",
    [
        "null,alternative\nm1,m2\n",
        None,
    ],
)
def test_another_table_is_refused(tmp_path, text):
    write_tables(tmp_path, "compare", comparison_tables((VALID,)))
    path = tmp_path / "comparisons.csv"
    path.write_text(text or path.read_text().replace(",true,", ",yes,"))
    with pytest.raises(DataError, match=r"comparisons\.csv: not a table written by this version"):
        comparisons_of(read_tables(tmp_path, COMPARE))
