"""``medsynth predict``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsynth.cli.foreign import GIB, MINUTES, MemoryLimit, TimeLimit, Trust, guard
from medsynth.cli.shared import BUNDLE_OR_RUN, Json, check_choice, errors, friendly, left_out_shown, output
from medsynth.inference.export_formats import RUNTIMES

if TYPE_CHECKING:
    from medsynth.inference.bundle_classifier import BundleClassifier
    from medsynth.inference.predict.prediction import Intervals, Painter, PredictionSummary
    from medsynth.inference.runtimes import Runtime


@friendly
def predict_command(
    bundle: Annotated[Path, typer.Argument(help=BUNDLE_OR_RUN, show_default=False)],
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGES...", help="Images, volumes, DICOM files, folders of these, manifests.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option(help="Table to write.")] = Path("predictions.csv"),
    runtime: Annotated[
        str, typer.Option(help=f"auto, {', '.join(RUNTIMES)}; auto: the first that is installed and exported.")
    ] = "auto",
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto; other than cpu needs PyTorch.")] = "cpu",
    batch: Annotated[int, typer.Option(help="Images in one step.", min=1)] = 4,
    threads: Annotated[int, typer.Option(help="Batches worked on at once; 0: as many as there are cores.", min=0)] = 0,
    tta: Annotated[int, typer.Option(help="Add an interval from this many changed copies of each image.", min=0)] = 0,
    heatmaps: Annotated[
        Path | None, typer.Option(help="Folder for overlays of Grad-CAM and attention.", show_default=False)
    ] = None,
    trust: Trust = False,
    time_limit: TimeLimit = MINUTES,
    memory_limit: MemoryLimit = GIB,
    as_json: Json = False,
) -> None:
    """Predict the probability of the positive class of images with the classifier of a bundle.

    With the runtime pytorch or with heatmaps this executes the network code that the bundle holds, with torchscript the
    program in its export, if the bundle was made here, is trusted, or passes `medsynth bundle audit`.
    """
    check_choice("--runtime", runtime, ("auto", *RUNTIMES))
    from medsynth.bundle.opening.opened import CLASSIFIER

    opened = guard(
        bundle,
        CLASSIFIER,
        trust=trust,
        minutes=time_limit,
        gib=memory_limit,
        folders=[heatmaps] if heatmaps else (),
        tables=[out],
    )

    from medsynth.base.progress import watch
    from medsynth.base.stopping import Stop, stop_on_signals
    from medsynth.inference.bundle_classifier import load_classifier
    from medsynth.inference.predict.prediction import PredictionJob, predict_files
    from medsynth.inference.runtimes import choose_runtime, load_runtime

    classifier = load_classifier(opened)
    device = _device(device)
    chosen = choose_runtime(classifier.bundle, runtime, device)
    threads = threads or _cores()
    logits = load_runtime(classifier, chosen, threads=threads, device=device)
    with stop_on_signals(Stop("stopped on request; no table was written", hint="Run the command again.")) as stop:
        job = PredictionJob(
            classifier=classifier,
            runtime=logits,
            images=images,
            out=out,
            batch=batch,
            threads=threads,
            intervals=_intervals(classifier, logits, tta),
            painter=_painter(classifier, heatmaps),
            heatmaps=heatmaps,
            watch=watch(errors),
            stop=stop,
        )
        summary = predict_files(job)
    _show(summary, out, chosen, as_json)
    if summary.failures:
        raise typer.Exit(1)


def _intervals(classifier: BundleClassifier, runtime: Runtime, times: int) -> Intervals | None:
    if not times:
        return None
    from medsynth.inference.predict.spread import make_intervals

    return make_intervals(classifier, runtime, times)


def _painter(classifier: BundleClassifier, folder: Path | None) -> Painter | None:
    if folder is None:
        return None
    from medsynth.base.errors import InputError
    from medsynth.inference.predict.heatmaps import make_painter

    if classifier.bundle.origin.get("form") == "portable":
        hint = "Use the bundle in source form that it was made of."
        raise InputError(f"--heatmaps need network code, and {classifier.bundle.root} is portable", hint=hint)
    return make_painter(classifier.bundle.network(), folder)


def _device(name: str) -> str:
    if name == "cpu":
        return name  # looking for others takes importing torch
    from medsynth.training.devices import resolve_device

    return resolve_device(name)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _show(summary: PredictionSummary, out: Path, runtime: str, as_json: bool) -> None:
    if as_json:
        content = {
            "schema": 1,
            "out": str(out),
            "runtime": runtime,
            "predicted": summary.predicted,
            "positive": summary.positive,
            "ignored": summary.ignored,
            "left_out": summary.left_out,
            "failed": len(summary.failures),
            "failures": [{"file": name, "problem": problem} for name, problem in summary.failures],
        }
        typer.echo(json.dumps(content, indent=2))
        return
    shown = [f"predicted {summary.predicted}, positive {summary.positive}, with {runtime}"]
    shown += left_out_shown(summary.left_out)
    shown += [f"failed {len(summary.failures)}, see the column error"] if summary.failures else []
    output.print("\n".join([*shown, f"out  {out}"]), markup=False, highlight=False, soft_wrap=True)
