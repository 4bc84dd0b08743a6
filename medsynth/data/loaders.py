"""Batches for training. What a batch holds depends on (seed, epoch, position) only, never on workers or history."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from medsynth.base.children import end_worker_with_parent
from medsynth.base.errors import InputError
from medsynth.data.augment import LABELLED_DRAWS, UNPAIRED_DRAWS, flip_affine_gain_gamma, flip_and_crop

if TYPE_CHECKING:
    from medsynth.data.images import Images

Batch = dict[str, Tensor]


class _Batches(Dataset[Batch]):
    """The batches of one epoch by number, so that worker processes can load them in any order."""

    def __init__(self, build: Callable[[int], Batch], steps: int) -> None:
        self._build = build
        self._steps = steps

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> Batch:
        return self._build(step)


class _Loader(ABC):
    """Iterates over the batches of one epoch."""

    def __init__(self, *, steps: int, seed: int, workers: int, pinned: bool) -> None:
        self._steps = steps
        self._seed = seed
        self._workers = workers
        self._pinned = pinned
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration shows; the same epoch shows the same batches."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[Batch]:
        batches = _Batches(self._prepare(self.epoch), self._steps)
        loader: DataLoader[Any] = DataLoader(
            batches,
            batch_size=None,
            num_workers=self._workers,
            pin_memory=self._pinned,
            worker_init_fn=end_worker_with_parent,
            # DataLoader draws a base seed from the global generator otherwise
            generator=torch.Generator().manual_seed(self._seed),
        )
        yield from loader

    @abstractmethod
    def _prepare(self, epoch: int) -> Callable[[int], Batch]:
        """Return what makes the batch with a number of the epoch."""


class UnpairedLoader(_Loader):
    """Source and target images with partners drawn anew every epoch.

    Each domain is walked in whole permutations, repeated as often as the epoch needs, so that within an epoch no image
    comes twice before all others came once. Yields ``{"source", "target"}``, each (B, C, H, W) float32 in [-1, 1];
    C counts the channels of neighbors, too.

    Args:
        source: training images of the source.
        target: training images of the target.
        batch_size: images per domain.
        steps: batches per epoch; 0 = once through the larger domain.
        seed: of permutations and augmentation.
        augment: random horizontal flip and crop, independently for both domains.
        pinned: into page-locked memory, from which a GPU copies while it computes.
        workers: processes; 0 = none.
        share: (r, n): of every batch yield the images r, r + n, r + 2n, ... only.

    Raises:
        InputError: if a domain has no images.
    """

    def __init__(
        self,
        source: Images,
        target: Images,
        *,
        batch_size: int,
        steps: int,
        seed: int,
        augment: bool,
        pinned: bool,
        workers: int = 0,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        for name, images in (("source", source), ("target", target)):
            if not len(images):
                raise InputError(f"there are no {name} images to train on")
        steps = steps or max(1, max(len(source), len(target)) // batch_size)
        super().__init__(steps=steps, seed=seed, workers=workers, pinned=pinned)
        self._domains: Mapping[str, Images] = {"source": source, "target": target}
        self._batch_size = batch_size
        self._augment = augment
        self._first, self._stride = share

    def _prepare(self, epoch: int) -> Callable[[int], Batch]:
        size, count = self._batch_size, self._steps * self._batch_size
        order, draws = {}, {}
        for number, (name, images) in enumerate(self._domains.items()):
            order[name] = _walk(np.arange(len(images)), count, np.random.default_rng([self._seed, epoch, number, 0]))
            draws[name] = np.random.default_rng([self._seed, epoch, number, 1]).random((count, UNPAIRED_DRAWS))

        def build(step: int) -> Batch:
            part = slice(step * size + self._first, (step + 1) * size, self._stride)
            batch = {}
            for name, images in self._domains.items():
                batch[name] = torch.from_numpy(np.stack([images.stack(i) for i in order[name][part]]))
                if self._augment:
                    batch[name] = flip_and_crop(batch[name], draws[name][part])
            return batch

        return build


class LabelledLoader(_Loader):
    """Labelled images for a classifier. Yields ``{"image": (B, C, H, W) float32, "label": (B,) int64}``.

    Args:
        images: sets of images, real ones first, then synthetic ones.
        batch_size: images in a batch.
        steps: batches per epoch; 0 = as many as go once through all images.
        seed: of order and augmentation.
        balance: draw both classes equally often (within one image per epoch).
        real_share: of the images drawn, of each class under `balance`, that are of the first set; 0 = all sets' images
            are drawn alike. Without effect on a class that only one side has.
        augment: strength of the affine, gain and gamma changes beside random flips; 0 = none of all.
        pinned: into page-locked memory, from which a GPU copies while it computes.
        workers: processes; 0 = none.

    Raises:
        InputError: if there are no images, an image has no label, or a class is absent under `balance`.
    """

    def __init__(
        self,
        images: Sequence[Images],
        *,
        batch_size: int,
        steps: int,
        seed: int,
        balance: bool,
        augment: float,
        pinned: bool,
        real_share: float = 0.0,
        workers: int = 0,
    ) -> None:
        self._images = [(group, row) for group in images for row in range(len(group))]
        self._labels = np.concatenate([group.labels for group in images]) if images else np.zeros(0, np.int64)
        _check_labels(self._images, self._labels, balance)
        steps = steps or max(1, len(self._images) // batch_size)
        super().__init__(steps=steps, seed=seed, workers=workers, pinned=pinned)
        self._batch_size = batch_size
        self._balance = balance
        self._real, self._real_share = len(images[0]), real_share
        self._augment = augment

    def _order(self, epoch: int, count: int) -> np.ndarray:
        rng = np.random.default_rng([self._seed, epoch, 0])
        if not self._balance:
            return self._draw(np.arange(len(self._labels)), count, rng)
        order = np.empty(count, dtype=np.int64)
        for label in (0, 1):
            # classes take turns, so that every batch is balanced too; an odd one goes to each class in turn
            places = np.arange((label + epoch) % 2, count, 2)
            order[places] = self._draw(np.flatnonzero(self._labels == label), len(places), rng)
        return order

    def _draw(self, items: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        real, added = items[items < self._real], items[items >= self._real]
        if not (self._real_share and len(real) and len(added)):
            return _walk(items, count, rng)
        due = np.floor(np.arange(count + 1) * self._real_share + 1e-9)  # real images at even distances
        turns = np.diff(due) > 0
        drawn = np.empty(count, dtype=np.int64)
        for turn, side in ((turns, real), (~turns, added)):
            drawn[turn] = _walk(side, int(turn.sum()), rng)
        return drawn

    def _prepare(self, epoch: int) -> Callable[[int], Batch]:
        size, count = self._batch_size, self._steps * self._batch_size
        order = self._order(epoch, count)
        draws = np.random.default_rng([self._seed, epoch, 1]).random((count, LABELLED_DRAWS))

        def build(step: int) -> Batch:
            part = slice(step * size, (step + 1) * size)
            chosen = [self._images[i] for i in order[part]]
            images = torch.from_numpy(np.stack([group.read(row) for group, row in chosen]))
            if self._augment:
                images = flip_affine_gain_gamma(images, draws[part], strength=self._augment)
            return {"image": images, "label": torch.from_numpy(self._labels[order[part]])}

        return build


def _walk(items: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return `count` of `items`: whole fresh permutations one after the other, the last one cut."""
    rounds = -(-count // len(items))
    return np.concatenate([rng.permutation(items) for _ in range(rounds)] or [items[:0]])[:count]


def _check_labels(images: Sequence[tuple[Images, int]], labels: np.ndarray, balance: bool) -> None:
    if not len(labels):
        raise InputError("there are no labelled images to train on")
    unknown = np.flatnonzero(labels < 0)
    if len(unknown):
        group, row = images[unknown[0]]
        name = group.records[row].name
        raise InputError(f"{len(unknown)} images have no label, first {name}", hint="leave them out or label them")
    if balance and len(set(labels.tolist())) < 2:
        raise InputError(f"all {len(labels)} training images have label {labels[0]}; both classes are needed")
