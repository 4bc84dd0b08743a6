"""What judges a bundle's images, rebuilt from the bundle and the extractor that is installed here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from medsynth.base.errors import PluginError
from medsynth.bundle.opening.opened import RETURN, TRANSLATOR, Opened
from medsynth.data.formats.stacks import Stacks
from medsynth.inference.flags.measuring import Arrays, Flags
from medsynth.inference.runtimes import torch_runtime
from medsynth.plugins import Registry
from medsynth.statistics.features import extract
from medsynth.statistics.flags.reference import CYCLE, EDGES, FEATURES, Reference

NONE = "no flags: the bundle holds nothing to judge translations by (it is of an older version, or of too few images)"
NO_FEATURES = "no flags: the bundle does not say how far from its training images others are"


def load_flags(bundle: Opened, device: str, *, back: Arrays | None = None) -> Flags | None:
    """Return what judges translations of a bundle; None if it holds no reference.

    Args:
        bundle: whose code for the way back is executed, if it has one.
        device: ``cpu``, ``cuda`` or ``mps``.
        back: computes the way back elsewhere.

    Raises:
        InputError: the bundle is damaged, or may not be executed.
    """
    reference = bundle.flags()
    if reference is None or EDGES not in reference.numbers:
        return None
    config = bundle.in_role(TRANSLATOR).data_config()
    if CYCLE in reference.numbers and back is None:
        back = way_back(bundle, device)
    return Flags(reference=reference, back=back, features=_features(reference, device), stacks=Stacks(config.neighbors))


def load_image_flags(bundle: Opened, device: str) -> Flags | None:
    """Return what judges the target images that a bundle classifies; None if it cannot. Executes nothing of it."""
    reference = bundle.flags()
    features = _features(reference, device) if reference else None
    return Flags(reference=reference, features=features) if reference and features else None


def way_back(bundle: Opened, device: str) -> Arrays:
    """Return the bundle's network from target to source images as a function of arrays."""
    return torch_runtime(bundle.in_role(RETURN).network().to(device), device)


def unmeasured(flags: Flags) -> str:
    """Return why a number of the bundle cannot be measured here; empty if all can."""
    if FEATURES in flags.reference.numbers and flags.features is None:
        return f"no {FEATURES}: the extractor {flags.reference.extractor!r} is not installed here"
    return ""


def _features(reference: Reference, device: str) -> Callable[[np.ndarray], np.ndarray] | None:
    registry, name = Registry(), reference.extractor
    if not name or name not in registry.names("extractor"):
        return None
    try:
        spec = registry.load("extractor", name)
        extractor = registry.create(spec, spec.config())
    except PluginError:
        return None
    return lambda images: extract(images, extractor, device=device)
