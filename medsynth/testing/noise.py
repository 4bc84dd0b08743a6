"""Noise in place of images, for tests of plugins. Letters in shapes: N number of images, C channels, H, W sides."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from medsynth.api import Evidence, ImageSet, Phase, Predictions, Subject
from medsynth.base.seeds import derive_seed


def noise(count: int, channels: int, size: int) -> Tensor:
    """Return always the same (count, channels, size, size) in [-1, 1]."""
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


class RandomBatches:
    """A loader of noise images; epoch and seed decide every value."""

    def __init__(self, phase: Phase, size: int, channels: int, steps: int = 2) -> None:
        self.phase, self.shape, self.steps = phase, (phase.batch_size, channels, size, size), steps
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for step in range(self.steps):
            draw = torch.Generator().manual_seed(derive_seed("noise", self.epoch, step))
            first, second = (torch.rand(self.shape, generator=draw) * 2 - 1 for _ in range(2))
            labels = torch.arange(self.shape[0]) % 2
            unpaired = self.phase.data == "unpaired"
            yield {"source": first, "target": second} if unpaired else {"image": first, "label": labels}


class MeanExtractor:
    """Features of an image: mean and deviation of its quarters."""

    name, dimension = "means", 8

    def features(self, images: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, 8)."""
        quarters = [half for part in images.float().chunk(2, 2) for half in part.chunk(2, 3)]
        return torch.stack([value for one in quarters for value in (one.mean((1, 2, 3)), one.std((1, 2, 3)))], 1)


def noise_evidence(*, count: int = 8, size: int = 32, channels: int = 1) -> Evidence:
    """Return evidence of noise images with known labels, and of predictions by chance; no networks."""
    images = noise(5 * count, channels, size).numpy().reshape(5, count, channels, size, size)

    def some(which: int) -> ImageSet:
        names = np.array([f"{which}-{index}" for index in range(count)], dtype=object)
        return ImageSet(images=images[which], labels=np.arange(count) % 2, patients=names, names=names)

    real, source, synthetic, truth, training = (some(which) for which in range(5))
    judged = Predictions(
        probabilities=np.linspace(0.1, 0.9, count), labels=real.labels, patients=real.patients, threshold=0.5
    )
    subjects = (Subject.SYNTHETIC, Subject.REAL_ONLY, Subject.UNTRANSLATED, Subject.ORACLE)
    return Evidence(
        real=real,
        source=source,
        synthetic=synthetic,
        truth=truth,
        training=training,
        predictions=dict.fromkeys(subjects, judged),
        networks={},
        extractor=lambda _: MeanExtractor(),
        seed=1,
    )
