"""Building blocks of mobile networks: convolution with norm and activation, inverted residual.

Sources: MobileNet-V2 (Sandler et al. 2018), whose blocks EfficientNet and MobileViT reuse with another activation.
Letters in shapes: B batch, C channels, H height, W width.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

Activation = type[nn.Module] | None
PLACES = 8
"""Smallest side of a network's last map that still tells where in the image something is."""
GIVEN_UP = (1, 4, 0, 3, 2)
"""The published halvings by number, those that are given up first in front; see `strides`."""


def halvings_for(size: int, published: int) -> int:
    """Return how often a network should halve images of `size` pixels: as published, or less often for small ones.

    Fewer halvings leave the last map `PLACES` places a side wherever the image has them; 320 pixels keep the five of
    the published networks, 64 pixels three of them.

    Examples:
        >>> [halvings_for(size, 5) for size in (32, 64, 128, 320)]
        [2, 3, 4, 5]
    """
    return max(1, min(published, (size // PLACES).bit_length() - 1))


def strides(published: int, halvings: int) -> tuple[int, ...]:
    """Return the stride of each place where a published network halves its maps, 1 where it no longer does.

    The halvings are given up in the order `GIVEN_UP`.

    Examples:
        >>> strides(5, 5), strides(5, 3)
        ((2, 2, 2, 2, 2), (2, 1, 2, 2, 1))
    """
    given_up = [place for place in GIVEN_UP if place < published][: published - halvings]
    return tuple(1 if place in given_up else 2 for place in range(published))


def round_channels(channels: float, *, divisor: int = 8) -> int:
    """Return the nearest multiple of `divisor`, at least `divisor`, and never below 90 % of `channels`.

    Examples:
        >>> [round_channels(32 * 0.45), round_channels(96 * 0.45), round_channels(1)]
        [16, 40, 8]
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


class ConvNormActivation(nn.Sequential):
    """Convolution without bias, batch norm, activation; keeps H and W at stride 1.

    Args:
        inputs: channels of the input, (B, inputs, H, W).
        outputs: channels of the output.
        kernel: side of the odd square kernel.
        stride: 2 halves H and W, rounding up.
        groups: `inputs` makes the convolution depthwise.
        activation: module type built with ``inplace=True``, or None for none.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        activation: Activation = nn.ReLU6,
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        if activation is not None:
            layers.append(activation(inplace=True))
        super().__init__(*layers)


class InvertedResidual(nn.Module):
    """Widen by a 1x1 convolution, filter each channel by a square one, narrow by a 1x1 one without activation.

    The input is added where stride is 1 and `inputs` equals `outputs`. The hidden width is round(inputs * expansion);
    at expansion 1 the widening convolution is left out.

    Args:
        inputs: channels of the input, (B, inputs, H, W).
        outputs: channels of the output.
        stride: of the depthwise convolution.
        expansion: hidden width relative to `inputs`.
        activation: of the first two convolutions.
        kernel: odd side of the depthwise convolution.
        inner: module between the depthwise and the narrowing convolution that keeps the shape, such as
            squeeze-excitation.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        stride: int,
        expansion: float,
        activation: Activation = nn.ReLU6,
        kernel: int = 3,
        inner: nn.Module | None = None,
    ) -> None:
        super().__init__()
        hidden = round(inputs * expansion)
        widen = [] if expansion == 1 else [ConvNormActivation(inputs, hidden, kernel=1, activation=activation)]
        self.layers = nn.Sequential(
            *widen,
            ConvNormActivation(hidden, hidden, kernel=kernel, stride=stride, groups=hidden, activation=activation),
            *([] if inner is None else [inner]),
            ConvNormActivation(hidden, outputs, kernel=1, activation=None),
        )
        self.skip = stride == 1 and inputs == outputs

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        result: Tensor = self.layers(features)
        return features + result if self.skip else result


def classification_head(inputs: int, classes: int, *, dropout: float, hidden: int = 0) -> nn.Sequential:
    """Return what maps (B, inputs) pooled features to (B, classes) logits, over a ReLU layer if `hidden` is not 0."""
    between = [nn.Linear(inputs, hidden), nn.ReLU()] if hidden else []
    return nn.Sequential(nn.Dropout(dropout), *between, nn.Linear(hidden or inputs, classes))


def initialize(network: nn.Module, *, linear_std: float) -> None:
    """Draw start weights: convolutions U(+-1 / sqrt(fan-in)), linear layers N(0, linear_std), biases 0.

    A batch norm follows the convolutions, so their scale changes nothing but how fast their direction turns under
    AdamW. The small scale of fan-in learns small data sets several times faster than the N(0, sqrt(2 / fan-out))
    of networks trained on millions of images. Norms keep their scale 1 and shift 0.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            bound = 1.0 / math.sqrt(math.prod(module.weight.shape[1:]))
            nn.init.uniform_(module.weight, -bound, bound)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=linear_std)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
