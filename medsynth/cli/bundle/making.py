"""``medsynth bundle init`` and ``export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsynth.base.errors import InputError
from medsynth.cli.common.completion import complete_plugin
from medsynth.cli.common.foreign import GIB, MINUTES, Confines, MemoryLimit, TimeLimit, Trust, guard
from medsynth.cli.common.options import PresetName
from medsynth.cli.common.shared import Json, Set, answer, check_choice, friendly
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


_FORMS = ("portable", "source")


@friendly
def export_command(
    bundle: Annotated[Path, typer.Argument(metavar="RUN", help="Run, or its bundle.", show_default=False)],
    *,
    form: Annotated[str, typer.Option(help="portable: no code, networks as TorchScript; source: trainable again.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder that receives the bundle.", show_default=False)],
    zipped: Annotated[bool, typer.Option("--zip", help="Write a zip file instead of a folder.")] = False,
    trust: Trust = False,
    time_limit: TimeLimit = MINUTES,
    memory_limit: MemoryLimit = GIB,
    as_json: Json = False,
) -> None:
    """Write a run's bundle into a folder named after it, to be given to others.

    The portable form holds no Python code, and `medsynth bundle audit` allows it. To write it, the network code in
    the bundle is executed, if the bundle was made here or is trusted.
    """
    check_choice("--form", form, _FORMS)
    from medsynth.bundle.audit import audit_bundle
    from medsynth.bundle.checking.verification import verify_bundle
    from medsynth.bundle.opening.opened import CLASSIFIER, open_bundle
    from medsynth.inference.export.forms import export_bundle

    opened = (
        guard(bundle, "classifier", Confines(trust=trust, minutes=time_limit, gib=memory_limit), folders=[out])
        if form == "portable"
        else open_bundle(bundle, CLASSIFIER)
    )
    path = export_bundle(opened, out, form=form, zipped=zipped)
    digest, verdict = verify_bundle(path).digest, audit_bundle(path).verdict
    content = {"bundle": str(path), "form": form, "sha256": digest, "audit": str(verdict)}
    answer(as_json, content, f"audit   {verdict}", f"sha256  {digest}", f"bundle  {path}")
