"""Everything a plugin author imports: hook marker, specs, configs, contracts.

Importing this module never imports torch, MONAI or NumPy, so that plugins can be listed, shown and
configured at once. Heavy imports belong into the module that a spec's ``factory`` names.

Letters used in shapes: B batch, C channels, H height, W width, N number of images. Images are float32
in [-1, 1]; the first spatial axis runs down (rows), the second to the right (columns).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import pluggy

if TYPE_CHECKING:
    import numpy as np
    import torch
    from ignite.engine import Engine
    from torch import Tensor, nn

API = 1
"""Number of this contract. A spec states the number it was written for."""

hookimpl = pluggy.HookimplMarker("medsynth")

Kind = Literal["generator", "classifier", "evaluator", "extractor"]


# ---------------------------------------------------------------- configuration


def option(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[Any] = (),
) -> Any:
    """Declare one field of a config dataclass: default, help text and allowed range.

    Args:
        default: the value when nothing else is asked for.
        help: one sentence for ``medsynth plugins show``; says unit and meaning.
        low: smallest allowed number, inclusive.
        high: largest allowed number, inclusive.
        choices: the allowed values, if only these make sense; of a tuple, those of its items.
    """
    return dataclasses.field(
        default=default,
        metadata={"help": help, "low": low, "high": high, "choices": tuple(choices)},
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Fields every generator has, so that all train under the same budget. Inherit and add your own."""

    epochs: int = option(200, "training epochs", low=1)
    epoch_steps: int = option(0, "optimizer steps per epoch; 0 = once through the larger domain", low=0)
    batch_size: int = option(1, "images per domain in one step", low=1)
    learning_rate: float = option(2e-4, "Adam learning rate at the start", low=0.0)
    constant_share: float = option(
        0.5, "share of training at the full rate; it then falls linearly towards zero", low=0.0, high=1.0
    )
    augment: bool = option(True, "random horizontal flip and random crop of both domains, independently")
    schedule: Literal["linear", "cosine", "step", "constant"] = option(
        "linear",
        "learning rate after constant_share: falls linearly or as a cosine; step: halves every tenth of training",
        choices=("linear", "cosine", "step", "constant"),
    )
    accumulate: int = option(1, "batches whose gradients are averaged for one optimizer step", low=1)
    checkpointing: bool = option(
        False, "recompute residual blocks in the backward pass: less memory, more time, equal results"
    )
    ema_decay: float = option(
        0.0, "decay per step of the averaged weights that translate; 0 = the trained weights", low=0.0, high=0.99999
    )
    information_weight: float = option(
        0.0, "weight of minus the mutual information of an image and its translation", low=0.0
    )
    differentiable_augment: bool = option(
        False, "random brightness, contrast, shift and cutout in front of the discriminators, for small sets"
    )
    r1_weight: float = option(0.0, "weight of the discriminators' R1 gradient penalty on real images", low=0.0)
    spectral_norm: bool = option(False, "spectral normalization of the discriminators' convolutions")
    coordinates: bool = option(False, "tell the generator's decoding part where in the image it is (CoordConv)")
    discriminator_noise: float = option(
        0.0, "deviation of the noise on all images that discriminators see, so that none wins by details", low=0.0
    )
    discriminator_flood: float = option(
        0.0,
        "share of a guessing discriminator's loss below which it unlearns (flooding), so that none wins for good",
        low=0.0,
        high=0.9,
    )
    texture_weight: float = option(
        0.0, "weight of the sliced distance between patches of translations and of real images", low=0.0
    )
    ends: int = option(7, "side of the generator's convolutions at full size; 7 as published", choices=(3, 5, 7))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """Fields every classifier has, so that all train under the same budget. Inherit and add your own."""

    pretrain_epochs: int = option(50, "epochs on real + synthetic images", low=0)
    finetune_epochs: int = option(50, "epochs on real images only, after pre-training", low=0)
    epoch_steps: int = option(0, "optimizer steps per epoch; 0 = once through real + synthetic", low=0)
    batch_size: int = option(16, "images in one step", low=2)
    learning_rate: float = option(5e-4, "AdamW learning rate at its peak", low=0.0)
    finetune_factor: float = option(0.1, "learning rate of fine-tuning relative to pre-training", low=0.0)
    weight_decay: float = option(1e-2, "AdamW weight decay; norms and biases are excluded", low=0.0)
    warmup_share: float = option(0.05, "share of each phase in which the rate rises linearly", low=0.0, high=1.0)
    balance: bool = option(True, "draw both classes equally often")
    augment: float = option(
        1.0,
        "strength of the affine, gain and gamma changes beside random flips; 0 = no augmentation",
        low=0.0,
        high=2.0,
    )
    calibrate: bool = option(
        False, "divide the logits by the temperature that makes validation probabilities most honest"
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluatorConfig:
    """Base of evaluator configs."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExtractorConfig:
    """Base of feature-extractor configs."""


# ---------------------------------------------------------------- specs


@dataclasses.dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What a generator or classifier takes for granted about its images."""

    spatial_dims: int = 2
    channels: tuple[int, ...] = ()
    """Accepted channel counts; empty = any."""
    multiple_of: int = 1
    """Height and width must be multiples of this."""
    min_size: int = 8
    """Smallest height and width in pixels."""
    two_way: bool = False
    """A generator that also learns target -> source."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """A plugin's declaration, returned by its hook.

    Args:
        name: equals the entry-point name; lower case with hyphens.
        summary: one sentence.
        config: a frozen dataclass type whose fields are declared with `option`.
        factory: ``"package.module:Class"``; resolved on first use, so declaring never imports torch.
        reference: the paper that describes the method.
        licence: SPDX identifier of the plugin's code.
        presets: field values per preset name (``quick``, ``standard``, ``paper``), for own fields.
        assumptions: what the plugin takes for granted about images.
        scalable: values per field, in rising order, among which ``plugins show NAME --match`` looks for a wished cost.
        api: the contract number it was written for.
    """

    name: str
    summary: str
    config: type
    factory: str
    reference: str = ""
    licence: str = "Apache-2.0"
    presets: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    assumptions: Assumptions = dataclasses.field(default_factory=Assumptions)
    scalable: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)
    api: int = API


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratorSpec(Spec):
    """Declares a generator; ``factory(config, setup)`` returns a `Generator`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifierSpec(Spec):
    """Declares a classifier; ``factory(config, setup)`` returns a `Classifier`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluatorSpec(Spec):
    """Declares an evaluator; ``factory(config)`` returns an `Evaluator`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExtractorSpec(Spec):
    """Declares a feature extractor; ``factory(config)`` returns an `Extractor`."""


# ---------------------------------------------------------------- training


@runtime_checkable
class Stateful(Protocol):
    """Anything whose state a checkpoint can hold: networks, optimizers, image pools."""

    def state_dict(self) -> dict[str, Any]:
        """Return tensors, numbers and strings only (nested dicts and lists allowed)."""

    def load_state_dict(self, state: Any) -> Any:
        """Restore what `state_dict` returned."""


Step = Callable[["Engine", Mapping[str, "Tensor"]], Mapping[str, Any]]
"""An Ignite process function: takes (engine, batch), updates the networks, returns named scalar losses."""


def constant_then_linear(constant_share: float) -> Callable[[float], float]:
    """Learning-rate factor 1 for `constant_share` of training, then falling linearly towards zero.

    Example:
        >>> [round(constant_then_linear(0.5)(p), 2) for p in (0.0, 0.5, 0.75)]
        [1.0, 1.0, 0.5]
    """

    def factor(progress: float) -> float:
        if progress <= constant_share or constant_share >= 1.0:
            return 1.0
        return max(0.0, (1.0 - progress) / (1.0 - constant_share))

    return factor


def constant_then_cosine(constant_share: float) -> Callable[[float], float]:
    """Learning-rate factor 1 for `constant_share` of training, then falling as half a cosine towards zero.

    Example:
        >>> [round(constant_then_cosine(0.5)(p), 2) for p in (0.0, 0.5, 0.75)]
        [1.0, 1.0, 0.5]
    """
    falling = constant_then_linear(constant_share)
    return lambda progress: 0.5 * (1.0 - math.cos(math.pi * falling(progress)))


def halving(steps: int) -> Callable[[float], float]:
    """Learning-rate factor that halves at the end of each of `steps` equal parts of training.

    Example:
        >>> [halving(10)(p) for p in (0.0, 0.1, 0.55)]
        [1.0, 0.5, 0.03125]
    """
    return lambda progress: float(0.5 ** math.floor(progress * steps + 1e-9))


def learning_rate_schedule(config: GeneratorConfig) -> Callable[[float], float]:
    """Return the learning-rate factor that a generator's config asks for, as `Phase.schedule` takes it."""
    schedules = {
        "linear": constant_then_linear(config.constant_share),
        "cosine": constant_then_cosine(config.constant_share),
        "step": halving(10),
        "constant": constant,
    }
    return schedules[config.schedule]


def constant(_: float) -> float:
    """Learning-rate factor 1 throughout."""
    return 1.0


def warmup_then_cosine(warmup_share: float) -> Callable[[float], float]:
    """Learning-rate factor rising linearly to 1 during `warmup_share`, then falling as a cosine to zero.

    Example:
        >>> [round(warmup_then_cosine(0.5)(p), 2) for p in (0.25, 0.5, 0.75)]
        [0.5, 1.0, 0.5]
    """

    def factor(progress: float) -> float:
        if progress < warmup_share:
            return max(progress / warmup_share, 1e-3)
        done = (progress - warmup_share) / max(1.0 - warmup_share, 1e-9)
        return 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))

    return factor


def progress(engine: Engine) -> float:
    """Share of the current phase that lies behind, in [0, 1): finished steps / all steps.

    It depends on the engine's counters only, so a resumed phase sees the same values.
    """
    state = engine.state
    total = (state.max_epochs or 1) * (state.epoch_length or 1)
    return float(min(max(state.iteration - 1, 0) / total, 1.0))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Phase:
    """One training loop. The core owns loaders, seeds, precision, schedules, checkpoints, resume and logs.

    Args:
        name: lower case; unique within the plugin.
        data: which images the step receives.
            ``unpaired``: ``{"source": (B, C, H, W), "target": (B, C, H, W)}``, partners drawn anew every epoch;
            ``mixed``: ``{"image": (B, C, H, W), "label": (B,) int64}`` real and synthetic target images;
            ``real``: the same, real target images only.
        epochs: number of epochs; a checkpoint is written after each.
        epoch_steps: steps per epoch, 0 = once through the data.
        batch_size: images in a step (per domain for ``unpaired``).
        step: the Ignite process function.
        state: everything to save and restore by name: all networks (put into training mode by the core),
            image pools, running averages. Optimizers are added by the core.
        optimizers: by name; the core multiplies their learning rates by `schedule`.
        schedule: learning-rate factor for progress in [0, 1].
    """

    name: str
    data: Literal["unpaired", "mixed", "real"]
    epochs: int
    step: Step
    state: Mapping[str, Stateful]
    optimizers: Mapping[str, torch.optim.Optimizer]
    batch_size: int
    epoch_steps: int = 0
    schedule: Callable[[float], float] = constant


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setup:
    """What the core tells a generator or classifier before it is built.

    Torch's generators are seeded by the core before the factory is called; the networks must be created
    on the CPU and moved to `device` with ``.to(device)``.
    """

    channels: int
    size: tuple[int, int]
    """(H, W) in pixels."""
    classes: int = 2
    device: str = "cpu"


class Generator(Protocol):
    """Learns to translate source images into target images."""

    def phases(self) -> Sequence[Phase]:
        """Return the training loops in order."""

    def translate(self, images: Tensor) -> Tensor:
        """Translate (B, C, H, W) source images in [-1, 1]; same shape, dtype, range; independent of B."""

    def networks(self) -> Mapping[str, nn.Module]:
        """Return all networks by name. The first maps source images to target images and is exported.

        The exported network's class lives in the plugin's ``network`` module and carries ``arguments``,
        the JSON-able keyword arguments that rebuild it.
        """


class Classifier(Protocol):
    """Learns to tell the classes of target images apart. One that can judge itself may be `Inspectable`, too."""

    def phases(self) -> Sequence[Phase]:
        """Return the training loops in order: pre-training (``mixed``), then fine-tuning (``real``)."""

    def networks(self) -> Mapping[str, nn.Module]:
        """Return all networks by name. The first maps (B, C, H, W) to (B, classes) logits and is exported.

        It carries ``arguments`` as a generator's does. Class 1 is the positive class.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a classifier finds out about its own working on held-out images: a table of the report.

    Args:
        title: of the table.
        note: what the columns mean, in plain text.
        rows: by row the value of each column; all rows have the same columns. Without rows nothing is shown.
        logged: columns that are also drawn over the epochs.
    """

    title: str
    note: str
    rows: Mapping[str, Mapping[str, float]]
    logged: Sequence[str] = ()


@runtime_checkable
class Inspectable(Protocol):
    """A classifier that can say on held-out images whether it works as its method promises."""

    def inspect(self, images: Tensor, labels: Tensor) -> Inspection:
        """Look at the networks as they are, without changing a weight; may put them into evaluation mode.

        Called after epochs with some validation images, and for the report with some test images.

        Args:
            images: (N, C, H, W) in [-1, 1], N up to 64, on the networks' device.
            labels: (N,) int64.
        """


# ---------------------------------------------------------------- evaluation


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
    """By subject: ``synthetic`` (trained with synthesis), ``real-only``, ``untranslated``, ``oracle``."""
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


# ---------------------------------------------------------------- observers


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunInfo:
    """A run as observers see it (read-only)."""

    folder: str
    plan: Mapping[str, Any]
    seed: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageInfo:
    """A stage that ended."""

    name: str
    status: Literal["finished", "failed"]
    seconds: float
    error: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
    """An extra part of the report. ``html`` is inserted as it is: escape what you did not write."""

    title: str
    html: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What a run ends with."""

    scores: Sequence[Score]
    bundle: str
    report: str
