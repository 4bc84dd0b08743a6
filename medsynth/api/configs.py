"""Options of plugins: frozen dataclasses whose fields say what they mean and what they may be."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal


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
    positives: int = option(0, "positive target patients in training, drawn by seed; 0 = all", low=0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdversarialConfig(GeneratorConfig):
    """Options of generators that train against discriminators; `medsynth.adversarial.unpaired` honors them all."""

    adversarial: Literal["lsgan", "vanilla", "hinge"] = option(
        "lsgan",
        "adversarial objective: least squares, cross-entropy (non-saturating) or hinge",
        choices=("lsgan", "vanilla", "hinge"),
    )
    pool_size: int = option(0, "earlier images kept per domain for the discriminators; 0 = none", low=0)
    weight_decay: float = option(0.0, "Adam's L2 penalty of all weights", low=0.0)
    information_weight: float = option(
        0.0, "weight of minus the mutual information of an image and its translation", low=0.0
    )
    texture_weight: float = option(
        0.0, "weight of the sliced distance between patches of translations and of real images", low=0.0
    )
    differentiable_augment: bool = option(
        False, "random brightness, contrast, shift and cutout in front of the discriminators, for small sets"
    )
    r1_weight: float = option(0.0, "weight of the discriminators' R1 gradient penalty on real images", low=0.0)
    spectral_norm: bool = option(False, "spectral normalization of the discriminators' convolutions")
    discriminator_noise: float = option(
        0.0, "deviation of the noise on all images that discriminators see, so that none wins by details", low=0.0
    )
    discriminator_flood: float = option(
        0.0,
        "share of a guessing discriminator's loss below which it unlearns (flooding), so that none wins for good",
        low=0.0,
        high=0.9,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TranslatorConfig(AdversarialConfig):
    """Options of adversarial generators whose networks are made of the parts of `medsynth.networks`."""

    width: int = option(64, "channels of the generators' first layer; doubled by every level", low=1)
    discriminator_width: int = option(64, "channels of the discriminators' first layer", low=1)
    coordinates: bool = option(False, "tell the generator's decoding part where in the image it is (CoordConv)")
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
    real_share: float = option(
        0.0, "share of real images in pre-training, of each class; 0 = as many as there are", low=0.0, high=1.0
    )
    augment: float = option(
        1.0,
        "strength of the affine, gain and gamma changes beside random flips; 0 = no augmentation",
        low=0.0,
        high=2.0,
    )
    positives: int = option(0, "positive target patients in training, drawn by seed; 0 = all", low=0)
    calibrate: bool = option(
        False, "divide the logits by the temperature that makes validation probabilities most honest"
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluatorConfig:
    """Base of evaluator configs."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExtractorConfig:
    """Base of feature-extractor configs."""
