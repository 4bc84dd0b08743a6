"""What names a part of a run by everything that decides its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

WITHOUT_EFFECT = ("workers", "show_names", "tensorboard", "mlflow", "checkpoint_minutes", "threshold", "baselines")
"""Fields of data and training that change nothing of what is prepared, trained or translated."""


def stage_key(plan: Mapping[str, Any], record: Mapping[str, Any], part: str, *plugins: str, seed: int | None) -> str:
    """Return what names a part of a run by everything that decides its content.

    Args:
        plan: as plan.toml holds it.
        record: as run.json holds it; versions of medsynth and libraries, and the split's hash.
        part: folder of the run, e.g. ``generator`` or ``classifier/real-only``.
        plugins: kinds of plugins whose choice and options decide it.
        seed: of the training; None for what is prepared before, which also depends on neither device nor training.
    """
    basis: dict[str, Any] = {"part": part, "data": _effective(plan["data"])}
    basis |= {name: record[name] for name in ("medsynth", "versions")}
    if seed is not None:
        basis |= {"seed": seed, "device": plan["device"], "training": _effective(plan["training"])}
        basis |= {"split": record["split"]} | {kind: plan[kind] for kind in plugins}
        basis["plugins"] = [plugin for plugin in record["plugins"] if plugin["kind"] in plugins]
    return hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()[:16]


def _effective(section: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in section.items() if name not in WITHOUT_EFFECT}
