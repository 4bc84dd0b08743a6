"""``medsynth bundle init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsynth.base.errors import InputError
from medsynth.cli.common.completion import complete_plugin
from medsynth.cli.common.options import PresetName
from medsynth.cli.common.shared import Json, Set, answer, friendly
from medsynth.door.asked import PLUGINS


@friendly
def init_command(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder that receives the bundle.", show_default=False)],
    generator: Annotated[
        str, typer.Option(help="Generator plugin.", autocompletion=complete_plugin("generator"))
    ] = PLUGINS["generator"],
    classifier: Annotated[
        str, typer.Option(help="Classifier plugin.", autocompletion=complete_plugin("classifier"))
    ] = PLUGINS["classifier"],
    preset: PresetName = "quick",
    sets: Set = None,
    as_json: Json = False,
) -> None:
    """Write a bundle to start from: configs, network code, metadata, card and plan, with random weights.

    `medsynth run --from` trains it; MONAI's commands run it as it is.
    """
    from medsynth.plan.plan import make_plan
    from medsynth.plugins import Registry

    registry = Registry()
    plan = make_plan(
        registry,
        generator=generator,
        classifier=classifier,
        preset=preset,
        seeds=[42],
        device="cpu",
        overrides=sets or (),
    )
    folder = out / f"{generator}-{classifier}"
    if folder.exists():
        raise InputError(f"{folder} already exists", hint="Choose another --out.")
    from medsynth.bundle.writing.templates import write_template

    bundle = write_template(plan, registry, out)
    shown = f"bundle  {bundle}", f"next    medsynth run --from {bundle} --data DATA"
    answer(as_json, {"bundle": str(bundle)}, *shown)
