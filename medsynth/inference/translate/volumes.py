"""Slices of images and volumes through a network that translates, in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

import torch
from torch import Tensor

from medsynth.data.formats.stacks import Stacks
from medsynth.inference.inputs.fitting import Fitting

Judge = Callable[[Sequence[tuple[int, int]], Tensor, Tensor], None]


def translate_volumes(
    volumes: Sequence[Tensor],
    aspects: Sequence[Sequence[float]],
    fitting: Fitting,
    translate: Callable[[Tensor], Tensor],
    *,
    stacks: Stacks,
    batch: int,
    before: Callable[[int], None] = lambda _: None,
    judge: Judge = lambda *_: None,
) -> list[list[Tensor]]:
    """Translate volumes slice by slice, each with its neighbors where the network takes them.

    Args:
        volumes: each (C, columns, rows, slices) in [-1, 1].
        aspects: of each, slice by slice: how many times as high as wide its pixels are.
        fitting: to the network and back.
        translate: the network, (B, C (2n + 1), H, W) to the same shape.
        stacks: the neighbors, and whether overlapping stacks are averaged.
        batch: slices in one step.
        before: called before each step with the number of slices that were translated since the last call.
        judge: called after each with what went in and what came out, and of which volumes and slices.

    Returns:
        For each volume its slices, (C, rows, columns).
    """
    sums: list[dict[int, tuple[Tensor, int]]] = [{} for _ in volumes]
    queue = [(i, k) for i, volume in enumerate(volumes) for k in range(volume.shape[3])]
    done = 0
    for start in range(0, len(queue), batch):
        before(done)
        chunk = queue[start : start + batch]
        fitted = [(i, k, fitting.forward(stacks.of(volumes[i], k), aspects[i][k])) for i, k in chunk]
        for _, same in groupby(fitted, key=lambda entry: entry[2].shape):
            numbers, indices, images = zip(*same, strict=True)
            batched = torch.stack(images)
            translated = translate(batched)
            judge(list(zip(numbers, indices, strict=True)), batched, translated)
            for i, k, image in zip(numbers, indices, translated, strict=True):
                for index, part in stacks.shares(k, volumes[i].shape[3]):
                    own, (sum_, count) = stacks.part(image, part), sums[i].get(index, (None, 0))
                    sums[i][index] = (own.clone() if sum_ is None else sum_ + own), count + 1
        done = len(chunk)
    before(done)
    return [
        [_fitted_back(fitting, found[k], volume, aspect) for k, aspect in enumerate(of_volume)]
        for found, volume, of_volume in zip(sums, volumes, aspects, strict=True)
    ]


def _fitted_back(fitting: Fitting, found: tuple[Tensor, int], volume: Tensor, aspect: float) -> Tensor:
    total, count = found
    columns, rows = volume.shape[1:3]
    return fitting.back(total / count if count > 1 else total, (columns, rows), aspect).clone()
