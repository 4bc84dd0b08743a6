"""Which device, precision and memory layout a run uses."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medsynth.base.errors import InputError
from medsynth.training.config import TrainingConfig

if TYPE_CHECKING:
    from torch import nn


DEVICES = ("auto", "cpu", "cuda", "mps")
SMALLEST_BF16 = 96
"""Pixels a side from which on bf16 pays on a CPU: there a generator's step takes 0.64 to 0.84 of the time in fp32."""


@dataclass(frozen=True)
class Policy:
    """How to compute.

    Args:
        device: cpu, cuda or mps.
        precision: fp32 or bf16 (autocast; weights stay fp32).
        channels_last: memory layout of networks.
        compile: torch.compile the networks before training.
    """

    device: str
    precision: str = "fp32"
    channels_last: bool = False
    compile: bool = False

    @property
    def pinned(self) -> bool:
        """Tell whether batches belong in page-locked memory, from which the device copies while it computes."""
        return self.device.startswith("cuda")

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """Run the block in mixed precision where the policy says so."""
        import torch

        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.precision == "bf16"):
            yield

    def apply(self, network: nn.Module) -> None:
        """Set a network's memory layout and compile it, in place."""
        import torch

        if self.channels_last:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.compile:
            network.compile()


def resolve_device(name: str) -> str:
    """Turn ``auto`` into the best device present and check any other choice.

    Raises:
        InputError: for an unknown or absent device.
    """
    if name.partition(":")[0] not in DEVICES:  # answered before torch is imported
        raise InputError(f"--device {name!r} is not available", hint=f"Known: {', '.join(DEVICES)}.")
    if name == "cpu":
        return name
    import torch

    present = ["cpu"]
    if torch.cuda.is_available():
        present.insert(0, "cuda")
    elif torch.backends.mps.is_available():
        present.insert(0, "mps")
    if name == "auto":
        return present[0]
    if name.partition(":")[0] not in present:
        raise InputError(f"--device {name!r} is not available", hint=f"Available here: auto, {', '.join(present)}.")
    return name


def make_policy(device: str, training: TrainingConfig, size: int) -> Policy:
    """Decide precision and layout from the device, unless the plan does.

    On a CPU bf16 pays only with native instructions and images that are not small; without such instructions it was
    measured four times slower than fp32.
    """
    kind = device.partition(":")[0]
    native = _native_bf16(kind) and (kind != "cpu" or size >= SMALLEST_BF16)
    precision = training.precision if training.precision != "auto" else ("bf16" if native else "fp32")
    layout = training.channels_last == "on" or (training.channels_last == "auto" and kind == "cuda")
    return Policy(device, precision, layout, training.compile == "on")


def _native_bf16(kind: str) -> bool:
    import torch

    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    flags = getattr(torch.cpu, "_is_avx512_bf16_supported", bool), getattr(torch.cpu, "_is_amx_tile_supported", bool)
    return kind == "cpu" and any(flag() for flag in flags)


def hardware(device: str) -> dict[str, Any]:
    """Describe the machine for run.json, without its name."""
    import torch

    facts: dict[str, Any] = {
        "device": device,
        "machine": platform.machine(),
        "system": platform.system(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
    }
    if device.startswith("cuda"):
        facts["accelerator"] = torch.cuda.get_device_name(device)
    return facts
