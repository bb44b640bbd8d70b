"""Where the numbers come from: inputs, package and versions; no clock, so that runs agree."""

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmfit.common.digests import CODE, SOFTWARE, TEMPLATES, package_digest, versions
from mmfit.common.files import write_text
from mmfit.common.json_records import to_json

if TYPE_CHECKING:
    from mmfit.data import Dataset
    from mmfit.spec import Analysis


def provenance(analysis: "Analysis", dataset: "Dataset") -> dict[str, Any]:
    """Everything that the results of ``analysis`` depend on, ready for JSON.

    The checksums are those of the bytes that were read, not of what lies there now.
    """
    asked = analysis.selection.stability
    return {
        "command": f"mmfit run {analysis.path}",
        "analysis": {
            "name": analysis.name,
            "title": analysis.title,
            "file": str(analysis.path),
            "sha256": analysis.sha256,
        },
        "data": _data(dataset),
        "settings": {
            "alpha": analysis.selection.alpha,
            "df": analysis.df,
            "comparisons": _plain(analysis.comparisons),
            "null_distribution": analysis.null_distribution,
            "bootstrap": {
                "replicates": analysis.bootstrap.replicates,
                "seed": analysis.bootstrap.seed,
                "stop": analysis.bootstrap.stop,
            },
            "stability": None if asked is None else asked.model_dump(),
        },
        "package": {
            "name": "mmfit",
            "version": version("mmfit"),
            "sha256": package_digest(CODE, TEMPLATES),
        },
        "software": versions(SOFTWARE),
        "platform": _platform(),
    }


def write_provenance(path: str | Path, analysis: "Analysis", dataset: "Dataset") -> None:
    """Write ``provenance.json``."""
    write_text(Path(path), to_json(provenance(analysis, dataset)))


def flat(record: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested entries as ``(dotted key, text)`` rows, for the page."""
    rows = []
    for key, value in record.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            rows += flat(value, f"{name}.")
        else:
            rows.append((name, value if isinstance(value, str) else json.dumps(value)))
    return rows


def _data(dataset: "Dataset") -> dict[str, Any]:
    source = dataset.source
    origin = (
        {"file": source.file, "sha256": source.sha256}
        if source.kind == "file"
        else {"simulated": True, "seed": source.seed}
    )
    rows = dataset.row_report
    return origin | {"rows_read": rows.read, "rows_used": rows.kept}


def _platform() -> dict[str, str]:
    import numpy as np

    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "blas": f"{blas['name']} {blas['version']}",
    }


def _plain(comparisons) -> str | list[list[str]]:
    return comparisons if isinstance(comparisons, str) else [list(pair) for pair in comparisons]
