"""Features of images for evaluators: in batches, and of each image once in a run, whoever asks for them."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from medsynth.api import Extractor


def extract(images: np.ndarray, extractor: Extractor, *, device: str = "cpu", batch_size: int = 8) -> np.ndarray:
    """Return the features of (N, C, H, W) images in [-1, 1], (N, D) float32."""
    blocks = [np.zeros((0, extractor.dimension), np.float32)]
    for start in range(0, len(images), batch_size):
        batch = torch.from_numpy(np.ascontiguousarray(images[start : start + batch_size]))
        blocks.append(extractor.features(batch.to(device)).cpu().numpy())
    return np.concatenate(blocks)


class RememberedFeatures:
    """An extractor that sends each image through another one once and keeps its features in memory.

    Evaluators ask for the features of the same images. Images are told apart by their pixels, so that it does not
    matter who asks, in which order and in which batches.
    """

    def __init__(self, extractor: Extractor) -> None:
        self._extractor = extractor
        self._known: dict[bytes, Tensor] = {}
        self.name, self.dimension = extractor.name, extractor.dimension

    def features(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) images in [-1, 1] to (B, dimension) float32 on the images' device."""
        keys = [_key(image) for image in images]
        unknown = {key: index for index, key in enumerate(keys) if key not in self._known}
        if unknown:
            computed = self._extractor.features(images[list(unknown.values())]).cpu()
            self._known |= dict(zip(unknown, computed, strict=True))
        found = [self._known[key] for key in keys]
        return torch.stack(found).to(images.device) if found else self._extractor.features(images)


def _key(image: Tensor) -> bytes:
    pixels = image.detach().cpu().contiguous().numpy()
    return hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16).digest()
