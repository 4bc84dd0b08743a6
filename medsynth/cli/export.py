"""``medsynth export``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from medsynth.base.errors import InputError
from medsynth.cli.common.foreign import GIB, MINUTES, Confines, MemoryLimit, TimeLimit, Trust, guard
from medsynth.cli.common.shared import Json, answer, check_choice, friendly
from medsynth.inference.export_formats import FORMATS


@friendly
def export_command(
    bundle: Annotated[Path, typer.Argument(help="Bundle of a run, or the run's folder.", show_default=False)],
    file_format: Annotated[str, typer.Option("--format", help=f"{', '.join(FORMATS)}.", show_default=False)],
    images: Annotated[
        list[Path] | None,
        typer.Option("--images", help="Image or folder to compare on too; repeat for more.", show_default=False),
    ] = None,
    trust: Trust = False,
    time_limit: TimeLimit = MINUTES,
    memory_limit: MemoryLimit = GIB,
    as_json: Json = False,
) -> None:
    """Write the classifier of a bundle for another runtime into the bundle, after comparing it with PyTorch.

    The export and the record of the comparison go to BUNDLE/models. This executes the network code that the bundle
    holds, if the bundle was made here, is trusted, or passes `medsynth bundle audit`.
    """
    check_choice("--format", file_format, FORMATS)
    from medsynth.inference.bundle_classifier import load_classifier
    from medsynth.inference.export.exporting import TOLERANCE, export_classifier
    from medsynth.inference.exports import RECORD

    if bundle.is_file():
        raise InputError(f"bundle {bundle} is a zip file, which no export can be put into", hint="Unpack it first.")
    written = [RECORD, *(f"models/{file}" for file in FORMATS[file_format])]
    limits = Confines(trust=trust, minutes=time_limit, gib=memory_limit)
    opened = guard(bundle, "classifier", limits, changes=written)
    classifier = load_classifier(opened)
    parity = export_classifier(classifier, file_format, images or ())
    files = [str(classifier.bundle.root / "models" / file) for file in FORMATS[file_format]]
    content = {"files": files, **dataclasses.asdict(parity), "tolerance": TOLERANCE}
    compared = f"{parity.samples} samples, {parity.given} given images, {parity.seeded} of noise"
    shown = f"largest difference from PyTorch {parity.difference:.2g} in probability ({compared})"
    answer(as_json, content, shown, *(f"out  {file}" for file in files))
