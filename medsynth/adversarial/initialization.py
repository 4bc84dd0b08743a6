"""Weight initialization of adversarial networks, in place. Draws from torch's global generator: seed it before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)
_WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def initialize_xavier(network: Network, *, gain: float = 0.02) -> Network:
    """Draw weights from N(0, gain^2 * 2 / (fan-in + fan-out)), set biases to 0, return the network.

    Source: Glorot & Bengio 2010, equation 16 with a normal distribution; gain 0.02 is used by CUT and DCLGAN.
    """
    return _initialized(network, lambda weight: nn.init.xavier_normal_(weight, gain))


def initialize_kaiming(network: Network) -> Network:
    """Draw weights from N(0, 2 / fan-in), set biases of these layers to 0, return the network.

    Source: He et al. 2015, equation 10; used by UNIT and MUNIT for everything but discriminators.
    """
    return _initialized(network, lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"))


def initialize_normal(network: Network, *, deviation: float = 0.02) -> Network:
    """Draw weights from N(0, deviation), scales of batch norms from N(1, deviation), set biases to 0, return it.

    Source: Radford et al. 2015 (DCGAN), section 3; used by CycleGAN.
    """
    return _initialized(
        network,
        lambda weight: nn.init.normal_(weight, 0.0, deviation),
        lambda scale: nn.init.normal_(scale, 1.0, deviation),
    )


def _initialized(
    network: Network, draw: Callable[[Tensor], object], draw_scale: Callable[[Tensor], object] | None = None
) -> Network:
    for module in network.modules():
        if isinstance(module, _WEIGHTED):
            draw(module.weight)
        elif draw_scale is not None and isinstance(module, _BATCH_NORMS) and module.affine:
            draw_scale(module.weight)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    return network
