"""Networks of SG-CycleGAN: shared extractor, branches, domain classifier behind gradient reversal, translator.

Letters in shapes: B batch, C channels, F feature channels, H height, W width, R regions, P = H * W positions.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from medsynth.networks.patchgan import patch_layers
from medsynth.networks.resnet import EncoderDecoder
from medsynth.networks.sampling import Upsampling

REGIONS = 8
BOTTLENECK = 64


class RegionConvolution(nn.Module):
    """Apply to every position one of eight 1x1 convolutions whose kernels are made from the image itself.

    (B, C, H, W) -> same shape. A guide scores the regions at every position; the best region's kernel is applied. As
    choosing has no gradient, the backward pass puts the softmax of the scores in the choice's place. That gradient
    needs all eight results at every position, so all are computed.

    Source: Chen et al. 2021 (DRConv), section 3, with kernels from a bottleneck of 64 channels.

    Args:
        channels: of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.kernels = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, BOTTLENECK, 1),
            nn.Sigmoid(),
            nn.Conv2d(BOTTLENECK, REGIONS * channels * channels, 1, groups=REGIONS),
        )
        self.guide = nn.Conv2d(channels, REGIONS, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        batch, channels, height, width = features.shape
        kernels = self.kernels(features).view(batch, REGIONS * channels, channels)
        results = (kernels @ features.flatten(2)).view(batch, REGIONS, channels, height, width)
        scores = self.guide(features).float().softmax(1)
        chosen = torch.zeros_like(scores).scatter_(1, scores.argmax(1, keepdim=True), 1.0)
        choice = chosen + scores - scores.detach()  # the choice's value, the softmax's gradient
        selected: Tensor = (results * choice.to(results.dtype).unsqueeze(2)).sum(1)
        return selected


class _Reversal(torch.autograd.Function):
    """Identity forward, -strength times the gradient backward."""

    @staticmethod
    def forward(context: Any, features: Tensor, strength: float) -> Tensor:
        context.strength = strength
        return features.view_as(features)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -context.strength * gradients[0], None


def reverse_gradient(features: Tensor, strength: float) -> Tensor:
    """Return `features` unchanged; gradients that come back are multiplied by -`strength`.

    Source: Ganin & Lempitsky 2015, section 3.1.

    Args:
        features: any shape.
        strength: lambda, at least 0; a plain number.
    """
    reversed_features: Tensor = _Reversal.apply(features, strength)  # type: ignore[no-untyped-call]
    return reversed_features


def reversal_strength(progress: float, *, rate: float) -> float:
    """Return lambda = 2 / (1 + exp(-rate * progress)) - 1: 0 at the start, rising towards 1.

    Source: Ganin & Lempitsky 2015, section 3.1 (rate 10 there).

    Args:
        progress: share of training that lies behind, in [0, 1].
        rate: gamma, at least 0.

    Examples:
        >>> [round(reversal_strength(p, rate=5.0), 3) for p in (0.0, 0.1, 0.5, 1.0)]
        [0.0, 0.245, 0.848, 0.987]
    """
    return 2.0 / (1.0 + math.exp(-rate * progress)) - 1.0


class DomainClassifier(nn.Module):
    """Tell from features (B, F, H, W), H and W at least 32, whether they come from a target image: (B,) logits.

    Args:
        features: channels F.
        width: channels of the first layer.
    """

    def __init__(self, features: int, *, width: int = 64) -> None:
        super().__init__()
        layers, channels = patch_layers(features, width=width, levels=3, narrowing=True)
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Return logits, positive = target."""
        logits: Tensor = self.layers(features).squeeze(1)
        return logits


def stretched(images: Tensor) -> Tensor:
    """Map each image's 1st percentile to -1 and its 99th to 1, linearly, and clip; (B, C, H, W) -> same."""
    flat = images.flatten(1).float()
    low, high = torch.quantile(flat, torch.tensor([0.01, 0.99], device=images.device), dim=1, keepdim=True)
    scaled = (flat - low) / (high - low).clamp_min(1e-6) * 2 - 1
    result: Tensor = scaled.clamp(-1, 1).view_as(images).to(images.dtype)
    return result


class Translator(nn.Module):
    """Translate one way: shared modality-agnostic feature extractor (MAFE), then one direction's branch.

    (B, channels, H, W) in [-1, 1] -> same. Extractor and branch are encoder-decoders at full resolution; the features
    between them are F maps in [-1, 1] of the image's size.

    Args:
        channels: of the images.
        width: channels after the first layer of each part.
        features: F.
        extractor_levels: times the extractor halves the size.
        branch_levels: times the branch halves the size.
        blocks: residual blocks of the branch.
        dilation: of the residual blocks' convolutions.
        mode: ``transposed``, ``nearest`` or ``bilinear``.
        kernel: side of the sampling convolutions.
        region_convolution: put a `RegionConvolution` in front of the residual blocks.
        stretch: end with `stretched`.
        ends: odd side of the convolutions at full size.
        normalized: normalize the features, so that they cannot vanish.
        coordinates: tell the branch, not the extractor, where in the image it is.
        skips: lead the branch's features around its smaller ones, see `EncoderDecoder`.
        extractor: share this one instead of building an own; not among `arguments`.

    Attributes:
        arguments: the keyword arguments that rebuild the network with an extractor of its own.
    """

    def __init__(
        self,
        channels: int,
        *,
        width: int = 64,
        features: int = 32,
        extractor_levels: int = 2,
        branch_levels: int = 2,
        blocks: int = 7,
        dilation: int = 1,
        mode: Upsampling = "nearest",
        kernel: int = 3,
        region_convolution: bool = False,
        stretch: bool = False,
        ends: int = 7,
        normalized: bool = False,
        coordinates: bool = False,
        skips: bool = False,
        extractor: nn.Module | None = None,
    ) -> None:
        super().__init__()
        sizes = {"channels": channels, "width": width, "features": features}
        depths = {"extractor_levels": extractor_levels, "branch_levels": branch_levels, "blocks": blocks}
        sampling: dict[str, Any] = {"mode": mode, "kernel": kernel, "ends": ends}
        special = {"dilation": dilation, "region_convolution": region_convolution, "stretch": stretch}
        knowing = {"coordinates": coordinates, "skips": skips}
        self.arguments: dict[str, Any] = {
            **sizes,
            **depths,
            **sampling,
            **special,
            **knowing,
            "normalized": normalized,
        }
        self.stretch = stretch
        if extractor is None:
            levels: dict[str, Any] = {"levels": extractor_levels, "blocks": 0}
            extractor = EncoderDecoder(channels, features, width=width, normalized=normalized, **levels, **sampling)
        self.extractor = extractor
        middle = RegionConvolution(width * 2**branch_levels) if region_convolution else None
        inside: dict[str, Any] = {"blocks": blocks, "dilation": dilation, "middle": middle, **knowing}
        self.branch = EncoderDecoder(features, channels, width=width, levels=branch_levels, **inside, **sampling)

    def forward(self, images: Tensor) -> Tensor:
        """Translate images."""
        translated: Tensor = self.branch(self.extractor(images))
        return stretched(translated) if self.stretch else translated
