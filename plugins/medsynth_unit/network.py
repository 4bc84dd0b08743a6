"""The networks of UNIT: an encoder and a decoder per domain; a translator is one of each.

Letters in shapes: B batch, C channels, H height, W width.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from medsynth.networks.encoders import ContentEncoder, Decoder
from medsynth.networks.resnet import as_image, reflect_to_multiple


class UnitTranslator(nn.Module):
    """Encode an image of one domain, decode it as one of the other: (B, C, H, W) -> (B, C, H, W), both in [-1, 1].

    The latent is the encoder's output, the mean of its distribution: no noise is added here, so that a translation
    depends on its image only. Any H and W: padded by reflection to multiples of 2^levels, and cropped back.

    Args:
        channels: C.
        width: channels of the first layer.
        blocks: residual blocks of the encoder and of the decoder.
        ends: odd side of the convolutions at full size.
        coordinates: tell the decoder where in the image it is.
        levels: times the encoder halves the image.
        encoder, decoder: to share with other translators; new ones by default.

    Attributes:
        arguments: the keyword arguments that rebuild the network.
    """

    def __init__(
        self,
        channels: int,
        *,
        width: int = 64,
        blocks: int = 4,
        ends: int = 7,
        coordinates: bool = False,
        levels: int = 2,
        encoder: ContentEncoder | None = None,
        decoder: Decoder | None = None,
    ) -> None:
        super().__init__()
        self.multiple = 2**levels
        sizes = {"width": width, "blocks": blocks, "ends": ends, "levels": levels}
        self.encoder = encoder or ContentEncoder(channels, **sizes)
        self.decoder = decoder or Decoder(channels, coordinates=coordinates, **sizes)
        self.arguments: dict[str, Any] = {"channels": channels, "coordinates": coordinates, **sizes}

    def forward(self, images: Tensor) -> Tensor:
        """Translate images."""
        return self.decode(self.encode(images), like=images)

    def encode(self, images: Tensor) -> Tensor:
        """Return the latents' means, (B, k * width, H / k, W / k) with k = 2^levels."""
        latents: Tensor = self.encoder(reflect_to_multiple(images, self.multiple))
        return latents

    def decode(self, latents: Tensor, *, like: Tensor) -> Tensor:
        """Turn latents into images of the size and type of `like`."""
        return as_image(self.decoder(latents), like=like)
