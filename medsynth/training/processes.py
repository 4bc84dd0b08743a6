"""Several processes that train together, started by torchrun: who leads, what is shared, how gradients are averaged.

Without torchrun there is one process, which leads, and nothing below does anything. A batch of the whole training is
dealt out like cards: process r of n takes its images r, r + n, r + 2n, ... All losses are means over images, so the
mean of the processes' gradients is the gradient of the whole batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import ignite.distributed as idist
import torch
from torch import Tensor

from medsynth.base.children import die_with_parent
from medsynth.base.errors import InputError

PATIENCE = timedelta(days=7)
"""How long a process waits for the leader, which evaluates and publishes alone. A dead one ends the wait at once."""


@contextmanager
def joined(device: str) -> Iterator[None]:
    """Join the processes that torchrun started, if it did, while the block runs."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if "TORCHELASTIC_RUN_ID" in os.environ:
        die_with_parent()  # torchrun; other launchers may start processes from threads that end
    idist.initialize("nccl" if device.startswith("cuda") else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        idist.finalize()


def rank() -> int:
    """Return this process's number, from 0 on."""
    return int(idist.get_rank())


def processes() -> int:
    """Return how many processes train together."""
    return int(idist.get_world_size())


def leads() -> bool:
    """Say whether this process writes files and talks."""
    return rank() == 0


def share_of(batch_size: int) -> int:
    """Return how many images of a batch each process takes.

    Raises:
        InputError: the batch cannot be divided.
    """
    if batch_size % processes():
        divisible = -(-batch_size // processes()) * processes()
        raise InputError(
            f"generator.batch_size x accumulate = {batch_size} cannot be dealt out to {processes()} processes",
            hint=f"Use --set generator.batch_size={divisible}, or start another number of processes.",
        )
    return batch_size // processes()


@contextmanager
def leader_first() -> Iterator[None]:
    """Let the leader finish the block before the others enter it, to find the files it wrote."""
    if processes() > 1 and not leads():
        idist.barrier()
    yield
    if processes() > 1 and leads():
        idist.barrier()


def wait_for_all() -> None:
    """Return once every process has come here."""
    if processes() > 1:
        idist.barrier()


def anyone(flag: bool) -> bool:
    """Say whether the flag is set in any process, so that all act alike."""
    if processes() == 1:
        return flag
    return bool(idist.all_reduce(torch.tensor(float(flag), device=idist.device()), op="MAX") > 0)


def mean_over_processes(values: list[float]) -> list[float]:
    """Return the mean of each number over all processes."""
    if processes() == 1 or not values:
        return values
    tensor = torch.tensor(values, dtype=torch.float64, device=idist.device())
    total: Any = idist.all_reduce(tensor)
    mean: list[float] = (total / processes()).tolist()
    return mean


def whole_batch(images: Tensor) -> Tensor:
    """Return the images of all processes in the order of the whole batch; (B, ...) -> (processes * B, ...)."""
    if processes() == 1:
        return images
    gathered: Any = idist.all_gather(images.contiguous())
    ordered: Tensor = gathered.unflatten(0, (processes(), -1)).transpose(0, 1).flatten(0, 1)
    return ordered


def own_share(images: Tensor) -> Tensor:
    """Return this process's images of a whole batch."""
    return images[rank() :: processes()]


@contextmanager
def averaging_gradients(optimizers: Iterable[torch.optim.Optimizer]) -> Iterator[None]:
    """Average gradients over all processes before every step of these optimizers while the block runs."""
    if processes() == 1:
        yield
        return
    handles = [optimizer.register_step_pre_hook(_average) for optimizer in optimizers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _average(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    # One message instead of hundreds: its latency counts more than its size.
    total: Any = idist.all_reduce(torch.cat([gradient.flatten() for gradient in gradients]))
    parts = (total / processes()).split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))
