"""Measuring of `example-brightness`."""

from __future__ import annotations

from collections.abc import Sequence

from medsynth.api import Evidence, Score
from medsynth_example_brightness import BrightnessConfig


class Brightness:
    """Compares mean brightness."""

    def __init__(self, config: BrightnessConfig) -> None:
        self.config = config

    def scores(self, evidence: Evidence) -> Sequence[Score]:
        """Return one score."""
        difference = abs(float(evidence.synthetic.images.mean() - evidence.real.images.mean()))
        return [
            Score(
                evaluator="example-brightness",
                name="brightness_difference",
                subject="synthetic",
                value=self.config.scale * difference,
                n=len(evidence.synthetic),
                higher_is_better=False,
            )
        ]
