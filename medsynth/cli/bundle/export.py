"""``medsynth bundle export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsynth.cli.common.foreign import GIB, MINUTES, Confines, MemoryLimit, TimeLimit, Trust, guard
from medsynth.cli.common.shared import Json, answer, check_choice, friendly

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
