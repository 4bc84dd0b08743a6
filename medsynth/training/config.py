"""How the core trains, whatever the plugins are."""

from __future__ import annotations

from dataclasses import dataclass

from medsynth.api import Subject, option

BASELINES = (Subject.REAL_ONLY, Subject.UNTRANSLATED, Subject.ORACLE)
"""Classifiers trained for comparison: on real images only, and with other images in place of synthetic ones: the source
images as they are, and their true counterparts."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How the core trains, whatever the plugins are."""

    precision: str = option(
        "auto", "auto = bf16 where the device computes it natively, else fp32", choices=("auto", "fp32", "bf16")
    )
    channels_last: str = option("auto", "memory layout; auto = on for CUDA", choices=("auto", "on", "off"))
    compile: str = option("off", "torch.compile the networks; needs a C++ compiler", choices=("on", "off"))
    checkpoint_minutes: float = option(10.0, "also save within an epoch after this many minutes", low=0.1)
    threshold: str = option(
        "screening",
        "operating point from validation images: highest specificity at sensitivity >= 0.95, Youden index, or 0.5",
        choices=("screening", "youden", "half"),
    )
    validate_epochs: int = option(
        4, "epochs between two looks at translations of validation images: KID, structure, gallery, warnings", low=1
    )
    keep: str = option(
        "best", "generator weights to keep: of the best look, or of the last epoch", choices=("best", "last")
    )
    baselines: tuple[str, ...] = option(
        BASELINES, "classifiers trained for comparison beside the one that has synthetic images", choices=BASELINES
    )
    tensorboard: bool = option(True, "write TensorBoard logs into the run folder")
    mlflow: str = option("", "MLflow tracking address; needs the extra 'mlflow'")
    wandb: str = option("", "Weights & Biases project; offline unless WANDB_MODE is set; needs the extra 'wandb'")
