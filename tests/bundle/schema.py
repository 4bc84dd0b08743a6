"""What MONAI's metadata schema of 2024-07-25 asks for, written from its description for checks without a network."""

from __future__ import annotations

from typing import Any

_TEXTS = ["schema", "version", "monai_version", "pytorch_version", "numpy_version", "task", "description"]
_TEXTS += ["authors", "copyright"]
_TENSOR: dict[str, Any] = {
    "type": "object",
    "required": ["type", "format", "num_channels", "spatial_shape", "dtype", "value_range"],
    "properties": {
        "type": {"type": "string"},
        "format": {"type": "string"},
        "num_channels": {"type": "integer", "minimum": 1},
        "spatial_shape": {
            "type": "array",
            "items": {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^[-+*/0-9np() ]+$"}]},
        },
        "dtype": {"type": "string"},
        "value_range": {"type": "array", "items": {"type": "number"}},
        "is_patch_data": {"type": "boolean"},
        "channel_def": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
_TENSORS = {"type": "object", "additionalProperties": _TENSOR, "minProperties": 1}
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2019-09/schema",
    "type": "object",
    "required": [*_TEXTS, "required_packages_version", "network_data_format"],
    "properties": {
        **{name: {"type": "string", "minLength": 1} for name in _TEXTS},
        "name": {"type": "string"},
        "changelog": {"type": "object", "additionalProperties": {"type": "string"}},
        "required_packages_version": {"type": "object", "additionalProperties": {"type": "string"}},
        "eval_metrics": {"type": "object"},
        "intended_use": {"type": "string"},
        "references": {"type": "array", "items": {"type": "string"}},
        "supported_apps": {"type": "object"},
    },
    "patternProperties": {
        "_data_format$": {
            "type": "object",
            "required": ["inputs", "outputs"],
            "properties": {"inputs": _TENSORS, "outputs": _TENSORS, "post_processed_outputs": _TENSORS},
        }
    },
}
