"""``medsynth synthesize``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from medsynth.cli.common.foreign import GIB, MINUTES, Confines, MemoryLimit, TimeLimit, Trust, guard
from medsynth.cli.common.options import KeepOld, ShowSources, Size, Slices, Source, Translations, UsedBundle, Volume
from medsynth.cli.common.shared import Json, answer, carried_out, check_choice, friendly, left_out_shown
from medsynth.inference.translated_formats import FORMATS, SIZES

if TYPE_CHECKING:
    from medsynth.inference.translate.asked_translation import AskedTranslation
    from medsynth.inference.translate.translation import TranslationSummary


@friendly
def synthesize_command(
    bundle: UsedBundle,
    source: Source,
    *,
    out: Translations,
    file_format: Annotated[
        str, typer.Option("--format", help="png, nifti or dicom; default: that of each input.")
    ] = "",
    size: Size = "network",
    batch: Slices = 16,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    resume: KeepOld = False,
    show_names: ShowSources = False,
    flags: Annotated[
        bool, typer.Option("--flags/--no-flags", help="Write flags.csv: which translations to distrust, and why.")
    ] = True,
    volume: Volume = None,
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
    opened = guard(bundle, "translator", Confines(trust=trust, minutes=time_limit, gib=memory_limit), folders=[out])
    from medsynth.inference.translate.asked_translation import AskedTranslation

    asked = AskedTranslation(
        bundle=opened,
        source=source,
        out=out,
        format=file_format,
        size=size,
        batch=batch,
        device=device,
        resume=resume,
        show_names=show_names,
        judged=flags,
        volume=volume,
    )
    _carry_out(asked, as_json)


def _carry_out(asked: AskedTranslation, as_json: bool) -> None:
    summary = carried_out(asked.carry_out)
    _show(summary, asked, as_json)
    if summary.failures:
        raise typer.Exit(1)


def _show(summary: TranslationSummary, asked: AskedTranslation, as_json: bool) -> None:
    out, unjudged = asked.out, asked.unjudged
    content = {
        "out": str(out),
        "translated": summary.translated,
        "skipped": summary.skipped,
        "ignored": summary.ignored,
        "left_out": summary.left_out,
        "suspicious": summary.suspicious,
        "unjudged": unjudged,
        "failed": len(summary.failures),
        "failures": [{"file": name, "problem": problem} for name, problem in summary.failures],
    }
    shown = [f"translated {summary.translated}"]
    shown += [f"there before {summary.skipped}"] if summary.skipped else []
    if summary.suspicious is not None:
        shown += [f"suspicious {summary.suspicious}, see {out / 'flags.csv'}"]
    shown += [unjudged] if unjudged else []
    shown += left_out_shown(summary.left_out)
    shown += [f"failed {len(summary.failures)}, see {out / 'errors.csv'}"] if summary.failures else []
    answer(as_json, content, *shown, f"out  {out}")
