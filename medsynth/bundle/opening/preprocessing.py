"""A bundle's list of MONAI transforms, back to the config that medsynth makes it from. Imports nothing heavy."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from medsynth.base.errors import InputError
from medsynth.data.config import DataConfig
from medsynth.data.formats.chains import Chain, DomainInfo, channels_of, preprocessing_config
from medsynth.data.formats.probing import Format
from medsynth.data.formats.windows import Window

_CHOSEN = re.compile(r"x\[\.\.\., (\d+)\]")
_KINDS = {"PILReader": "raster", "NibabelReader": "nifti", "ITKReader": "dicom"}


def config_of(chain: Sequence[Mapping[str, Any]], asked: Mapping[str, Any], window: Window | None) -> DataConfig:
    """Return the config that gives exactly the bundle's preprocessing, so that it can be given for other formats.

    Args:
        chain: the bundle's transforms for one source file.
        asked: ``data`` of the run's plan; intensity ``range`` there means the 8-bit range for every file.
        window: that the metadata state.

    Raises:
        InputError: this version of medsynth would preprocess in another way.
    """
    by_name = {str(step["_target_"]).rpartition(".")[2]: step for step in chain}
    info = DomainInfo("ScaleIntensityRanged" in by_name, window)
    intensity = (
        "percentile"
        if not info.eight_bit
        else ("range" if asked.get("intensity") == "range" and not window else "auto")
    )
    square, fit = "Resized" not in by_name, "pad" if "SpatialPadd" in by_name else "stretch"
    sides = by_name["SpatialPadd" if fit == "pad" else "Resized"]["spatial_size"]
    for channels in (1, 3):
        config = DataConfig(
            size=sides[0],
            channels=channels,
            fit=fit,
            square=square,
            intensity=intensity,
            window=window.text if window else "",
            neighbors=int(asked.get("neighbors", 0)),
            smooth=bool(asked.get("smooth", False)),
            volume=int(asked.get("volume", -1)),
        )
        if json.loads(json.dumps(_same_kind(chain, by_name, info, config))) == list(chain):
            return config
    hint = "Export it again, or run its configs/translate.json with: python -m monai.bundle run"
    raise InputError("the bundle's preprocessing is not one that this version of medsynth makes", hint=hint)


def _same_kind(
    chain: Sequence[Mapping[str, Any]],
    by_name: Mapping[str, Mapping[str, Any]],
    info: DomainInfo,
    config: DataConfig,
) -> Chain:
    kind: Any = _KINDS.get(by_name["LoadImaged"]["reader"], "")
    index, depth = None, 0
    if "SpatialCropd" in by_name:
        index = by_name["SpatialCropd"]["roi_start"][2]
        depth = index + 1
    elif chosen := _CHOSEN.findall(str(by_name["Lambdad"]["func"])):
        slices = [int(number) for number in chosen]
        index, depth = slices[config.neighbors], max(slices) + 1
    several = config.volume >= 0 and chain[1]["func"] == channels_of(config.channels, config.volume)
    axes = by_name["Orientationd"]["axcodes"] if "Orientationd" in by_name else ""
    return preprocessing_config(info, config, Format(kind, depth, axes, config.volume if several else None), index)
