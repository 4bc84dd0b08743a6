"""What evaluators judge, and what they answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn


class Subject:
    """Whose scores: the classifiers of a run by the images they were trained with, and sets of images."""

    SYNTHETIC: Final = "synthetic"
    """Trained with synthetic images; also these themselves."""
    REAL_ONLY: Final = "real-only"
    UNTRANSLATED: Final = "untranslated"
    """Trained with source images as they are."""
    ORACLE: Final = "oracle"
    """Trained with true counterparts of source images."""
    SOURCE: Final = "source"
    """Images before translation."""
    REAL: Final = "real"
    """Real target images."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageSet:
    """Images with what is known about each of them."""

    images: np.ndarray
    """(N, C, H, W) float32 in [-1, 1]."""
    labels: np.ndarray
    """(N,) int64: 1 positive, 0 negative, -1 unknown."""
    patients: np.ndarray
    """(N,) str."""
    names: np.ndarray
    """(N,) str: where each image comes from."""

    def __len__(self) -> int:
        return len(self.images)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predictions:
    """What a trained classifier said about the real test images."""

    probabilities: np.ndarray
    """(N,) float64: probability of the positive class."""
    labels: np.ndarray
    """(N,) int64: 1 positive, 0 negative."""
    patients: np.ndarray
    """(N,) str."""
    threshold: float
    """Chosen on validation images; probability >= threshold is called positive."""
    temperature: float = 1.0
    """Logits were divided by it; fitted on validation images."""
    groups: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    """Further manifest columns, e.g. center: (N,) str."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """What evaluators judge. All images are held out from training unless a field says otherwise."""

    real: ImageSet
    """Real target images (test split)."""
    source: ImageSet
    """Source images before translation."""
    synthetic: ImageSet
    """The same source images translated, in the same order."""
    truth: ImageSet | None
    """True counterparts of `source` in the same order, where known for all; for scoring only."""
    training: ImageSet
    """Real target images the generator was trained on (training split)."""
    predictions: Mapping[str, Predictions]
    """By `Subject`."""
    networks: Mapping[str, nn.Module]
    """Exported networks: ``generator`` and ``classifier``, in evaluation mode."""
    extractor: Callable[[str], Extractor]
    """Loads a feature extractor plugin by name."""
    tissues: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    """True tissues by image set, on the phantom only: ``source`` (also of ``synthetic`` and ``truth``), ``training``;
    (N, H, W) uint8 with the values of `medsynth.data.phantom.anatomy.Tissue`."""
    device: str = "cpu"
    seed: int = 0
    alias: Callable[[str, str], str] = lambda _kind, name: name
    """What to call somebody or something in a score: ``alias("reader", "Dr Who")`` is ``"A"`` unless the user wants
    to see names; ``alias("image", name)`` takes a name of an `ImageSet`."""
    folder: str = ""
    """Where the evaluator may leave files, e.g. for a section of the report; empty = nowhere."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """One measured value.

    ``warning`` is a sentence that the run shows as a warning, e.g. when the value means that something is wrong.

    ``measured`` marks values that depend on the machine's speed or load (latency, memory): they are kept in
    ``measurements.json``, so that ``scores.json`` of a repeated run is identical.
    """

    evaluator: str
    name: str
    subject: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    unit: str = ""
    higher_is_better: bool | None = None
    detail: str = ""
    measured: bool = False
    warning: str = ""


class Evaluator(Protocol):
    """Turns evidence into scores."""

    def scores(self, evidence: Evidence) -> Sequence[Score]:
        """Measure; deterministic for the same evidence and seed, except scores marked ``measured``."""


class Extractor(Protocol):
    """Maps images to feature vectors for FID and KID."""

    name: str
    dimension: int

    def features(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) images in [-1, 1] with 1 or 3 channels to (B, dimension) float32."""
