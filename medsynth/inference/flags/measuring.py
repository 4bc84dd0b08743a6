"""What is measured of translations, by runs to find out what is usual and by users to find out what is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from medsynth.data.formats.stacks import Stacks
from medsynth.statistics.flags.departures import edge_differences, residuals
from medsynth.statistics.flags.reference import CYCLE, EDGES, FEATURES, REAL, Judgment, Reference

Arrays = Callable[[np.ndarray], np.ndarray]


def place_maps(
    sources: np.ndarray, translations: np.ndarray, back: Arrays | None, stacks: Stacks
) -> dict[str, np.ndarray]:
    """Return maps of (N, H, W) by number: where edges differ, and where the way back does not lead to the source.

    Args:
        sources, translations: (N, C (2n + 1), H, W) in [-1, 1], pair by pair.
        back: network from target to source images, if there is one.
        stacks: of slices, of which the middle ones are compared.
    """
    own = stacks.middle(sources)
    maps = {EDGES: edge_differences(own, stacks.middle(translations))}
    if back is not None:
        maps[CYCLE] = residuals(own, stacks.middle(back(translations).clip(-1.0, 1.0)))
    return maps


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Judges images of one bundle.

    Args:
        reference: what is usual.
        back: network from target to source images, (B, C (2n + 1), H, W) to the same shape, if there is one.
        features: of (B, C, H, W) images, if an extractor is there.
        stacks: how slices become what the generator takes.
    """

    reference: Reference
    back: Arrays | None = None
    features: Arrays | None = None
    stacks: Stacks = field(default_factory=Stacks)

    @property
    def numbers(self) -> tuple[str, ...]:
        """What is measured of translations, of `medsynth.statistics.flags.reference.NUMBERS`."""
        known = {EDGES} | ({CYCLE} if self.back else set()) | ({FEATURES} if self.features else set())
        return tuple(name for name in self.reference.numbers if name in known)

    def of_translations(self, sources: np.ndarray, translations: np.ndarray) -> list[Judgment]:
        """Judge (B, C (2n + 1), H, W) translations of sources, both as large as the network takes them."""
        reference = self.reference
        maps = place_maps(sources, translations, self.back if CYCLE in reference.maps else None, self.stacks)
        measured = {name: reference.maps[name].worst(found) for name, found in maps.items() if name in reference.maps}
        if self.features and reference.directions:
            measured[FEATURES] = reference.directions.distance(self.features(self.stacks.middle(translations)))
        return reference.judge(measured)

    def of_images(self, images: np.ndarray) -> list[Judgment]:
        """Judge (B, C, H, W) target images, of which no source is known: by their features alone."""
        if self.features is None or self.reference.directions is None:
            return []
        return self.reference.judge({REAL: self.reference.directions.distance(self.features(images))})
