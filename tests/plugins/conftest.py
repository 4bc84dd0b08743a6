"""Evidence for evaluators that look at nothing but names and predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from medsynth.api import Evidence, ImageSet, Predictions


def image_set(names: list[str]) -> ImageSet:
    return ImageSet(
        images=np.zeros((len(names), 1, 8, 8), np.float32),
        labels=np.zeros(len(names), int),
        patients=np.array(names, dtype=object),
        names=np.array(names, dtype=object),
    )


@pytest.fixture
def judged() -> Callable[..., Evidence]:
    """Return what makes evidence of predictions by subject."""

    def make(predictions: Mapping[str, Predictions], *, seed: int = 3, names: list[str] | None = None) -> Evidence:
        nothing: Any = image_set([])
        return Evidence(
            real=image_set(names or []),
            source=nothing,
            synthetic=nothing,
            truth=None,
            training=nothing,
            predictions=predictions,
            networks={},
            extractor=lambda name: pytest.fail("not needed"),
            seed=seed,
        )

    return make
