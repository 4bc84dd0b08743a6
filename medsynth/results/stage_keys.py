"""What names a part of a run by everything that decides its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_LOGGERS = ("tensorboard", "mlflow", "wandb")
WITHOUT_EFFECT = ("workers", "show_names", *_LOGGERS, "checkpoint_minutes", "threshold", "baselines")
"""Fields of data and training that change nothing of what is prepared, trained or translated."""

POSITIVES = "positive_patients"
"""Where run.json holds how many positive patients of the target there are to train on."""


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
        # Asked for more positive patients than there are, it is the training with as many as there are.
        own = {kind: {**plan[kind], "positives": trained_positives(plan[kind], record)} for kind in plugins}
        basis |= {"split": record["split"], **own}
        basis["plugins"] = [plugin for plugin in record["plugins"] if plugin["kind"] in plugins]
    return hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()[:16]


def trained_positives(section: Mapping[str, Any], record: Mapping[str, Any]) -> int:
    """Return with how many positive patients a generator or classifier is trained; 0 where nothing says it.

    Args:
        section: of the plan, the generator's or the classifier's.
        record: as run.json holds it.
    """
    asked, present = int(section.get("positives", 0)), int(record.get(POSITIVES, 0))
    return min(asked, present) if asked and present else asked or present


def _effective(section: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in section.items() if name not in WITHOUT_EFFECT}
