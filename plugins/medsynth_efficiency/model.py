"""Parameters, multiply-accumulates, latency and peak memory of a network for one image."""

from __future__ import annotations

import statistics
import time
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from medsynth.api import Evidence, Score
from medsynth.base.costs import count_macs, count_parameters

if TYPE_CHECKING:
    from medsynth_efficiency import EfficiencyConfig

MEGABYTE = 1e6


class Efficiency:
    """Measures each exported network on the first real test image, batch 1."""

    def __init__(self, config: EfficiencyConfig) -> None:
        self.config = config

    def scores(self, evidence: Evidence) -> Sequence[Score]:
        """Return ``parameters``, ``macs``, ``latency`` (ms) and ``memory`` (MB) per network."""
        shape = (1, *evidence.real.images.shape[1:])
        first = torch.from_numpy(evidence.real.images[:1].copy()) if len(evidence.real) else torch.zeros(shape)
        return [
            score for subject, network in evidence.networks.items() for score in self._judge(subject, network, first)
        ]

    def _judge(self, subject: str, network: nn.Module, image: Tensor) -> list[Score]:
        weight = next(network.parameters(), image)
        image = image.to(weight.device)
        size = " x ".join(str(length) for length in image.shape[1:])
        place = f"batch 1, {size}, {weight.device.type}"
        if weight.device.type == "cpu":
            place += f", {torch.get_num_threads()} threads"
        times = self._latencies(network, image)
        return [
            _score("parameters", subject, float(count_parameters(network))),
            _score("macs", subject, float(count_macs(network, image)), detail=f"batch 1, {size}"),
            _score(
                "latency",
                subject,
                1e3 * statistics.median(times),
                unit="ms",
                detail=f"median of {len(times)} runs, {place}",
                measured=True,
            ),
            _score("memory", subject, peak_memory(network, image) / MEGABYTE, unit="MB", detail=place, measured=True),
        ]

    def _latencies(self, network: nn.Module, image: Tensor) -> list[float]:
        """Return seconds of each timed run."""
        with torch.inference_mode():
            for _ in range(self.config.warmup):
                network(image)
            times: list[float] = []
            while len(times) < self.config.runs and sum(times) <= self.config.seconds:
                _wait(image.device)
                start = time.perf_counter()
                network(image)
                _wait(image.device)
                times.append(time.perf_counter() - start)
        return times


def _wait(device: torch.device) -> None:
    """Wait until an accelerator has finished: its work is queued, not done, when a call returns."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _score(name: str, subject: str, value: float, *, unit: str = "", detail: str = "", measured: bool = False) -> Score:
    return Score(
        evaluator="efficiency",
        name=name,
        subject=subject,
        value=value,
        n=1,
        unit=unit,
        higher_is_better=False,
        detail=detail,
        measured=measured,
    )


def peak_memory(network: nn.Module, image: Tensor) -> int:
    """Return the most bytes alive at any moment of one call: weights, buffers, image and intermediate tensors.

    On CUDA the allocator knows it. Elsewhere every storage that an operator returns is followed until it is freed;
    scratch memory inside an operator's kernel is not seen.

    Args:
        network: in evaluation mode.
        image: (1, C, H, W).
    """
    live = _LiveBytes()
    for tensor in (*network.parameters(), *network.buffers(), image):
        live.follow(tensor)
    if image.device.type == "cuda":
        before = torch.cuda.memory_allocated(image.device)
        torch.cuda.reset_peak_memory_stats(image.device)
        with torch.no_grad():
            network(image)
        # What else lives on the device is not this network's cost.
        live.peak += int(torch.cuda.max_memory_allocated(image.device)) - before
    else:
        with torch.no_grad(), live:
            network(image)
    live.forget_all()
    return live.peak


class _LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves the base class unannotated
    """Adds up the bytes of all storages that operators return, for as long as these are alive."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now: int = 0
        self.peak: int = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()
        self._finalizers: list[weakref.finalize[..., Any]] = []

    def follow(self, tensor: Tensor) -> None:
        """Count the tensor's storage, once however many views share it."""
        storage = tensor.untyped_storage()
        if storage in self._known:
            return
        self._known.add(storage)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        self._finalizers.append(weakref.finalize(storage, self._forget, storage.nbytes()))

    def forget_all(self) -> None:
        """Stop following, so that nothing of this object outlives the call."""
        for finalizer in self._finalizers:
            finalizer.detach()

    def _forget(self, size: int) -> None:
        self.now -= size

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self.follow(leaf)
        return result
