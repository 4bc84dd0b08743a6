"""How networks that play against each other take their steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

_FUSED = frozenset({"cpu", "cuda", "mps", "xpu"})


def adversarial_adam(
    parameters: Iterable[nn.Parameter],
    learning_rate: float,
    *,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = (0.5, 0.999),
) -> torch.optim.Adam:
    """Return Adam with the betas that all these generators choose; fused where torch can do so.

    Move the parameters to their device first.
    """
    chosen = list(parameters)
    fused = all(parameter.device.type in _FUSED for parameter in chosen)
    return torch.optim.Adam(chosen, lr=learning_rate, betas=betas, weight_decay=weight_decay, fused=fused)


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Take no gradients of these networks' parameters inside the block; gradients still pass through to their input."""
    parameters = [parameter for network in networks for parameter in network.parameters() if parameter.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
