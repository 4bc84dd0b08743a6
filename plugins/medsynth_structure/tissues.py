"""Tissues recovered from ultrasound by a small classifier of pixels that has seen real images with masks only.

Letters: N images, H height, W width, K features, T tissue classes.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from medsynth.data.phantom.anatomy import Tissue

OTHER, CAVITY, JUNCTION, MYOMETRIUM = range(4)
CLASSES = {"cavity": CAVITY, "junction": JUNCTION, "myometrium": MYOMETRIUM}
"""What is recovered; the cavity holds endometrium and lesion, which look alike in ultrasound."""
SCALES = (1.0, 2.0, 4.0, 8.0)
"""Deviations of the filters in pixels of a 64-pixel image; they grow with the image."""
PIXELS = 15_000
"""Training pixels per class."""
TOGETHER = 16
"""Images whose features are computed together."""
HIDDEN, STEPS, BATCH, RATE = 32, 600, 1024, 3e-3


def classes_of(tissues: np.ndarray) -> np.ndarray:
    """Return the class of each pixel of tissue masks, same shape."""
    table = np.full(len(Tissue), OTHER)
    table[[Tissue.ENDOMETRIUM, Tissue.LESION]] = CAVITY
    table[Tissue.JUNCTION], table[Tissue.MYOMETRIUM] = JUNCTION, MYOMETRIUM
    found: np.ndarray = table[tissues]
    return found


def features(images: np.ndarray) -> np.ndarray:
    """Return (N, H, W, K) float32: brightness, and smoothed brightness, edges and blobs at several scales.

    Where a pixel lies in the image is not among them, so that nothing can be recovered that the image does not show.

    Args:
        images: (N, C, H, W) in [-1, 1]; channels are averaged.
    """
    gray = images.mean(axis=1)
    maps = [gray]
    for scale in SCALES:
        sigma = scale * gray.shape[-1] / 64.0

        # All images at once: their own time is short against that of a call.
        def derived(rows: int, columns: int, sigma: float = sigma) -> np.ndarray:
            found: np.ndarray = gaussian_filter(gray, sigma, order=(rows, columns), axes=(1, 2))
            return found

        maps.append(derived(0, 0))
        maps.append(sigma * np.sqrt(derived(1, 0) ** 2 + derived(0, 1) ** 2))
        maps.append(sigma**2 * (derived(2, 0) + derived(0, 2)))
    return np.stack(maps, axis=-1).astype(np.float32)


class TissueClassifier:
    """A network of two hidden layers that sees one pixel's `features` at a time.

    Args:
        images: (N, C, H, W) real ultrasound images of training patients.
        tissues: (N, H, W) their true masks.
        seed: of weights and of the pixels it is trained on; torch's own random numbers are left as they are.
    """

    def __init__(self, images: np.ndarray, tissues: np.ndarray, *, seed: int) -> None:
        parts = [features(images[start : start + TOGETHER]) for start in range(0, len(images), TOGETHER)]
        values, classes = np.concatenate(parts), classes_of(tissues).ravel()
        values = values.reshape(-1, values.shape[-1])
        self._center, self._spread = values.mean(axis=0), values.std(axis=0) + 1e-6
        rng = np.random.default_rng(seed)
        present = np.unique(classes)
        chosen = np.concatenate([rng.choice(np.flatnonzero(classes == one), PIXELS) for one in present])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._network = self._train(values[chosen], classes[chosen])
        counts = np.bincount(classes, minlength=len(CLASSES) + 1)
        # Classes were drawn equally often; adding the log of their shares gives the probabilities of real images.
        self._shares = torch.from_numpy(np.log(np.maximum(counts, 1) / counts.sum()).astype(np.float32))

    def recover(self, images: np.ndarray) -> np.ndarray:
        """Return the most probable class of each pixel, (N, H, W), of (N, C, H, W) images."""
        found = []
        with torch.no_grad():
            for start in range(0, len(images), TOGETHER):
                for values in features(images[start : start + TOGETHER]):
                    logits = self._network(self._scaled(values)) + self._shares
                    found.append(logits.argmax(dim=-1).numpy())
        return np.stack(found)

    def _train(self, values: np.ndarray, classes: np.ndarray) -> nn.Module:
        inputs, targets = self._scaled(values), torch.from_numpy(classes)
        network = nn.Sequential(
            nn.Linear(inputs.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(),
            nn.Linear(HIDDEN, len(CLASSES) + 1),
        )  # fmt: skip
        optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
        for _ in range(STEPS):
            rows = torch.randint(len(inputs), (BATCH,))
            loss = nn.functional.cross_entropy(network(inputs[rows]), targets[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return network

    def _scaled(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy((values - self._center) / self._spread)


def dice(recovered: np.ndarray, classes: np.ndarray, one: int) -> np.ndarray:
    """Return the overlap of one class with the truth per image, (N,) in [0, 1]; NaN where neither has it.

    Source: Dice 1945, twice the common area by the sum of both areas.
    """
    first, second = recovered == one, classes == one
    total = (first.sum(axis=(1, 2)) + second.sum(axis=(1, 2))).astype(np.float64)
    common = (first & second).sum(axis=(1, 2))
    overlap: np.ndarray = np.divide(2.0 * common, total, out=np.full(len(total), np.nan), where=total > 0)
    return overlap
