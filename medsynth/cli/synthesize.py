"""``medsynth synthesize``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsynth.cli.foreign import GIB, MINUTES, MemoryLimit, TimeLimit, Trust, guard
from medsynth.cli.shared import BUNDLE_OR_RUN, Json, check_choice, errors, friendly, left_out_shown, output
from medsynth.inference.translated_formats import FORMATS, SIZES

if TYPE_CHECKING:
    from medsynth.inference.translate.translation import TranslationSummary


@friendly
def synthesize_command(
    bundle: Annotated[Path, typer.Argument(help=BUNDLE_OR_RUN, show_default=False)],
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT", help="Image, volume, DICOM file, folder of these, or manifest.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the translations.", show_default=False)],
    file_format: Annotated[
        str, typer.Option("--format", help="png, nifti or dicom; default: that of each input.")
    ] = "",
    size: Annotated[
        str, typer.Option(help="network: resized for the network and back; native: at each image's own size.")
    ] = "network",
    batch: Annotated[int, typer.Option(help="Images or slices translated in one step.", min=1)] = 16,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Keep what OUT already holds, translate the rest.")] = False,
    show_names: Annotated[
        bool, typer.Option("--show-names", help="Call DICOM files like their sources instead of by pseudonyms.")
    ] = False,
    trust: Trust = False,
    time_limit: TimeLimit = MINUTES,
    memory_limit: MemoryLimit = GIB,
    as_json: Json = False,
) -> None:
    """Translate images, volumes or DICOM series with the generator of a bundle.

    This executes the network code that the bundle holds, if the bundle was made here, is trusted, or passes
    `medsynth bundle audit`.
    """
    check_choice("--size", size, SIZES)
    check_choice("--format", file_format, ("", *FORMATS))
    from medsynth.bundle.opening.opened import TRANSLATOR

    opened = guard(bundle, TRANSLATOR, trust=trust, minutes=time_limit, gib=memory_limit, folders=[out])

    from medsynth.base.progress import watch
    from medsynth.base.stopping import stop_on_signals
    from medsynth.inference.translate.translation import TranslationJob, synthesize_files
    from medsynth.inference.translate.translator import load_translator
    from medsynth.training.devices import resolve_device

    translator = load_translator(opened, resolve_device(device))
    with stop_on_signals() as stop:
        job = TranslationJob(
            translator=translator,
            source=source,
            out=out,
            format=file_format,
            size=size,
            batch=batch,
            resume=resume,
            show_names=show_names,
            watch=watch(errors),
            stop=stop,
        )
        summary = synthesize_files(job)
    _show(summary, out, as_json)
    if summary.failures:
        raise typer.Exit(1)


def _show(summary: TranslationSummary, out: Path, as_json: bool) -> None:
    counts = {"translated": summary.translated, "skipped": summary.skipped, "ignored": summary.ignored}
    if as_json:
        failures = [{"file": name, "problem": problem} for name, problem in summary.failures]
        content = {
            "schema": 1,
            "out": str(out),
            **counts,
            "left_out": summary.left_out,
            "failed": len(failures),
            "failures": failures,
        }
        typer.echo(json.dumps(content, indent=2))
        return
    shown = [f"translated {summary.translated}"]
    shown += [f"there before {summary.skipped}"] if summary.skipped else []
    shown += left_out_shown(summary.left_out)
    shown += [f"failed {len(summary.failures)}, see {out / 'errors.csv'}"] if summary.failures else []
    output.print("\n".join([*shown, f"out  {out}"]), markup=False, highlight=False, soft_wrap=True)
