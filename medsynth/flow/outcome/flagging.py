"""What a bundle's translations are judged by: what is usual of those of training and validation images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from medsynth.api import Evidence, Generator, exported, returning
from medsynth.data.formats.stacks import Stacks
from medsynth.data.images import Images
from medsynth.data.preparing import Data
from medsynth.flow.folder.runs import Run
from medsynth.flow.stages.building import policy_of
from medsynth.inference.flags.measuring import Arrays, place_maps
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
    device, way_back = policy_of(run.plan).device, returning(generator)
    there, back = _function(exported(generator), device), _function(way_back, device) if way_back else None
    usual = {name: Usual.of(maps) for name, maps in _look(training, there, back)[0].items()}
    maps, translations = _look(validation, there, back)
    numbers = {name: usual[name].worst(found) for name, found in maps.items()}
    directions, name = None, _extractor(run)
    real = [data.images.select(domain="target", split=split).spread(MOST).as_set().images for split in ("train", "val")]
    if name and min(map(len, real)) >= LEAST:
        find = _finder(evidence, name, device)
        directions = Directions.of(find(real[0]))
        numbers[FEATURES] = directions.distance(find(translations))
        numbers[REAL] = directions.distance(find(real[1]))
    return Reference(
        numbers={name: Distribution.of(values) for name, values in numbers.items()},
        maps=usual,
        directions=directions,
        extractor=name if directions else "",
    )


def _look(source: Images, there: Arrays, back: Arrays | None) -> tuple[Mapping[str, np.ndarray], np.ndarray]:
    """Translate images; return (N, H, W) maps by number of places, and the translations (N, C, H, W)."""
    stacks = Stacks(source.neighbors)
    maps, translations = [], []
    for start in range(0, len(source), _BATCH):
        batch = np.stack([source.stack(k) for k in range(start, min(start + _BATCH, len(source)))])
        translated = there(batch)
        maps.append(place_maps(batch, translated, back, stacks))
        translations.append(stacks.middle(translated))
    return {name: np.concatenate([one[name] for one in maps]) for name in maps[0]}, np.concatenate(translations)


def _function(network: nn.Module, device: str) -> Arrays:
    network = network.eval()

    def apply(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            found: np.ndarray = network(torch.from_numpy(images).to(device)).float().clamp(-1.0, 1.0).cpu().numpy()
        return found

    return apply


def _finder(evidence: Evidence, name: str, device: str) -> Arrays:
    extractor = evidence.extractor(name)
    return lambda images: extract(images, extractor, device=device)


def _extractor(run: Run) -> str:
    """Return the feature extractor of the first of the run's evaluators that has one."""
    names = (getattr(config, "extractor", "") for config in run.plan.evaluators.values())
    return next((str(name) for name in names if name), "")
