"""Optimizers of student and teacher."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from . import LSNetConfig


def adamw(config: LSNetConfig, modules: Mapping[str, nn.Module], factor: float) -> torch.optim.AdamW:
    """Build an optimizer with a group for each module, for the simulators, and for norms and biases of each."""
    groups: dict[str, dict[str, Any]] = {}
    for module_name, module in modules.items():
        for name, parameter in module.named_parameters():
            if parameter.requires_grad:
                part = "simulator" if ".simulator." in name else module_name
                decay = config.weight_decay if parameter.dim() > 1 else 0.0
                key = part if decay else f"{part} without decay"
                group = groups.setdefault(key, {"name": key, "weight_decay": decay, "params": []})
                group["params"].append(parameter)
    return torch.optim.AdamW(list(groups.values()), lr=config.learning_rate * factor, fused=True)


def update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take one step down the gradient of a loss."""
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    optimizer.step()
