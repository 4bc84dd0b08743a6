"""Synthetic images inside anybody's training pipeline: a random transform of MONAI."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Protocol

from monai.transforms import MapTransform, RandomizableTransform


class Translating(Protocol):
    """Translates images, as `medsynth.door.loaded.LoadedBundle` does."""

    def translate(self, image: Any, *, value_range: tuple[float, float]) -> Any:
        """Return the translation, of the kind of what was given."""


class RandSynthesizeD(RandomizableTransform, MapTransform):  # type: ignore[misc]
    """Translates the images of a dictionary into the target modality, all of them or none.

    Args:
        keys: of the images.
        bundle: whose generator translates.
        prob: of a translation.
        value_range: darkest and brightest value of the images, before and after.
        allow_missing_keys: leave dictionaries alone that lack a key.
    """

    def __init__(
        self,
        keys: Hashable | Sequence[Hashable],
        bundle: Translating,
        *,
        prob: float = 0.5,
        value_range: tuple[float, float] = (-1.0, 1.0),
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        self.bundle, self.value_range = bundle, value_range

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of the dictionary, with translations if a draw says so."""
        result = dict(data)
        self.randomize(None)
        if self._do_transform:
            for key in self.key_iterator(result):
                result[key] = self.bundle.translate(result[key], value_range=self.value_range)
        return result
