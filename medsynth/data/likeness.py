"""Perceptual hashes: images that look alike although their files differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.fft import dctn

if TYPE_CHECKING:
    from medsynth.data.images import Images, Record

NEAR = 2
"""Images whose 64-bit hashes differ in at most so many bits count as near-duplicates."""

_BITS = np.array([k.bit_count() for k in range(256)], dtype=np.uint8)


def perceptual_hash(image: np.ndarray) -> int:
    """Return the 64-bit DCT hash of an image: signs of its 8 x 8 lowest frequencies against their median.

    Args:
        image: (H, W), any range; scaled to 32 x 32 by averaging.

    Source: Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010, section 3.2.1.
    """
    low = dctn(shrink(image), norm="ortho")[:8, :8].ravel()
    # the mean brightness says nothing about content
    bits = low > np.median(low[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def perceptual_hashes(images: Images) -> np.ndarray:
    """Return the hashes of the first channels of images, (N,) uint64."""
    return np.array([perceptual_hash(images.read(index)[0]) for index in range(len(images))], dtype=np.uint64)


def near_pairs(hashes: np.ndarray, groups: np.ndarray, *, near: int = NEAR) -> list[tuple[int, int, int]]:
    """Return (i, j, differing bits) of near-duplicates that lie in different groups, i < j.

    Args:
        hashes: (N,) uint64.
        groups: (N,) group of each image, e.g. its split.
        near: largest number of differing bits.
    """
    pairs = []
    for i in range(len(hashes) - 1):
        bits = _BITS[(hashes[i + 1 :] ^ hashes[i]).view(np.uint8).reshape(-1, 8)].sum(axis=1)
        close = np.flatnonzero((bits <= near) & (groups[i + 1 :] != groups[i]))
        pairs += [(i, i + 1 + int(j), int(bits[j])) for j in close]
    return pairs


def look_alikes(images: Images) -> list[tuple[Record, Record, int]]:
    """Return near-duplicates of the same domain in different splits, with the number of differing bits."""
    found = []
    for domain in ("source", "target"):
        own = images.select(domain=domain)
        splits = np.array([record.split for record in own.records])
        found += [(own.records[i], own.records[j], bits) for i, j, bits in near_pairs(perceptual_hashes(own), splits)]
    return found


def described(pair: tuple[Record, Record, int]) -> str:
    """Say which images look alike and how much."""
    one, other, bits = pair
    return f"{one.name} ({one.split}) and {other.name} ({other.split}), {bits} of 64 bits differ"


def shrink(image: np.ndarray) -> np.ndarray:
    """Average an image, (H, W), over a 32 x 32 grid; smaller images are repeated first."""
    for axis in (0, 1):
        size = image.shape[axis]
        if size < 32:
            image = np.repeat(image, -(-32 // size), axis=axis)
        edges = np.linspace(0, image.shape[axis], 33).round().astype(int)
        counts = np.diff(edges).reshape([-1 if a == axis else 1 for a in (0, 1)])
        image = np.add.reduceat(image.astype(np.float64), edges[:-1], axis=axis) / counts
    return image
