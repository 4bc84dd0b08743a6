"""LSNet: a sparse MobileViT student that learns from a teacher's attention gradients which keys matter."""

from __future__ import annotations

import dataclasses

from medsynth.api import Assumptions, ClassifierSpec, hookimpl, option
from medsynth.supervised.config import SupervisedConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class LSNetConfig(SupervisedConfig):
    """Options of LSNet; the defaults are the paper's network with the choices explained in README.md."""

    student_width: float = option(1.0, "multiplies the student's channel counts", low=0.1)
    teacher_width: float = option(1.0, "multiplies the teacher's channel counts", low=0.1)
    teacher_epochs: int = option(
        0, "epochs on real + synthetic images in which the teacher learns alone, before", low=0
    )
    teacher_rate: float = option(1.0, "the teacher's learning rate relative to the student's", low=0.0)
    activation: str = option(
        "relu6",
        "of the convolutions outside the inverted residuals: as published, or as MobileViT has them, tokens linear",
        choices=("relu6", "silu"),
    )
    heads: int = option(4, "attention heads of student and teacher", choices=(1, 2, 4, 8))
    attention: str = option(
        "sparse",
        "keys a query sees: its own selection, all, or a quarter chosen once per head (256 tokens or more)",
        choices=("sparse", "dense", "subset"),
    )
    selection: str = option(
        "simulator",
        "what chooses the keys: the simulator, or as controls the student's own scores or a random choice",
        choices=("simulator", "scores", "random"),
    )
    sparsity: int = option(25, "sparse attention sees one in this many keys", low=1)
    min_keys: int = option(4, "sparse attention sees at least this many keys", low=1)
    simulator: str = option(
        "symmetric", "map of the gradient simulator: Y Y^T or Y Z^T", choices=("symmetric", "asymmetric")
    )
    places: bool = option(False, "let the simulator learn where in an image the important keys lie (3,072 weights)")
    sign: str = option("abs", "which teacher gradients count as important", choices=("abs", "signed", "negated"))
    teacher_gradient: str = option(
        "loss", "gradient of the cross-entropy, or of the logit margin at a second pass", choices=("loss", "margin")
    )
    fusion: str = option(
        "two-sided",
        "selection from signed maps: both ends of a row, or its largest values as released; not used with sign=abs",
        choices=("two-sided", "released"),
    )
    fusion_share: float = option(0.7, "share of the positive end in two-sided fusion", low=0.0, high=1.0)
    temperature: float = option(0.5, "softmax temperature of two-sided fusion", low=0.01)
    hand_over_start: float = option(0.3, "share of pre-training with the teacher's keys only", low=0.0, high=1.0)
    hand_over_end: float = option(0.7, "share of pre-training after which only simulated keys count", low=0.0, high=1.0)
    smoothing: bool = option(True, "smooth the teacher's maps with a running mean")
    row_loss: str = option(
        "kl", "distance of rows, or likelihood of the teacher's top keys", choices=("kl", "mse", "keys")
    )
    feature_weight: float = option(1.0, "weight of the 128-number gradient features in the simulation loss", low=0.0)
    distillation: str = option("cosine", "of pooled features (cosine) or of logits (kl)", choices=("cosine", "kl"))
    simulation_weight: float = option(1.0, "weight of the simulation loss", low=0.0)
    distillation_weight: float = option(1.0, "weight of the distillation loss", low=0.0)


@hookimpl
def medsynth_classifier() -> ClassifierSpec:
    """Declare the classifier."""
    return ClassifierSpec(
        name="lsnet",
        summary="Sparse MobileViT whose keys are chosen by a simulator of a teacher's attention gradients.",
        config=LSNetConfig,
        factory="medsynth_lsnet.model:LSNetClassifier",
        reference="Efficient endometrial carcinoma screening via cross-modal synthesis and gradient distillation, 2026",
        presets={
            "quick": {"student_width": 0.5, "teacher_width": 0.25, "activation": "silu", "distillation_weight": 0.0},
            "standard": {"activation": "silu"},
            "paper": {},
        },
        assumptions=Assumptions(multiple_of=32, min_size=32),
    )
