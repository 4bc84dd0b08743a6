"""What a network costs: parameters and multiply-accumulates, exactly and as the tool thop counts them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.InstanceNorm2d, nn.InstanceNorm3d, nn.LayerNorm)
SAME_SHAPE = frozenset(
    {
        F.batch_norm,
        F.dropout,
        F.gelu,
        F.group_norm,
        F.hardtanh,
        F.instance_norm,
        F.layer_norm,
        F.leaky_relu,
        F.relu,
        F.relu6,
        F.selu,
        F.silu,
        F.softmax,
        torch.relu,
        torch.sigmoid,
        torch.softmax,
        torch.tanh,
        torch.Tensor.sigmoid,
        torch.Tensor.softmax,
    }
)
"""Functions that cost no multiply-accumulates and return a tensor like their first argument."""
SUMS = frozenset({torch.add, torch.Tensor.add, torch.Tensor.__add__, torch.Tensor.__iadd__})
"""Functions of which the same is true where both arguments have one shape."""


def count_parameters(network: nn.Module) -> int:
    """Return the number of parameters, shared ones counted once, buffers not counted."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_macs(network: nn.Module, image: Tensor) -> int:
    """Return the multiply-accumulates of one call: convolutions, linear layers, all matrix products of attention.

    Fused attention is replaced by its explicit matrix products, because the fused operator for CPUs is counted as zero
    otherwise. Elementwise operations, norms and activations are not counted.

    Args:
        network: in evaluation mode.
        image: (1, C, H, W).
    """
    with _explicit_attention(), torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image)
    return int(counter.get_total_flops()) // 2


@contextmanager
def _explicit_attention() -> Iterator[None]:
    """Compute attention by separate matrix products, in `torch.nn.MultiheadAttention` too."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def count_thop(network: nn.Module, image: Tensor) -> int:
    """Return what ``thop.profile`` reports as FLOPs, for comparison with papers that print it.

    Counted are: each multiply-accumulate of a convolution or linear layer 1, each element that is normalized and
    scaled 4, each row of n in a softmax module or in fused attention 3n - 1, each output element of a pooling module
    and each input element of an adaptive one 1. Attention products and everything that is no module count nothing.

    Args:
        network: in evaluation mode.
        image: (1, C, H, W).
    """
    found: list[int] = []

    def add(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        found.append(_thop_operations(module, inputs[0], output))

    handles = [module.register_forward_hook(add) for module in network.modules() if not list(module.children())]
    softmaxes = _FusedSoftmaxes()
    try:
        with torch.no_grad(), softmaxes:
            network(image)
    finally:
        for handle in handles:
            handle.remove()
    return sum(found) + softmaxes.operations


class _FusedSoftmaxes(TorchFunctionMode):
    """Adds up the softmax operations that fused attention hides."""

    operations = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        if func is F.scaled_dot_product_attention:
            queries, keys = args[:2]
            self.operations += _softmax_operations(queries.numel() // queries.shape[-1], keys.shape[-2])
        return func(*args, **(kwargs or {}))


def _softmax_operations(rows: int, length: int) -> int:
    return rows * (3 * length - 1)


def _thop_operations(module: nn.Module, given: Tensor, output: Tensor) -> int:
    if isinstance(module, CONVOLUTIONS):
        return output.numel() * math.prod(module.weight.shape[1:])
    if isinstance(module, nn.Linear):
        return output.numel() * module.in_features
    if isinstance(module, NORMS):
        return (2 if module.weight is None else 4) * given.numel()
    if isinstance(module, nn.Softmax):
        length = given.shape[-1 if module.dim is None else module.dim]
        return _softmax_operations(given.numel() // length, length)
    if isinstance(module, nn.AvgPool2d | nn.AvgPool3d):
        return output.numel()
    if isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveAvgPool3d):
        return given.numel()
    return 0


@contextmanager
def shapes_only() -> Iterator[None]:
    """Make networks on torch's meta device run many times faster: norms, activations and sums hand their input on.

    Counts are unchanged, because those functions cost no multiply-accumulates and keep the shape.
    """
    with _ShapesOnly():
        yield


class _ShapesOnly(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        if args and isinstance(args[0], Tensor) and args[0].is_meta:
            given = args[0]
            if func in SAME_SHAPE or (func in SUMS and given.shape == getattr(args[1], "shape", None)):
                return given
            if func is F.linear:  # the bias costs nothing
                return (given.flatten(0, -2) @ args[1].mT).unflatten(0, given.shape[:-1])
            if func is F.scaled_dot_product_attention:
                return given @ args[1].mT @ args[2]
        return func(*args, **(kwargs or {}))
