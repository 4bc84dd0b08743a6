"""The stage that reads, checks, splits and caches the images."""

from __future__ import annotations

from contextlib import ExitStack

from medsynth.base.progress import Task
from medsynth.data.images import Record
from medsynth.data.listing.paths import relative
from medsynth.data.preparing import Data, prepare
from medsynth.flow.folder.runs import Run
from medsynth.flow.stages.positives import positive_patients
from medsynth.results.stage_keys import POSITIVES
from medsynth.training.processes import leader_first


def prepare_data(run: Run) -> Data:
    """Read, check, split and cache the images."""
    with run.stage("data"), run.shared("data"), leader_first(), ExitStack() as shown:
        tasks: list[Task] = []

        def progress(done: int, total: int) -> None:
            if not tasks:
                tasks.append(shown.enter_context(run.watch.task("data: reading images", total)))
            tasks[0].advance(done)

        data = prepare(run.plan.data, run.folder / "data", seed=run.plan.data.seed, progress=progress)
        for kind, text in data.warnings:
            run.warn(kind, text)
        run.record["split"] = data.split_hash
        _count_positives(run, data)
    return data


def _count_positives(run: Run, data: Data) -> None:
    """Record how many positive patients there are to train on, and say where a plan asks for more."""
    present = len(positive_patients(data.images.select(domain="target", split="train")))
    run.record[POSITIVES] = present
    for kind, config in (("generator", run.plan.generator_config), ("classifier", run.plan.classifier_config)):
        if config.positives > present:
            text = f"{kind}.positives = {config.positives}, but the target has {present} positive training patients"
            run.warn("fewer-positives", f"{text}: all are used")


def listed_name(run: Run, data: Data, record: Record) -> str:
    """Return how the run's data/manifest.csv names an image, with the slice behind ``#`` where there is one."""
    name = relative(data.root / record.image, run.folder / "data")
    return name if record.slice is None else f"{name}#{record.slice}"
