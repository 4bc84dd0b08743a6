"""The networks of MUNIT: content encoder, style encoder and styled decoder per domain.

Letters in shapes: B batch, C channels, H height, W width, S length of a style.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from medsynth.networks.encoders import ContentEncoder, StyledDecoder, StyleEncoder
from medsynth.networks.resnet import as_image, reflect_to_multiple


class MunitTranslator(nn.Module):
    """Take the content of an image of one domain, show it in a style of the other.

    (B, C, H, W) and optionally (B, S) styles -> (B, C, H, W), both in [-1, 1]. Without styles every image gets the
    prior's mean, 0, so that a translation depends on its image only. Any H and W: padded by reflection to multiples of
    2^levels, and cropped back.

    Args:
        channels: C.
        width: channels of the first layer.
        blocks: residual blocks of the encoder and of the decoder.
        style: S.
        hidden: width of the layers between a style and the decoder's norms.
        ends: odd side of the convolutions at full size.
        coordinates: tell the decoder where in the image it is.
        levels: times the content encoder halves the image.

    Attributes:
        arguments: the keyword arguments that rebuild the network.
        content: of the domain that is translated.
        look: style encoder of the domain that is translated to.
    """

    def __init__(
        self,
        channels: int,
        *,
        width: int = 64,
        blocks: int = 4,
        style: int = 8,
        hidden: int = 256,
        ends: int = 7,
        coordinates: bool = False,
        levels: int = 2,
    ) -> None:
        super().__init__()
        self.multiple = 2**levels
        sizes: dict[str, Any] = {"width": width, "blocks": blocks, "ends": ends, "levels": levels}
        styled: dict[str, Any] = {"style": style, "hidden": hidden, "coordinates": coordinates}
        self.content = ContentEncoder(channels, **sizes)
        self.look = StyleEncoder(channels, width=width, length=style, ends=ends)
        self.decoder = StyledDecoder(channels, **sizes, **styled)
        self.arguments: dict[str, Any] = {"channels": channels, **sizes, **styled}

    def forward(self, images: Tensor, styles: Tensor | None = None) -> Tensor:
        """Translate images."""
        if styles is None:
            styles = torch.zeros(len(images), self.arguments["style"], dtype=images.dtype, device=images.device)
        return self.decode(self.encode(images), styles, like=images)

    def encode(self, images: Tensor) -> Tensor:
        """Return the content of images of the domain that is translated, (B, k * width, H / k, W / k), k = 2^levels."""
        content: Tensor = self.content(reflect_to_multiple(images, self.multiple))
        return content

    def style_of(self, images: Tensor) -> Tensor:
        """Return the styles of images of the domain that is translated to, (B, S)."""
        styles: Tensor = self.look(reflect_to_multiple(images, self.multiple))
        return styles

    def decode(self, content: Tensor, styles: Tensor, *, like: Tensor) -> Tensor:
        """Turn content into images of the size and type of `like`."""
        return as_image(self.decoder(content, styles), like=like)
