"""What a bundle's images are judged by, as its files: figures as JSON, maps and directions as safetensors."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from medsynth.statistics.flags.departures import Usual
from medsynth.statistics.flags.directions import Directions
from medsynth.statistics.flags.reference import Distribution, Reference

FLAGS = "configs/flags.json"
MAPS = "models/flags.safetensors"
NETWORK = "network_def"
"""Entry of `FLAGS` that names the network from target to source images."""
_QUANTILES = 101


def stated(reference: Reference) -> dict[str, Any]:
    """Return the content of `FLAGS`: figures of many images together, none of which can be told from them."""
    return {
        "schema": 1,
        "extractor": reference.extractor,
        "numbers": {name: dataclasses.asdict(found) for name, found in reference.numbers.items()},
    }


def maps_of(reference: Reference) -> bytes:
    """Return the content of `MAPS`, all float32."""
    arrays: dict[str, np.ndarray] = {}
    for name, usual in reference.maps.items():
        arrays |= {f"{name}.mean": usual.mean, f"{name}.deviation": usual.deviation}
    if found := reference.directions:
        arrays |= {"features.mean": found.mean, "features.axes": found.axes, "features.variances": found.variances}
        arrays["features.rest"] = np.array([found.rest])
    return safetensors.numpy.save({name: np.ascontiguousarray(a, np.float32) for name, a in arrays.items()})


def read_reference(facts: Mapping[str, Any], path: Path) -> Reference:
    """Return what `stated` and `maps_of` wrote.

    Raises:
        KeyError, TypeError, ValueError: it is not that.
    """
    try:
        arrays = {name: a.astype(np.float64) for name, a in safetensors.numpy.load(path.read_bytes()).items()}
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error
    names = {name.rpartition(".")[0] for name in arrays} - {"features"}
    directions = None
    if "features.mean" in arrays:
        mean, axes, variances, rest = (arrays[f"features.{part}"] for part in ("mean", "axes", "variances", "rest"))
        directions = Directions(mean, axes, variances, float(rest[0]))
    return Reference(
        numbers={str(name): _distribution(found) for name, found in facts["numbers"].items()},
        maps={name: Usual(arrays[f"{name}.mean"], arrays[f"{name}.deviation"]) for name in names},
        directions=directions,
        extractor=str(facts["extractor"]),
    )


def _distribution(found: Mapping[str, Any]) -> Distribution:
    quantiles = tuple(float(value) for value in found["quantiles"])
    if len(quantiles) != _QUANTILES:
        raise ValueError(f"{FLAGS} has {len(quantiles)} quantiles, not {_QUANTILES}")
    return Distribution(int(found["images"]), float(found["median"]), float(found["spread"]), quantiles)
