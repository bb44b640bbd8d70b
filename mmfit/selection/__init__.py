"""Which models can be compared, by which test, and which one is chosen."""

from mmfit.selection.choice.ladder import select_model
from mmfit.selection.pair_tests.compare import compare_all, compare_candidates
from mmfit.selection.pair_tests.ranova import ranova
from mmfit.selection.records import (
    Candidate,
    Comparison,
    NullDistribution,
    NullSettings,
    RankedModel,
    Ranking,
    Selection,
    SelectionStep,
)
from mmfit.selection.serialize import selection_from_json, selection_to_json

select = select_model

__all__ = [
    "Candidate",
    "Comparison",
    "NullDistribution",
    "NullSettings",
    "RankedModel",
    "Ranking",
    "Selection",
    "SelectionStep",
    "compare_all",
    "compare_candidates",
    "ranova",
    "select",
    "select_model",
    "selection_from_json",
    "selection_to_json",
]
