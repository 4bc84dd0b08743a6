"""What goes into a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from medsynth.api import Score
from medsynth.data.formats.windows import Window

if TYPE_CHECKING:
    from medsynth.statistics.flags.reference import Reference


@dataclass(frozen=True, kw_only=True)
class PluginVersion:
    """A plugin as the run used it.

    Args:
        kind: ``generator``, ``classifier``, ``evaluator`` or ``extractor``.
        name: entry-point name.
        distribution: the distribution that brought it, and its version.
        reference: the paper that describes the method.
    """

    kind: str
    name: str
    distribution: str
    version: str
    reference: str = ""


@dataclass(frozen=True, kw_only=True)
class TargetSample:
    """A target image that may be given away, with what the classifier says about it.

    Args:
        path: a PNG file; its pixels are copied, its name and its metadata are not.
        probability: of the positive class, as medsynth computed it.
        label: 1 for the positive class, 0 for the other, None if unknown.
    """

    path: Path
    probability: float
    label: int | None = None


@dataclass(frozen=True, kw_only=True)
class SourceSample:
    """A source image that may be given away, with what the generator makes of it.

    Args:
        path: a PNG file; its pixels are copied, its name and its metadata are not.
        translation: an 8-bit PNG file of the translation, as medsynth computed it.
    """

    path: Path
    translation: bytes


@dataclass(frozen=True, kw_only=True)
class BundleContents:
    """A trained run as a bundle needs it.

    Args:
        name: of the model; letters, digits, ``-`` and ``_``.
        generator, classifier: exported networks. Their classes live in importable modules that need only torch,
            MONAI, the standard library, ``medsynth.networks`` and their own plugin package; ``arguments`` holds the
            JSON-able keyword arguments that rebuild them.
        source_preprocessing, target_preprocessing: MONAI transforms as configs (``_target_`` and arguments) that turn
            ``{"image": path}`` into ``{"image": (C, H, W) float32 in [-1, 1]}``.
        size: (H, W) in pixels.
        channels: 1 or 3, of a slice.
        neighbors: slices on either side that the generator takes and returns with each, as channels.
        positive, negative: class names; class 1 is the positive one.
        threshold: a probability at or above it is called positive.
        temperature: the classifier's logits are divided by it to get probabilities.
        scores: of the evaluation; those marked ``measured`` stay out, they describe a machine.
        plan: the resolved plan; values that look like paths or identify people are left out.
        plugins: names and versions.
        split_hash: of the run's split.
        parent: sha256 of the manifest of the bundle whose weights training started from; empty if from none.
        trained: False for a bundle to start from, whose weights are random.
        counts: images used, e.g. ``{"target train positive": 24}``; numbers only.
        windows: by domain the values that become -1 and 1, where they are the same for all files.
        target_samples, source_samples: images that may be given away (phantom, or released by the user).
        flags: what translations are judged by; None where too few images are left to measure it on.
        returning: exported network from target to source images, for flags.
    """

    name: str
    generator: nn.Module
    classifier: nn.Module
    source_preprocessing: Sequence[Mapping[str, Any]]
    target_preprocessing: Sequence[Mapping[str, Any]]
    size: tuple[int, int]
    channels: int
    positive: str
    threshold: float
    split_hash: str
    temperature: float = 1.0
    neighbors: int = 0
    negative: str = "negative"
    version: str = "0.1.0"
    parent: str = ""
    trained: bool = True
    scores: Sequence[Score] = ()
    plan: Mapping[str, Any] = field(default_factory=dict)
    plugins: Sequence[PluginVersion] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    windows: Mapping[str, Window] = field(default_factory=dict)
    target_samples: Sequence[TargetSample] = ()
    source_samples: Sequence[SourceSample] = ()
    flags: Reference | None = None
    returning: nn.Module | None = None
