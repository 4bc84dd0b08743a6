"""Leaves out of a plan what would tell where it was run or on whom."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REMOVED = "(removed)"

# Names of hospitals, DICOM identifiers, trackers and data locations; 'phantom' is the embedded data set.
_IDENTIFYING = {"held_out_center", "series", "patient_pattern", "mlflow", "wandb", "path", "source", "folder", "out"}
_LOCATION = re.compile(r"[/\\~@]|:\d|\.[A-Za-z][A-Za-z0-9]{0,7}$|\d+(\.\d+){3,}")
_HARMLESS = {"", "phantom"}
_ENDS = r"(source=|target=)?[-+]?[\d.]+(e[-+]?\d+)?:[-+]?[\d.]+(e[-+]?\d+)?"
_WINDOW = re.compile(rf"{_ENDS}(,{_ENDS})?")


def without_locations(value: Any, name: str = "") -> Any:
    """Return plan values with every location and identifying value replaced by ``(removed)``.

    A value counts as a location if its field says so, or if it contains a separator, an address, or a file suffix.

    Examples:
        >>> without_locations({"data": {"path": "cases", "size": 64, "ratio": "8:1:1"}, "extractor": "inception.ts"})
        {'data': {'path': '(removed)', 'size': 64, 'ratio': '8:1:1'}, 'extractor': '(removed)'}
    """
    if isinstance(value, Mapping):
        return {str(key): without_locations(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_locations(inner, name) for inner in value]
    if not isinstance(value, str):
        return value
    if name in _IDENTIFYING:
        return value if value in _HARMLESS else REMOVED
    is_ratio = re.fullmatch(r"\d+(:\d+)+", value) is not None
    is_window = name == "window" and _WINDOW.fullmatch(value) is not None
    return REMOVED if _LOCATION.search(value) and not (is_ratio or is_window) else value
