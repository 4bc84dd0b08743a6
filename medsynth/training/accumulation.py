"""Gradient accumulation for any training step, whichever optimizers it uses and however often."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


@contextmanager
def accumulating(optimizers: Iterable[torch.optim.Optimizer], batches: int) -> Iterator[None]:
    """Let optimizers act inside the block on every `batches`-th call only, with the mean of the gradients so far.

    Of ``batches`` rounds of zero_grad, backward, step, the first zero_grad and the last step take effect. A step
    that was written for one batch therefore trains on several without knowing it.

    Args:
        optimizers: of the step; their methods ``step`` and ``zero_grad`` are replaced while the block runs.
        batches: at least 1; with 1 nothing changes.
    """
    chosen = list(optimizers) if batches > 1 else []
    for optimizer in chosen:
        _Accumulation(optimizer, batches).install()
    try:
        yield
    finally:
        for optimizer in chosen:
            del optimizer.step, optimizer.zero_grad  # the class's own methods show again


def in_parts(batch: Mapping[str, Tensor], parts: int) -> list[dict[str, Tensor]]:
    """Divide a batch along its first axis into `parts` equal batches, in order."""
    chunks = {name: tensor.chunk(parts) for name, tensor in batch.items()}
    return [{name: pieces[part] for name, pieces in chunks.items()} for part in range(parts)]


def mean_of(results: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the mean of each named loss."""
    if len(results) == 1:
        return dict(results[0])
    return {name: sum(result[name] for result in results) / len(results) for name in results[0]}


class _Accumulation:
    def __init__(self, optimizer: torch.optim.Optimizer, batches: int) -> None:
        self.optimizer, self.batches, self.waiting = optimizer, batches, 0
        self._step, self._zero_grad = optimizer.step, optimizer.zero_grad

    def install(self) -> None:
        self.optimizer.step = self.step  # type: ignore[method-assign, assignment]
        self.optimizer.zero_grad = self.zero_grad  # type: ignore[method-assign]

    def zero_grad(self, set_to_none: bool = True) -> None:
        if not self.waiting:
            self._zero_grad(set_to_none=set_to_none)

    def step(self, closure: None = None) -> None:
        self.waiting += 1
        if self.waiting < self.batches:
            return
        self.waiting = 0
        gradients = [p.grad for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]
        torch._foreach_div_(gradients, self.batches)
        self._step(closure)
