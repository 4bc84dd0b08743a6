"""What is to be trained, and how."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from medsynth.api import Phase, constant
from medsynth.base.progress import Silent, Watch
from medsynth.base.stopping import Stop
from medsynth.training.config import TrainingConfig
from medsynth.training.devices import Policy

Batch = Mapping[str, Tensor]
Key = tuple[float, ...]


class Loader(Protocol):
    """Batches of one epoch; the same epoch number always gives the same batches."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration draws."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Batch]: ...


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything needed to train one set of networks.

    Args:
        name: shown as progress, e.g. ``generator`` or ``classifier real-only``.
        folder: receives the checkpoint, then the weights and the history.
        phases: from the plugin.
        networks: from the plugin; saved at the end.
        loader: makes the loader of a phase.
        seed: of this training.
        policy: device, precision, layout.
        training: the plan's core settings.
        validate: called in the last phase with the number of the epoch that ended; returns an ordered key (larger is
            better) that chooses the weights to keep, and values for the history. Without it the last weights are kept.
        observe: called after epochs of every phase; returns further values for the history, which choose nothing.
        validate_epochs: epochs between two calls of either; the last epoch always gets one.
        schedule: learning-rate factor for progress in [0, 1] of the phases that have none of their own.
        accumulate: parts of a batch whose gradients are averaged for one step.
        ema_decay: of the averaged weights that are validated and kept; 0 = the trained weights.
        checkpointing: recompute what blocks marked ``recomputable`` hold, in the backward pass.
        together: all processes of a torchrun train this; otherwise this process trains it alone.
        watch, stop: progress and interruption.
    """

    name: str
    folder: Path
    phases: Sequence[Phase]
    networks: Mapping[str, nn.Module]
    loader: Callable[[Phase], Loader]
    seed: int
    policy: Policy
    training: TrainingConfig
    validate: Callable[[int], tuple[Key, dict[str, float]]] | None = None
    observe: Callable[[], Mapping[str, float]] | None = None
    validate_epochs: int = 1
    schedule: Callable[[float], float] = constant
    accumulate: int = 1
    ema_decay: float = 0.0
    checkpointing: bool = False
    together: bool = False
    watch: Watch = field(default_factory=Silent)
    stop: Stop = field(default_factory=Stop)


class RemainingBatches:
    """The loader as an iterable that skips the batches a resumed epoch has already seen."""

    def __init__(self, loader: Loader, skip: int) -> None:
        self._loader, self._skip = loader, skip

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Batch]:
        skip, self._skip = self._skip, 0
        return itertools.islice(iter(self._loader), skip, None)
