"""A training loop as a plugin describes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch
    from ignite.engine import Engine
    from torch import Tensor


@runtime_checkable
class Stateful(Protocol):
    """Anything whose state a checkpoint can hold: networks, optimizers, image pools."""

    def state_dict(self) -> dict[str, Any]:
        """Return tensors, numbers and strings only (nested dicts and lists allowed)."""

    def load_state_dict(self, state: Any) -> Any:
        """Restore what `state_dict` returned."""


Step = Callable[["Engine", Mapping[str, "Tensor"]], Mapping[str, Any]]
"""An Ignite process function: takes (engine, batch), updates the networks, returns named scalar losses."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Phase:
    """One training loop. The core owns loaders, seeds, precision, schedules, checkpoints, resume and logs.

    Args:
        name: lower case; unique within the plugin.
        data: which images the step receives.
            ``unpaired``: ``{"source": (B, C, H, W), "target": (B, C, H, W)}``, partners drawn anew every epoch;
            ``mixed``: ``{"image": (B, C, H, W), "label": (B,) int64}`` real and synthetic target images;
            ``real``: the same, real target images only.
        epochs: number of epochs; a checkpoint is written after each.
        epoch_steps: steps per epoch, 0 = once through the data.
        batch_size: images in a step (per domain for ``unpaired``).
        step: the Ignite process function.
        state: everything to save and restore by name: all networks (put into training mode by the core),
            image pools, running averages. Optimizers are added by the core.
        optimizers: by name; the core multiplies their learning rates by `schedule`.
        schedule: learning-rate factor for progress in [0, 1]; None = that of the options, see `learning_rate_schedule`.
    """

    name: str
    data: Literal["unpaired", "mixed", "real"]
    epochs: int
    step: Step
    state: Mapping[str, Stateful]
    optimizers: Mapping[str, torch.optim.Optimizer]
    batch_size: int
    epoch_steps: int = 0
    schedule: Callable[[float], float] | None = None
