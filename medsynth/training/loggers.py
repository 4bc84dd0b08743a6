"""TensorBoard, MLflow and Weights & Biases, where the plan asks for them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from medsynth.base.errors import InputError
from medsynth.training.config import TrainingConfig

if TYPE_CHECKING:
    from monai.engines import Trainer

    from medsynth.api import Phase
    from medsynth.training.job import Job

EVERY = 10
"""Steps between two records."""
_EXTRAS = {"mlflow": "MLflow", "wandb": "Weights & Biases"}
_SILENT_MODES = ("offline", "disabled", "dryrun")
"""Modes of Weights & Biases in which nothing is sent."""


def check_loggers(training: TrainingConfig) -> None:
    """Refuse loggers that would fail once the training has begun.

    Raises:
        InputError: one is not installed, or would ask for a key.
    """
    for name, called in _EXTRAS.items():
        if getattr(training, name) and find_spec(name) is None:
            hint = f'Install it with: pip install "medsynth-monai[{name}]"'
            raise InputError(f"training.{name} needs {called}, which is not installed", hint=hint)
    if training.wandb and _wandb_mode() not in _SILENT_MODES and not os.environ.get("WANDB_API_KEY"):
        hint = "Set it, or unset WANDB_MODE: what is logged offline can be sent later with wandb sync."
        raise InputError(f"WANDB_MODE={_wandb_mode()} needs a key in the variable WANDB_API_KEY", hint=hint)


@contextmanager
def logged(trainer: Trainer, job: Job, phase: Phase) -> Iterator[None]:
    """Log the losses of a phase's steps while `trainer` runs in the block."""
    settings, tag = job.training, f"{job.name}/{phase.name}".replace(" ", "-")
    if settings.tensorboard:
        from monai.handlers import TensorBoardStatsHandler

        TensorBoardStatsHandler(
            log_dir=str(job.folder / "tensorboard"),
            iteration_log=EVERY,
            epoch_log=False,
            output_transform=lambda output: output,
            tag_name=tag,
        ).attach(trainer)
    if settings.mlflow:
        from monai.handlers import MLFlowHandler

        MLFlowHandler(
            tracking_uri=settings.mlflow,
            experiment_name="medsynth",
            run_name=tag,
            epoch_log=False,
            output_transform=_numbers,
        ).attach(trainer)
    if not settings.wandb:
        yield
        return
    logger = _attached_wandb(trainer, job, tag)
    try:
        yield
    finally:  # also where the phase is stopped: its process would wait for more
        logger.close()


def _numbers(output: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in output.items()}


def _wandb_mode() -> str:
    return os.environ.get("WANDB_MODE") or "offline"


def _attached_wandb(trainer: Trainer, job: Job, tag: str) -> Any:
    """Return Ignite's logger, attached; it gets the losses, and nothing about the machine, its user or the data."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # which would reach the network in any mode
    import wandb
    from ignite.engine import Events
    from ignite.handlers.wandb_logger import WandBLogger

    private = wandb.Settings(
        console="off",
        host="",
        disable_code=True,
        disable_git=True,
        save_code=False,
        silent=True,
        x_disable_machine_info=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_save_requirements=False,
    )
    job.folder.mkdir(parents=True, exist_ok=True)
    logger = WandBLogger(
        project=job.training.wandb,
        name=tag,
        group=job.name,
        dir=str(job.folder),
        mode=_wandb_mode(),
        settings=private,
    )
    every = Events.ITERATION_COMPLETED(every=EVERY)
    logger.attach_output_handler(trainer, event_name=every, tag=tag, output_transform=_numbers)
    return logger
