"""Let a classifier look at its own working on held-out images, where it can."""

from __future__ import annotations

import torch

from medsynth.api import Classifier, Inspectable, Inspection
from medsynth.data.images import Images
from medsynth.training.devices import Policy

IMAGES = 64
"""Images that are looked at; always the same ones, evenly spread over the table."""


def inspect(classifier: Classifier, images: Images, policy: Policy) -> Inspection | None:
    """Return what a classifier finds out about itself; None if it does not look, or finds nothing to show."""
    known = images.select(labeled=True)
    if not isinstance(classifier, Inspectable) or not len(known):
        return None
    some = known.spread(IMAGES).as_set()
    pixels, labels = torch.from_numpy(some.images), torch.from_numpy(some.labels)
    found = classifier.inspect(pixels.to(policy.device), labels.to(policy.device))
    return found if found.rows else None


def figures(found: Inspection | None) -> dict[str, float]:
    """Return what is drawn over the epochs, named by column and row.

    Examples:
        >>> found = Inspection(title="", note="", rows={"block A": {"tokens": 64, "overlap": 0.2}}, logged=["overlap"])
        >>> figures(found)
        {'overlap_block_a': 0.2}
    """
    if found is None:
        return {}
    return {
        f"{column} {row}".lower().replace(" ", "_"): values[column]
        for row, values in found.rows.items()
        for column in found.logged
    }
