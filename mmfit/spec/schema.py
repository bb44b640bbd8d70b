"""The JSON schema of analysis files, for editors."""

import json
from typing import Any

from mmfit.spec.analysis import AnalysisFile


def json_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of an analysis file."""
    schema = AnalysisFile.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "mmfit analysis",
    }


def json_schema_text() -> str:
    """The schema as it is written to ``workflow/schemas/analysis.schema.json``."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
