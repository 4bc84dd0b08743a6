"""``medsynth predict``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsynth.cli.common.foreign import GIB, MINUTES, Confines, MemoryLimit, TimeLimit, Trust, guard
from medsynth.cli.common.options import Batch, Copies, Heatmaps, Images, RuntimeName, Threads, UsedBundle, Volume
from medsynth.cli.common.shared import Json, answer, carried_out, check_choice, friendly, left_out_shown
from medsynth.inference.export_formats import RUNTIMES
from medsynth.inference.predicted_formats import FORMATS, REPORTS, check_reports, reports_folder

if TYPE_CHECKING:
    from medsynth.inference.predict.asked_prediction import AskedPrediction
    from medsynth.inference.predict.prediction import PredictionSummary


@friendly
def predict_command(
    bundle: UsedBundle,
    images: Images,
    *,
    out: Annotated[Path, typer.Option(help="Table to write.")] = Path("predictions.csv"),
    file_format: Annotated[
        str,
        typer.Option("--format", help="csv; dicom-sr: also a structured report for each DICOM series, in OUT-sr."),
    ] = "csv",
    runtime: RuntimeName = "auto",
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto; other than cpu needs PyTorch.")] = "cpu",
    batch: Batch = 4,
    threads: Threads = 0,
    tta: Copies = 0,
    heatmaps: Heatmaps = None,
    flags: Annotated[
        bool, typer.Option("--flags", help="Add how far each image is from those of training, and whether too far.")
    ] = False,
    volume: Volume = None,
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
    check_choice("--format", file_format, FORMATS)
    folders = [heatmaps] if heatmaps else []
    if file_format == REPORTS:
        check_reports(out)
        folders.append(reports_folder(out))
    limits = Confines(trust=trust, minutes=time_limit, gib=memory_limit)
    opened = guard(bundle, "classifier", limits, folders=folders, tables=[out])
    from medsynth.inference.predict.asked_prediction import AskedPrediction

    asked = AskedPrediction(
        bundle=opened,
        images=images,
        out=out,
        runtime=runtime,
        device=device,
        batch=batch,
        threads=threads,
        tta=tta,
        heatmaps=heatmaps,
        judged=flags,
        volume=volume,
        format=file_format,
    )
    _carry_out(asked, as_json)


def _carry_out(asked: AskedPrediction, as_json: bool) -> None:
    told = "stopped on request; no table was written"
    summary = carried_out(asked.carry_out, told=told, hint="Run the command again.")
    _show(summary, asked.out, asked.chosen_runtime, as_json)
    if summary.failures:
        raise typer.Exit(1)


def _show(summary: PredictionSummary, out: Path, runtime: str, as_json: bool) -> None:
    content = {
        "out": str(out),
        "runtime": runtime,
        "predicted": summary.predicted,
        "positive": summary.positive,
        "suspicious": summary.suspicious,
        "ignored": summary.ignored,
        "left_out": summary.left_out,
        **({} if summary.reports is None else {"reports": summary.reports, "reports_in": str(reports_folder(out))}),
        "failed": len(summary.failures),
        "failures": [{"file": name, "problem": problem} for name, problem in summary.failures],
    }
    shown = [f"predicted {summary.predicted}, positive {summary.positive}, with {runtime}"]
    if summary.suspicious is not None:
        shown += [f"suspicious {summary.suspicious}, see the column suspicious"]
    shown += left_out_shown(summary.left_out)
    shown += [f"failed {len(summary.failures)}, see the column error"] if summary.failures else []
    shown += [f"out  {out}"]
    shown += [f"out  {reports_folder(out)}, structured reports: {summary.reports}"] if summary.reports else []
    answer(as_json, content, *shown)
