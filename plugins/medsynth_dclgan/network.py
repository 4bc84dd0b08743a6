"""The generator of DCLGAN: a residual translation network whose inner features can be tapped.

Letters in shapes: B batch, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from medsynth.networks.blocks import Coordinates, ResidualBlock
from medsynth.networks.resnet import ResnetGenerator, as_image, reflect_to_multiple
from medsynth.networks.sampling import Upsampling

TAPS = ("down_1", "down_2", "block_1", "block_5")


def tap_names(blocks: int, levels: int = 2) -> list[str]:
    """Return the names of the layers that can be tapped, in order.

    ``down_1``, ``down_2`` and so on are the convolutions that halve the size, before their norms; ``block_1``,
    ``block_2`` and so on are the residual blocks.
    """
    return [f"down_{level + 1}" for level in range(levels)] + [f"block_{block + 1}" for block in range(blocks)]


def tap_places(layers: nn.Sequential, levels: int = 2) -> dict[str, int]:
    """Return where in the flat layer list of a `ResnetGenerator` each layer of `tap_names` is."""
    convolutions = [place for place, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)]
    blocks = [place for place, layer in enumerate(layers) if isinstance(layer, ResidualBlock)]
    # The first convolution keeps the size.
    return dict(zip(tap_names(len(blocks), levels), convolutions[1 : 1 + levels] + blocks, strict=True))


class TappedEncoder(nn.Module):
    """Run the first layers of a generator and return what the tapped ones give, the deepest last.

    (B, C, H, W) in [-1, 1] -> one (B, C', H', W') per tap.

    Args:
        layers: ending with the deepest tap.
        places: of the taps among the layers, rising.
        multiple: of which sizes have to be; others are padded by reflection.

    Attributes:
        widths: channels C' of each tap.
    """

    def __init__(self, layers: Sequence[nn.Module], places: Sequence[int], *, multiple: int) -> None:
        super().__init__()
        self.multiple = multiple
        self.layers = nn.Sequential(*layers)
        self.places = tuple(places)
        self.widths = tuple(_outputs(layers[: place + 1]) for place in places)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the features of all taps."""
        features, tapped = reflect_to_multiple(images, self.multiple), []
        for place, layer in enumerate(self.layers):
            features = layer(features)
            if place in self.places:
                tapped.append(features)
        return tuple(tapped)


def _outputs(layers: Sequence[nn.Module]) -> int:
    """Return the channels that the last convolution among these layers gives."""
    modules = [module for layer in layers for module in layer.modules()]
    return [module.out_channels for module in modules if isinstance(module, nn.Conv2d)][-1]


class DclGanGenerator(nn.Module):
    """Translate (B, inputs, H, W) images in [-1, 1] to (B, outputs, H, W) in [-1, 1]; see `ResnetGenerator`.

    The network is cut behind its deepest tap: the encoder's features are what the contrastive terms compare.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        width: channels after the first convolution.
        blocks: residual blocks.
        mode: how to halve and double the size; the published form is ``antialiased``.
        dropout: inside the residual blocks.
        taps: names of the tapped layers, see `tap_names`.
        ends: odd side of the convolutions at full size.
        coordinates: tell the decoder, not the encoder whose features are compared, where in the image it is.
        levels: times it halves the image.

    Attributes:
        arguments: the keyword arguments that rebuild the network.

    Raises:
        KeyError: for a tap that the network does not have.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        width: int = 64,
        blocks: int = 9,
        mode: Upsampling = "antialiased",
        dropout: float = 0.0,
        taps: Sequence[str] = TAPS,
        ends: int = 7,
        coordinates: bool = False,
        levels: int = 2,
    ) -> None:
        super().__init__()
        whole = ResnetGenerator(
            inputs, outputs, width=width, blocks=blocks, mode=mode, dropout=dropout, ends=ends, levels=levels
        )
        known = tap_places(whole.layers, levels)
        places = sorted({known[name] for name in taps})
        layers = list(whole.layers)
        self.encoder = TappedEncoder(layers[: places[-1] + 1], places, multiple=whole.multiple)
        place = [Coordinates(self.encoder.widths[-1])] if coordinates else []
        self.decoder = nn.Sequential(*place, *layers[places[-1] + 1 :])
        given = {name: value for name, value in whole.arguments.items() if name != "skips"}
        self.arguments: dict[str, Any] = {**given, "coordinates": coordinates, "taps": list(taps)}

    def forward(self, images: Tensor) -> Tensor:
        """Translate images."""
        return self.decode(self.encoder(images)[-1], like=images)

    def decode(self, features: Tensor, *, like: Tensor) -> Tensor:
        """Turn the deepest features into images of the size and type of `like`."""
        return as_image(self.decoder(features), like=like)
