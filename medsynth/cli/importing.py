"""``medsynth data import``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsynth.base.errors import InputError
from medsynth.cli.common.shared import Json, friendly, left_out_shown, print_table, say, say_json

if TYPE_CHECKING:
    from medsynth.data.importing.importer import Imported


Source = Annotated[
    Path,
    typer.Argument(
        metavar="SOURCE", help="Folder or file with source images, or with those of both domains.", show_default=False
    ),
]
Out = Annotated[Path | None, typer.Option(help="New folder for manifest.csv.", show_default=False)]
Target = Annotated[Path | None, typer.Option(help="Folder or file with target images.", show_default=False)]
SourceSeries = Annotated[
    str,
    typer.Option(
        metavar="PATTERN",
        help="Which images are source: DICOM series as data.series takes them; else kind, folder or file name.",
    ),
]
TargetSeries = Annotated[str, typer.Option(metavar="PATTERN", help="Which images are target.")]
Labels = Annotated[Path | None, typer.Option(metavar="FILE", help="CSV table of labels.", show_default=False)]
Join = Annotated[
    str, typer.Option(metavar="COLUMN", help="Its column that names images or patients; default: found out.")
]
Label = Annotated[str, typer.Option(metavar="COLUMN", help="Its column of labels; of MedMNIST the number of a label.")]
FromMask = Annotated[
    bool, typer.Option("--label-from-mask", help="Positive are images, and slices, whose mask is not empty.")
]
Masks = Annotated[str, typer.Option(metavar="PATTERN", help="Names of the masks that count.")]
Positive = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Name of the positive class; repeat for several.")
]
SourceLabel = Annotated[str, typer.Option(metavar="1|0", help="Label of source images that have none.")]
Pattern = Annotated[
    str, typer.Option(metavar="REGEX", help="Finds the patient in a file's path, where no tag or BIDS name does.")
]
LayoutName = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="manifest, cyclegan, domains, nnunet, bids, medmnist or folder; default: recognized."
    ),
]


@friendly
def import_command(
    source: Source,
    *,
    out: Out = None,
    target: Target = None,
    source_series: SourceSeries = "",
    target_series: TargetSeries = "",
    labels: Labels = None,
    join: Join = "",
    label: Label = "",
    label_from_mask: FromMask = False,
    masks: Masks = "",
    positive: Positive = None,
    source_label: SourceLabel = "",
    patient_pattern: Pattern = "",
    layout: LayoutName = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Write a manifest for images in any known layout, and say what was assumed.

    Known are BIDS, DICOM trees, nnU-Net, MedMNIST, a table of labels beside a folder, CycleGAN folders, class folders
    and folders of volumes. SOURCE holds both domains, or --target names the other. Images stay where they are.
    """
    from medsynth.data.importing.image_items import ImportRequest
    from medsynth.data.importing.importer import import_images

    if out is None and not dry_run:
        raise InputError(
            "where to write the manifest is not said", hint="Name a new folder with --out, or use --dry-run."
        )
    request = ImportRequest(
        source=source,
        target=target,
        layout=layout,
        source_series=source_series,
        target_series=target_series,
        labels=labels,
        join=join,
        label=label,
        label_from_mask=label_from_mask,
        masks=masks,
        positive=tuple(positive or ()),
        source_label=source_label,
        patient_pattern=patient_pattern,
    )
    imported = import_images(request, None if dry_run else out)
    if as_json:
        say_json(imported.as_dict())
        return
    _show(imported, out)


def _show(imported: Imported, out: Path | None) -> None:
    for text in imported.said:
        say(text)
    for text in left_out_shown(imported.left_out):
        say(f"{text[:1].upper()}{text[1:]}.")
    say("")
    columns = list(dict.fromkeys(name for row in imported.counts.values() for name in row))
    rows = ((domain, *(f"{row.get(name, 0):,}" for name in columns)) for domain, row in imported.counts.items())
    print_table(("domain", *columns), rows)
    say("")
    place = shlex.quote(str(out)) if out else "FOLDER"
    say(f"written  {imported.manifest}" if imported.manifest else "Nothing was written, as --dry-run says.")
    more = ""
    if imported.missing:
        say("What source images show is not known; synthetic images inherit it: 1 or 0 in the next command.")
        more = f" --set {imported.missing}=0"
    say(f"next     medsynth data check --data {place}{more}")
