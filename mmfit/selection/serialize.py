"""A selection to JSON and back."""

from mmfit.common.json_records import from_json, to_json
from mmfit.selection.records import Selection


def selection_to_json(selection: Selection) -> str:
    """One object, keys in the order of the records' fields, full double precision."""
    return to_json(selection)


def selection_from_json(text: str) -> Selection:
    """The inverse of ``selection_to_json``.

    Raises
    ------
    DataError : the text is not a selection written by this version.
    """
    return from_json(text, Selection, "a selection")
