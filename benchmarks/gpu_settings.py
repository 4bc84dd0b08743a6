"""What the parts of `gpu_check.py` share: where and how large they measure, and files of rows."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WIDTHS = {"width": 4, "discriminator_width": 4}
TINY_GENERATORS: dict[str, dict[str, Any]] = {
    "cyclegan": {**WIDTHS, "blocks": 1},
    "unit": {**WIDTHS, "blocks": 1},
    "munit": {**WIDTHS, "blocks": 1, "style_hidden": 8},
    "dclgan": {**WIDTHS, "blocks": 5, "patches": 64, "projection_width": 16},
    "sg-cyclegan": {**WIDTHS, "blocks": 1, "features": 4, "classifier_width": 4},
}
TINY_LSNET: dict[str, Any] = {"student_width": 0.2, "teacher_width": 0.2, "heads": 1}


@dataclass(frozen=True)
class Settings:
    """Where and how large the parts measure.

    Args:
        folder: receives what they find and write.
        device: ``cuda``; ``cpu`` for a look at the program itself, which measures nothing of interest.
        tiny: networks, images and turns so small that a CPU is done in seconds.
    """

    folder: Path
    device: str = "cuda"
    tiny: bool = False

    @property
    def size(self) -> int:
        """Pixels a side of what generators translate."""
        return 32 if self.tiny else 256

    @property
    def batch(self) -> int:
        """Images per domain in a generator's step."""
        return 1 if self.tiny else 4

    def generator(self, name: str) -> dict[str, Any]:
        """Return values of a generator's options."""
        return TINY_GENERATORS[name] if self.tiny else {}

    @property
    def lsnet(self) -> dict[str, Any]:
        """Values of LSNet's options."""
        return TINY_LSNET if self.tiny else {}

    def synchronize(self) -> None:
        """Wait until the device has done everything."""
        import torch

        if self.device == "cuda":
            torch.cuda.synchronize()

    def add(self, part: str, **row: Any) -> None:
        """Append a row to what a part has found; it stays if the part is ended later."""
        with (self.folder / f"{part}.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    def found(self, part: str) -> list[dict[str, Any]]:
        """Return the rows that a part has found so far."""
        path = self.folder / f"{part}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def seconds_per_act(act: Callable[[], object], settings: Settings, *, warm_up: int = 3, turns: int = 5) -> float:
    """Return the seconds of an action: the best mean of several turns of at least a fifth of a second each."""

    def mean(repetitions: int) -> float:
        settings.synchronize()
        start = time.perf_counter()
        for _ in range(repetitions):
            act()
        settings.synchronize()
        return (time.perf_counter() - start) / repetitions

    if settings.tiny:
        return mean(1)
    for _ in range(warm_up):
        act()
    repetitions = max(1, round(0.2 / mean(2)))
    return min(mean(repetitions) for _ in range(turns))


def peak_memory(act: Callable[[], object], settings: Settings) -> dict[str, float]:
    """Return the MiB that an action needs at most and those that were taken before; nothing of a CPU."""
    import torch

    if settings.device != "cuda":
        return {}
    settings.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    act()
    settings.synchronize()
    return {"peak": torch.cuda.max_memory_allocated() / 2**20, "before": before / 2**20}


def free() -> None:
    """Give back the device memory of what is no longer used."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def problem(error: Exception) -> str:
    """Return an error in a line."""
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"[:200]
