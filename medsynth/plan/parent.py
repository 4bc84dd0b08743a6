"""What a run takes over from the bundle it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Parent:
    """What a plan takes over from a bundle.

    Args:
        digest: sha256 of its medsynth.json.
        generator, classifier: names of its plugins.
        values: by section of the plan, what it was trained with; of ``data`` only what its networks depend on.
    """

    digest: str
    generator: str
    classifier: str
    values: Mapping[str, Mapping[str, Any]]
