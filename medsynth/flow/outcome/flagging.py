"""What a bundle's translations are judged by: what is usual of those of training and validation images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from medsynth.api import Evidence, Generator, exported, returning
from medsynth.data.formats.stacks import Stacks
from medsynth.data.images import Images
from medsynth.data.preparing import Data
from medsynth.flow.folder.runs import Run
from medsynth.flow.stages.building import policy_of
from medsynth.inference.flags.measuring import place_maps
from medsynth.statistics.features import extract
from medsynth.statistics.flags.departures import Usual
from medsynth.statistics.flags.directions import Directions
from medsynth.statistics.flags.reference import FEATURES, LEAST, REAL, Distribution, Reference

MOST = 512
"""Images of a kind that are looked at."""
_BATCH = 16


def flag_reference(run: Run, data: Data, generator: Generator, evidence: Evidence) -> Reference | None:
    """Measure what is usual: maps and features on images that training used, the numbers on validation images.

    Features are those of the extractor that the run's evaluators use; without one there is no distance.

    Returns:
        None where too few images of a kind are there.
    """
    training, validation = (data.images.select(domain="source", split=split).spread(MOST) for split in ("train", "val"))
    if min(len(training), len(validation)) < LEAST:
        return None
    device, back = policy_of(run.plan).device, returning(generator)
    work = _Work(_function(exported(generator), device), _function(back, device) if back else None)
    usual = {name: Usual.of(maps) for name, maps in work.maps(training).items()}
    numbers = {name: usual[name].worst(maps) for name, maps in work.maps(validation).items()}
    directions, name = None, _extractor(run)
    real = [data.images.select(domain="target", split=split).spread(MOST).as_set().images for split in ("train", "val")]
    if name and min(map(len, real)) >= LEAST:
        find = _finder(evidence, name, device)
        directions = Directions.of(find(real[0]))
        numbers[FEATURES] = directions.distance(find(work.translated(validation)))
        numbers[REAL] = directions.distance(find(real[1]))
    return Reference(
        numbers={name: Distribution.of(values) for name, values in numbers.items()},
        maps=usual,
        directions=directions,
        extractor=name if directions else "",
    )


Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class _Work:
    """The networks of both directions, as functions of arrays."""

    there: Function
    back: Function | None

    def maps(self, source: Images) -> Mapping[str, np.ndarray]:
        """Return (N, H, W) by number of places."""
        stacks = Stacks(source.neighbors)
        found = [place_maps(batch, self.there(batch), self.back, stacks) for batch in _batches(source)]
        return {name: np.concatenate([one[name] for one in found]) for name in found[0]}

    def translated(self, source: Images) -> np.ndarray:
        """Return (N, C, H, W)."""
        stacks = Stacks(source.neighbors)
        return np.concatenate([stacks.middle(self.there(batch)) for batch in _batches(source)])


def _batches(source: Images) -> list[np.ndarray]:
    starts = range(0, len(source), _BATCH)
    return [np.stack([source.stack(k) for k in range(s, min(s + _BATCH, len(source)))]) for s in starts]


def _function(network: nn.Module, device: str) -> Function:
    network = network.eval()

    def apply(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            found: np.ndarray = network(torch.from_numpy(images).to(device)).float().clamp(-1.0, 1.0).cpu().numpy()
        return found

    return apply


def _finder(evidence: Evidence, name: str, device: str) -> Function:
    extractor = evidence.extractor(name)
    return lambda images: extract(images, extractor, device=device)


def _extractor(run: Run) -> str:
    """Return the feature extractor of the first of the run's evaluators that has one."""
    names = (getattr(config, "extractor", "") for config in run.plan.evaluators.values())
    return next((str(name) for name in names if name), "")
