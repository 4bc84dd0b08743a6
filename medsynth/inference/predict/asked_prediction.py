"""What somebody asks of a bundle's classifier: a table of probabilities, for which runtime and device are chosen."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from medsynth.base.errors import InputError
from medsynth.base.progress import Watch
from medsynth.base.stopping import Stop
from medsynth.bundle.opening.opened import Opened
from medsynth.inference.bundle_classifier import BundleClassifier, load_classifier
from medsynth.inference.predict.prediction import (
    Intervals,
    Judges,
    Painter,
    PredictionJob,
    PredictionSummary,
    predict_files,
)
from medsynth.inference.predicted_formats import REPORTS, check_reports, reports_folder
from medsynth.inference.runtimes import Runtime, choose_runtime, load_runtime

if TYPE_CHECKING:
    from medsynth.inference.predict.reports.report_series import SeriesReports


@dataclass(frozen=True, kw_only=True)
class AskedPrediction:
    """Images to be predicted, and how.

    Args:
        bundle: with the classifier.
        images: files, folders, manifests.
        out: table to write.
        runtime: one of `medsynth.inference.export_formats.RUNTIMES`, or ``auto``.
        device: ``cpu``, ``cuda``, ``mps`` or ``auto``.
        batch: images in one step.
        threads: batches worked on at once; 0 = as many as there are cores.
        tta: changed copies of each image for an interval; 0 = no interval.
        heatmaps: folder for overlays, if wanted.
        judged: say how far images are from those of training.
        volume: of NIfTI files that hold several; None = the one that the run chose.
        format: one of `medsynth.inference.predicted_formats.FORMATS`.
    """

    bundle: Opened
    images: Sequence[Path]
    out: Path
    runtime: str = "auto"
    device: str = "cpu"
    batch: int = 4
    threads: int = 0
    tta: int = 0
    heatmaps: Path | None = None
    judged: bool = False
    volume: int | None = None
    format: str = "csv"

    @cached_property
    def classifier(self) -> BundleClassifier:
        """What the bundle says about its classifier."""
        loaded = load_classifier(self.bundle)
        return loaded if self.volume is None else replace(loaded, config=replace(loaded.config, volume=self.volume))

    @cached_property
    def chosen_runtime(self) -> str:
        """The runtime that computes."""
        return choose_runtime(self.bundle, self.runtime, self.chosen_device)

    @cached_property
    def chosen_device(self) -> str:
        """Where it computes."""
        if self.device == "cpu":
            return "cpu"  # looking for others takes importing torch
        from medsynth.training.devices import resolve_device

        return resolve_device(self.device)

    @cached_property
    def chosen_threads(self) -> int:
        """Batches worked on at once."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.threads or cores

    @cached_property
    def logits(self) -> Runtime:
        """The classifier, loaded."""
        return load_runtime(
            self.classifier, self.chosen_runtime, threads=self.chosen_threads, device=self.chosen_device
        )

    @cached_property
    def intervals(self) -> Intervals | None:
        """Test-time augmentation, if asked for."""
        if not self.tta:
            return None
        from medsynth.inference.predict.spread import make_intervals

        return make_intervals(self.classifier, self.logits, self.tta)

    @cached_property
    def judges(self) -> Judges | None:
        """Says how far images are from those of training, if that is wanted.

        Raises:
            InputError: the bundle does not tell, or its extractor is not installed.
        """
        if not self.judged:
            return None
        from medsynth.inference.flags.judges import NO_FEATURES, load_image_flags

        flags = load_image_flags(self.bundle, self.chosen_device)
        if flags is None:
            raise InputError(NO_FEATURES, hint="Leave out --flags, or export the bundle with evaluator image-quality.")
        return flags.of_images

    @cached_property
    def painter(self) -> Painter | None:
        """Writes heatmaps, if asked for."""
        if self.heatmaps is None:
            return None
        from medsynth.inference.predict.heatmaps import make_painter

        if self.bundle.origin.get("form") == "portable":
            hint = "Use the bundle in source form that it was made of."
            raise InputError(f"--heatmaps need network code, and {self.bundle.root} is portable", hint=hint)
        return make_painter(self.bundle.network(), self.heatmaps)

    @cached_property
    def reports(self) -> SeriesReports | None:
        """Writes structured reports, if asked for.

        Raises:
            InputError: highdicom is not installed, or what is there would be overwritten.
        """
        if self.format != REPORTS:
            return None
        check_reports(self.out)
        from medsynth.inference.predict.reports.report_series import SeriesReports
        from medsynth.inference.predict.reports.structured_report import Algorithm

        algorithm = Algorithm(
            name=str(self.bundle.metadata["name"]),
            version=str(self.bundle.metadata["version"]),
            digest=self.bundle.digest,
            runtime=self.chosen_runtime,
            threshold=self.classifier.threshold,
            classes=self.classifier.classes,
        )
        return SeriesReports(reports_folder(self.out), algorithm)

    def carry_out(self, watch: Watch, stop: Stop) -> PredictionSummary:
        """Write the table and the heatmaps; errors as of `medsynth.inference.predict.prediction.predict_files`."""
        job = PredictionJob(
            classifier=self.classifier,
            runtime=self.logits,
            images=self.images,
            out=self.out,
            batch=self.batch,
            threads=self.chosen_threads,
            intervals=self.intervals,
            judges=self.judges,
            painter=self.painter,
            heatmaps=self.heatmaps,
            reports=self.reports,
            watch=watch,
            stop=stop,
        )
        return predict_files(job)
