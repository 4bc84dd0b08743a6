"""Weight initialization of adversarial networks."""

from __future__ import annotations

from torch import nn

_WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def initialize_xavier(network: nn.Module, *, gain: float = 0.02) -> None:
    """Draw weights from N(0, gain^2 * 2 / (fan-in + fan-out)); set biases to 0. In place.

    Uses torch's global generator: seed it before.

    Source: Glorot & Bengio 2010, equation 16 with a normal distribution; gain 0.02 is used by CUT and DCLGAN.
    """
    for module in network.modules():
        if isinstance(module, _WEIGHTED):
            nn.init.xavier_normal_(module.weight, gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def initialize_kaiming(network: nn.Module) -> None:
    """Draw weights from N(0, 2 / fan-in); set biases of these layers to 0. In place.

    Uses torch's global generator: seed it before.

    Source: He et al. 2015, equation 10; used by UNIT and MUNIT for everything but discriminators.
    """
    for module in network.modules():
        if isinstance(module, _WEIGHTED):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def initialize_normal(network: nn.Module, *, deviation: float = 0.02) -> None:
    """Draw weights from N(0, deviation), scales of batch norms from N(1, deviation); set biases to 0. In place.

    Uses torch's global generator: seed it before.

    Source: Radford et al. 2015 (DCGAN), section 3; used by CycleGAN.
    """
    for module in network.modules():
        if isinstance(module, _WEIGHTED):
            nn.init.normal_(module.weight, 0.0, deviation)
        elif isinstance(module, _BATCH_NORMS) and module.affine:
            nn.init.normal_(module.weight, 1.0, deviation)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
