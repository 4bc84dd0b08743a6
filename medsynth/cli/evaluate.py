"""``medsynth evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsynth.base.errors import InputError
from medsynth.cli.common.foreign import GIB, MINUTES, Confines, MemoryLimit, TimeLimit, Trust, guard
from medsynth.cli.common.options import Batch, LabeledData, RuntimeName, ShowGroups, UsedBundle
from medsynth.cli.common.shared import Json, Set, carried_out, check_choice, friendly, left_out_shown, say
from medsynth.cli.run import show_scores
from medsynth.inference.export_formats import RUNTIMES

if TYPE_CHECKING:
    from medsynth.door.judged import AskedJudgment

SPLITS = ("", "train", "val", "test")


@friendly
def evaluate_command(
    bundle: UsedBundle,
    data: LabeledData,
    *,
    split: Annotated[str, typer.Option(help="Only this split of a manifest: train, val or test.")] = "",
    out: Annotated[Path, typer.Option(help="Scores to write.")] = Path("scores.json"),
    sets: Set = None,
    runtime: RuntimeName = "auto",
    batch: Batch = 4,
    show_names: ShowGroups = False,
    trust: Trust = False,
    time_limit: TimeLimit = MINUTES,
    memory_limit: MemoryLimit = GIB,
    as_json: Json = False,
) -> None:
    """Score the classifier of a bundle on labeled images: metrics with intervals from resampling patients.

    Of DATA the target images with a label count, at the threshold that the bundle brings. Centers are
    called A, B, ... in the scores; a key beside them, which is not to be given away, resolves that. --set takes
    data.FIELD=VALUE and evaluators.diagnostic.FIELD=VALUE. Executes what `medsynth predict` does.
    """
    check_choice("--runtime", runtime, ("auto", *RUNTIMES))
    check_choice("--split", split, SPLITS)
    if out.is_dir():
        raise InputError(f"--out {out} is a folder", hint="Name a file, for example scores.json.")
    from medsynth.door.judged import AskedJudgment, key_beside

    limits = Confines(trust=trust, minutes=time_limit, gib=memory_limit)
    opened = guard(bundle, "classifier", limits, tables=[out, key_beside(out)])
    settings = [*(sets or ()), *(["data.show_names=true"] if show_names else [])]
    asked = AskedJudgment(
        bundle=opened, data=data, out=out, split=split, runtime=runtime, batch=batch, settings=settings
    )
    _carry_out(asked, as_json)


def _carry_out(asked: AskedJudgment, as_json: bool) -> None:
    told = "stopped on request; no scores were written"
    scores = carried_out(asked.carry_out, told=told, hint="Run the command again.")
    if as_json:
        typer.echo(asked.out.read_text(encoding="utf-8"))
        return
    show_scores(scores)
    say(*left_out_shown(asked.labeled.left_out), f"out  {asked.out}")
