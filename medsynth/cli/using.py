"""Options of commands that use a bundle's networks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsynth.cli.shared import BUNDLE_OR_RUN
from medsynth.inference.export_formats import RUNTIMES

UsedBundle = Annotated[Path, typer.Argument(help=BUNDLE_OR_RUN, show_default=False)]
RuntimeName = Annotated[
    str, typer.Option(help=f"auto, {', '.join(RUNTIMES)}; auto: the first that is installed and exported.")
]
Batch = Annotated[int, typer.Option(help="Images in one step.", min=1)]
Images = Annotated[
    list[Path],
    typer.Argument(
        metavar="IMAGES...", help="Images, volumes, DICOM files, folders of these, manifests.", show_default=False
    ),
]
Threads = Annotated[int, typer.Option(help="Batches worked on at once; 0: as many as there are cores.", min=0)]
Copies = Annotated[int, typer.Option(help="Add an interval from this many changed copies of each image.", min=0)]
Heatmaps = Annotated[
    Path | None, typer.Option(help="Folder for overlays of Grad-CAM and attention.", show_default=False)
]
LabeledData = Annotated[
    str,
    typer.Argument(
        metavar="DATA", help="Manifest, or folder of labeled images, e.g. one folder per class.", show_default=False
    ),
]
Source = Annotated[
    Path,
    typer.Argument(
        metavar="INPUT", help="Image, volume, DICOM file, folder of these, or manifest.", show_default=False
    ),
]
Translations = Annotated[Path, typer.Option(help="Folder for the translations.", show_default=False)]
Size = Annotated[str, typer.Option(help="network: resized for the network and back; native: at each image's own size.")]
Slices = Annotated[int, typer.Option(help="Images or slices translated in one step.", min=1)]
ShowGroups = Annotated[bool, typer.Option("--show-names", help="Call centers and other groups by name in the scores.")]
ShowSources = Annotated[
    bool, typer.Option("--show-names", help="Call DICOM files like their sources instead of by pseudonyms.")
]
KeepOld = Annotated[bool, typer.Option("--resume", help="Keep what OUT already holds, translate the rest.")]
