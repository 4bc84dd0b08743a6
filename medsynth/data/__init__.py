"""Images: found, checked, split by patient, cached, and drawn for training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medsynth.data.check import Findings
    from medsynth.data.importing.importer import Imported


def check_folder(path: str | Path = "phantom", **options: Any) -> Findings:
    """Report everything found in a data set, as ``medsynth data check`` does: counts, faults, duplicates, tags.

    Args:
        path: manifest, folder of images, or ``phantom``.
        options: further fields of `medsynth.data.config.DataConfig`, such as ``size=128``.

    Raises:
        InputError: an unknown option or unusable value. What is wrong with the images is in the findings.
    """
    from medsynth.base.configuration import resolve
    from medsynth.data.check import check_data
    from medsynth.data.config import DataConfig

    config = resolve(DataConfig, [{"path": str(path)}, options], where="data")
    return check_data(config, config.seed)


def import_folder(
    source: str | Path, out: str | Path | None, *, target: str | Path | None = None, **options: Any
) -> Imported:
    """Write a manifest for images in any known layout, as ``medsynth data import`` does, and return what it says.

    Args:
        source: folder or file with source images, or with those of both domains.
        out: new folder for ``manifest.csv``; None to write nothing.
        target: folder or file with target images, if they lie elsewhere.
        options: further fields of `medsynth.data.importing.image_items.ImportRequest`, such as ``positive="ill"``.

    Raises:
        InputError: what lies there is unknown, ambiguous or unusable, `out` is not empty, or an option
            is unknown. Nothing is written.
    """
    from dataclasses import fields

    from medsynth.base.configuration import nearest
    from medsynth.base.errors import InputError
    from medsynth.data.importing.image_items import ImportRequest
    from medsynth.data.importing.importer import import_images

    known = {one.name for one in fields(ImportRequest)} - {"source", "target"}
    if unknown := sorted(options.keys() - known):
        raise InputError(f"option {unknown[0]!r} is unknown", hint=nearest(unknown[0], known))
    if isinstance(options.get("positive"), str):
        options["positive"] = (options["positive"],)
    if options.get("labels"):
        options["labels"] = Path(options["labels"])
    request = ImportRequest(source=Path(source), target=Path(target) if target else None, **options)
    return import_images(request, Path(out) if out else None)
