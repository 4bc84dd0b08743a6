"""Where a classifier looks: Grad-CAM and received attention, laid over the images it was given."""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medsynth.base.files import write_bytes
from medsynth.inference.predict.prediction import Painter

SHARE = 0.55
"""Of the color map where a heatmap is 1; it fades towards 0."""


def grad_cam(network: nn.Module, images: Tensor) -> Tensor:
    """Return (B, H, W) heatmaps in [0, 1] of what speaks for the positive class.

    The features are those of the last module whose result is (B, C, h, w) with more than one place; each channel is
    weighted with the mean gradient of the positive logit, negative sums count as 0 (Selvaraju et al. 2017, equations
    1 and 2). Every map is divided by its maximum; a map of zeros stays zero.

    Args:
        network: maps (B, C, H, W) to (B, 2) logits; in evaluation mode.
        images: (B, C, H, W) in [-1, 1].

    Raises:
        ValueError: no module has such a result.
    """
    found: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, result: Any) -> None:
        if isinstance(result, Tensor) and result.dim() == 4 and result.shape[-1] * result.shape[-2] > 1:
            found[:] = [result]

    hooks = [module.register_forward_hook(keep) for module in network.modules() if module is not network]
    try:
        with torch.enable_grad():
            logits = network(images.clone().requires_grad_())
    finally:
        for hook in hooks:
            hook.remove()
    if not found:
        raise ValueError("no module of the network returns features with height and width")
    (gradient,) = torch.autograd.grad(logits[:, 1].sum(), found[0])
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return enlarge((weights * found[0]).sum(dim=1).clamp(min=0.0).detach(), images.shape[-2:])


def attention_maps(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Return by block the attention that each place receives, (B, H, W) in [0, 1]; empty if the network has none.

    Networks that have a method ``attention(images) -> {name: (B, rows, columns)}`` are asked.
    """
    attention = getattr(network, "attention", None)
    if not callable(attention):
        return {}
    with torch.no_grad():
        maps: Mapping[str, Tensor] = attention(images)
    return {name: enlarge(received, images.shape[-2:]) for name, received in maps.items()}


def enlarge(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Resize (B, h, w) bilinearly to (B, H, W) and divide each map by its maximum."""
    large = F.interpolate(maps[:, None], tuple(size), mode="bilinear", align_corners=False)[:, 0]
    return large / large.amax(dim=(1, 2), keepdim=True).clamp(min=1e-12)


def overlay(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay a (H, W) heatmap in [0, 1] over a (C, H, W) image in [-1, 1]; returns (H, W, 3) uint8.

    The color map is matplotlib's inferno, which rises in brightness evenly for color-blind readers too.
    """
    from matplotlib import colormaps

    grey = np.broadcast_to(np.moveaxis((image + 1.0) / 2.0, 0, 2), (*heat.shape, 3))
    share = SHARE * heat[..., None]
    mixed = (1.0 - share) * grey + share * colormaps["inferno"](heat)[..., :3]
    return np.asarray(np.round(mixed.clip(0.0, 1.0) * 255.0), dtype=np.uint8)


def make_painter(network: nn.Module, folder: Path) -> Painter:
    """Return what writes ``NAME.gradcam.png``, and ``NAME.attention-BLOCK.png`` where the network has attention.

    Overlays show what the network was given: the image resized and padded.

    Args:
        network: as in `grad_cam`, on the CPU.
        folder: NAME is below it.
    """
    lock = threading.Lock()  # hooks belong to the network

    def paint(images: np.ndarray, names: Sequence[str]) -> None:
        batch = torch.from_numpy(images)
        with lock:
            maps = {"gradcam": grad_cam(network, batch)}
            maps |= {f"attention-{block}": found for block, found in attention_maps(network, batch).items()}
        for kind, heats in maps.items():
            for image, heat, name in zip(images, heats.numpy(), names, strict=True):
                write_bytes(folder / f"{name}.{kind}.png", _png(overlay(image, heat)))

    return paint


def _png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
