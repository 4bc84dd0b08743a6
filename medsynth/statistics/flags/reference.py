"""What is usual of a bundle's translations, and how unusual a number is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from medsynth.statistics.flags.departures import Usual
from medsynth.statistics.flags.directions import Directions
from medsynth.statistics.scores.diagnostic import Floats

EDGES, CYCLE, FEATURES = "edge_mismatch", "cycle_residual", "feature_distance"
REAL = "real_feature_distance"
"""`FEATURES` of real target images, for images that are classified."""
NUMBERS = (EDGES, CYCLE, FEATURES)
"""Of a translation, each greater the less it is to be trusted."""
LIMIT = 99.0
"""A number beyond this percentile of validation images makes an image suspicious."""
LEAST = 4
"""Images that a reference needs, to train with and to validate with."""
_NORMAL = 1.4826
"""Standard deviation of a normal distribution in units of its median absolute deviation."""


@dataclass(frozen=True)
class Distribution:
    """A number among validation images.

    Args:
        images: how many.
        median, spread: robust mean and standard deviation.
        quantiles: 101, from the least to the greatest.
    """

    images: int
    median: float
    spread: float
    quantiles: tuple[float, ...]

    @classmethod
    def of(cls, values: ArrayLike) -> Distribution:
        """Measure it on (N,) values."""
        found = np.asarray(values, np.float64)
        median = float(np.median(found))
        spread = _NORMAL * float(np.median(np.abs(found - median)))
        quantiles = tuple(float(q) for q in np.quantile(found, np.linspace(0.0, 1.0, 101)))
        return cls(len(found), median, max(spread, 1e-9), quantiles)

    def percentile(self, values: ArrayLike) -> Floats:
        """Return where (N,) values lie, from 0 to 100: beyond all validation images."""
        found: Floats = np.interp(np.asarray(values, np.float64), self.quantiles, np.arange(101.0))
        return found

    def deviations(self, values: ArrayLike) -> Floats:
        """Return how many robust standard deviations (N,) values lie above the median."""
        found: Floats = (np.asarray(values, np.float64) - self.median) / self.spread
        return found


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What the numbers of a bundle's images are judged by.

    Args:
        numbers: those that can be measured, of `NUMBERS` and `REAL`.
        maps: by number of places, `EDGES` and `CYCLE`.
        directions: of the features of real target images that training used.
        extractor: plugin that finds features.
    """

    numbers: Mapping[str, Distribution]
    maps: Mapping[str, Usual] = field(default_factory=dict)
    directions: Directions | None = None
    extractor: str = ""

    def judge(self, measured: Mapping[str, np.ndarray]) -> list[Judgment]:
        """Judge N images.

        Args:
            measured: (N,) by number.
        """
        known = {name: values for name, values in measured.items() if name in self.numbers}
        percentiles = {name: self.numbers[name].percentile(values) for name, values in known.items()}
        deviations = {name: self.numbers[name].deviations(values) for name, values in known.items()}
        return [
            Judgment(
                numbers={name: float(values[k]) for name, values in known.items()},
                percentiles={name: float(values[k]) for name, values in percentiles.items()},
                suspicion=float(np.hypot.reduce([max(float(values[k]), 0.0) for values in deviations.values()])),
                images={name: self.numbers[name].images for name in known},
            )
            for k in range(len(next(iter(known.values()), ())))
        ]


@dataclass(frozen=True, kw_only=True)
class Judgment:
    """How unusual an image is.

    Args:
        numbers, percentiles: by number; percentiles are those of validation images.
        suspicion: length of the vector of all numbers, each in robust standard deviations above the median of
            validation images, those below it as 0.
        images: validation images of each number.
    """

    numbers: Mapping[str, float]
    percentiles: Mapping[str, float]
    suspicion: float
    images: Mapping[str, int]

    @property
    def reason(self) -> str:
        """Why the image is suspicious; empty if it is not."""
        return "; ".join(self._reason(name) for name, place in self.percentiles.items() if place > LIMIT)

    def _reason(self, name: str) -> str:
        place, images = self.percentiles[name], self.images[name]
        where = f"above all {images} validation images" if place >= 100.0 else f"percentile {place:.1f} of {images}"
        return f"{name} {self.numbers[name]:.4g}: {where}"
