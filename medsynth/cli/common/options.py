"""Options of commands that start runs or use a bundle's networks, and how their values are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsynth.base.errors import InputError
from medsynth.cli.common.completion import complete_plugin, complete_preset
from medsynth.cli.common.shared import BUNDLE_OR_RUN
from medsynth.door.asked import PLUGINS
from medsynth.inference.export_formats import RUNTIMES


def _plugin_option(kind: str) -> object:
    completion = complete_plugin(kind)
    return typer.Option(help=f"{kind.capitalize()} plugin.", autocompletion=completion, show_default=PLUGINS[kind])


PresetName = Annotated[
    str,
    typer.Option(
        help="quick, standard or paper; default: quick without a GPU, else standard.", autocompletion=complete_preset
    ),
]
GeneratorName = Annotated[str, _plugin_option("generator")]
ClassifierName = Annotated[str, _plugin_option("classifier")]
PlanFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="PLAN", help="plan.toml of a run, or the run's folder, to be carried out again.", show_default=False
    ),
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="The same as PLAN.", show_default=False)
]
Start = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="BUNDLE",
        help="Start from plugins, plan and weights of a bundle in source form.",
        show_default=False,
    ),
]

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
Volume = Annotated[
    int | None,
    typer.Option(
        help="Which volume of NIfTI files that hold several, from 0; default: that of the run.",
        min=0,
        show_default=False,
    ),
]
KeepOld = Annotated[bool, typer.Option("--resume", help="Keep what OUT already holds, translate the rest.")]


def one_plan(plan: Path | None, config: Path | None) -> Path | None:
    """Return the plan that was named, in whichever way.

    Raises:
        InputError: in both ways.
    """
    if plan is not None and config is not None:
        raise InputError(f"two plans are named, {plan} and --config {config}", hint="Name one of them.")
    return plan or config


def parse_seeds(text: str) -> list[int]:
    """Read seeds separated by commas; nothing where the text is empty.

    Raises:
        InputError: what is no list of whole numbers, or of none.
    """
    try:
        seeds = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        seeds = []
    if text and not seeds:
        raise InputError(f"--seeds {text!r} is not a list of whole numbers", hint="Write for example 42,142,242.")
    return seeds


def parse_names(text: str) -> list[str]:
    """Read names separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]
