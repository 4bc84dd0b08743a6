"""Tables of images: what is known about each (`Record`) and their pixels (`Images`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from medsynth.api import ImageSet
from medsynth.data.formats.stacks import Place, Stacks


@dataclass(frozen=True)
class Record:
    """One row of a resolved manifest: one 2D image, or one slice or frame of a file.

    Args:
        image: path of the file or of the DICOM series folder, relative to the manifest's folder.
        domain: ``source`` or ``target``.
        label: 1 positive, 0 negative, None unknown.
        patient: all images of one value stay in one split.
        split: ``train``, ``val`` or ``test``.
        pair: `image` of the true counterpart in the other domain, or empty; for scoring only.
        slice: index along the third axis of a volume or of a multi-frame file, None for a 2D image.
        extra: the manifest's further columns.
    """

    image: str
    domain: str
    label: int | None
    patient: str
    split: str
    pair: str = ""
    slice: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Unique within a data set: the image path, with the slice index where there is one."""
        return self.image if self.slice is None else f"{self.image}#{self.slice}"


@dataclass(frozen=True)
class Images:
    """Records with their pixels, read lazily from a memory-mapped cache.

    Args:
        records: one per image.
        pixels: (M, C, H, W) float32 in [-1, 1], usually a memory map shared by all selections; with neighbors stacks
            of slices, (M, C (2n + 1), H, W).
        rows: for each record its row in `pixels`.
        neighbors: n, on either side.
        places: for each record where it lies in its volume; empty without neighbors.
    """

    records: tuple[Record, ...]
    pixels: np.ndarray
    rows: np.ndarray
    neighbors: int = 0
    places: tuple[Place | None, ...] = ()

    def __len__(self) -> int:
        return len(self.records)

    def where(self, keep: Callable[[Record], bool]) -> Images:
        """Return the images whose record satisfies `keep`, in the same order."""
        chosen = [index for index, record in enumerate(self.records) if keep(record)]
        return self.take(chosen)

    def select(self, *, domain: str | None = None, split: str | None = None, labeled: bool = False) -> Images:
        """Return the images of one domain, of one split, or those with a label."""
        return self.where(
            lambda record: (
                (domain is None or record.domain == domain)
                and (split is None or record.split == split)
                and not (labeled and record.label is None)
            )
        )

    def take(self, indices: Sequence[int] | np.ndarray) -> Images:
        """Return the images at `indices`, in that order."""
        return replace(
            self,
            records=tuple(self.records[i] for i in indices),
            rows=self.rows[np.asarray(indices, dtype=int)],
            places=tuple(self.places[i] for i in indices) if self.places else (),
        )

    def spread(self, most: int) -> Images:
        """Return at most `most` of the images, evenly spread over all of them."""
        return self.take(np.unique(np.linspace(0, len(self) - 1, min(most, len(self))).round().astype(int)))

    def read(self, index: int) -> np.ndarray:
        """Return a copy of one image, (C, H, W) float32, without its neighbors."""
        return np.array(Stacks(self.neighbors).part(self.pixels[self.rows[index]], self.neighbors))

    def stack(self, index: int) -> np.ndarray:
        """Return a copy of one image with its neighbors, (C (2n + 1), H, W) float32."""
        return np.array(self.pixels[self.rows[index]])

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W) of an image without its neighbors."""
        return (self.pixels.shape[1] // (2 * self.neighbors + 1), *self.pixels.shape[2:])

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64, -1 where unknown."""
        return np.array([-1 if r.label is None else r.label for r in self.records], dtype=np.int64)

    @property
    def patients(self) -> np.ndarray:
        """(N,) str."""
        return np.array([record.patient for record in self.records], dtype=object)

    def as_set(self) -> ImageSet:
        """Read everything into memory for evaluators."""
        images = np.zeros((0, *self.shape), np.float32)
        if len(self):
            images = np.stack([self.read(index) for index in range(len(self))])
        names = np.array([record.name for record in self.records], dtype=object)
        return ImageSet(images=images, labels=self.labels, patients=self.patients, names=names)
