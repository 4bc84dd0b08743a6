"""TensorBoard and MLflow, where the plan asks for them."""

from __future__ import annotations

from monai.engines import Trainer

from medsynth.api import Phase
from medsynth.training.job import Job


def attach_loggers(trainer: Trainer, job: Job, phase: Phase) -> None:
    """Log the losses of a phase's steps while `trainer` runs."""
    settings, tag = job.training, f"{job.name}/{phase.name}".replace(" ", "-")
    if settings.tensorboard:
        from monai.handlers import TensorBoardStatsHandler

        TensorBoardStatsHandler(
            log_dir=str(job.folder / "tensorboard"),
            iteration_log=10,
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
            output_transform=lambda output: {name: float(value) for name, value in output.items()},
        ).attach(trainer)
