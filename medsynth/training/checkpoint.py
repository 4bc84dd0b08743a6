"""What a training writes: checkpoints, weights, and its history."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.utils.checkpoint

from medsynth.api import Phase, Stateful
from medsynth.base import seals
from medsynth.base.files import write_bytes
from medsynth.training.job import Job

CHECKPOINT, NETWORKS, HISTORY = "checkpoint.pt", "networks.pt", "history.json"


def unique_state(phases: Sequence[Phase]) -> dict[str, Stateful]:
    """Name every stateful object once, though several phases may share it."""
    seen: set[int] = set()
    unique: dict[str, Stateful] = {}
    for phase in phases:
        for name, item in phase.state.items():
            if id(item) not in seen:
                seen.add(id(item))
                unique[f"{phase.name}.{name}"] = item
    return unique


def save_content(path: Path, content: Any, *, digest: bool = False) -> None:
    """Write what torch can load; equal content gives equal bytes. With a digest, a changed byte is noticed."""
    # Through memory, because torch writes the file's name into the archive: equal weights, equal bytes.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_bytes(path, seals.with_digest(buffer.getvalue()) if digest else buffer.getvalue())


def load_networks(job: Job) -> None:
    """Load the weights that a finished training left into its networks, in evaluation mode."""
    weights = torch.load(job.folder / NETWORKS, map_location="cpu", weights_only=True)
    for name, network in job.networks.items():
        network.load_state_dict(weights[name])
        network.eval()
