"""Pixels: one list of MONAI transforms, instantiated here and written as it is into runs and bundles."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsynth.base.errors import InputError
from medsynth.data.config import DataConfig
from medsynth.data.formats.probing import PERCENTILES, QUANTILES, Facts, Format
from medsynth.data.formats.proportions import keeps_proportions, resizing_expression, shown_aspects
from medsynth.data.formats.resizing import fit
from medsynth.data.formats.several import read_chosen
from medsynth.data.formats.stacks import Stacks
from medsynth.data.formats.windows import Window
from medsynth.reading import upright

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from medsynth.reading import Image

Chain = list[dict[str, Any]]

_READERS = {"raster": "PILReader", "nifti": "NibabelReader", "dicom": "ITKReader", "itk": "ITKReader"}
# Palettes hold indices, not brightness, and must be looked up before anything else.
_TO_PLAIN_MODE = (
    "$lambda image: image if image.mode in ('L', 'LA', 'RGB', 'RGBA', 'F', 'I') or image.mode.startswith('I;')"
    " else image.convert('RGB')"
)
_TO_GREY = "$lambda x: x[:3].mean(0, keepdim=True) if x.shape[0] >= 3 else x[:1]"
_TO_COLOR = "$lambda x: x[[0, 1, 2] if x.shape[0] >= 3 else [0, 0, 0]]"
_BEYOND = 1 << 30


@dataclass(frozen=True)
class DomainInfo:
    """What the files of a domain have in common.

    Args:
        eight_bit: all files hold 8-bit values, so that their full range is comparable.
        window: values that all of them are scaled by; None where each file, or its type, gives its own.
    """

    eight_bit: bool
    window: Window | None = None


def domain_info(facts: Iterable[Facts], window: Window | None = None) -> DomainInfo:
    """Summarize the files of a domain, whose window gets their unit."""
    known = list(facts)
    units = {fact.header.unit for fact in known}
    named = window and replace(window, unit=units.pop() if len(units) == 1 else "")
    return DomainInfo(all(fact.eight_bit for fact in known), named)


def measured_window(domain: str, facts: Sequence[Facts]) -> Window:
    """Return the percentiles of the values of all files together, where a scanner wrote one.

    Each file is represented by its quantiles, which places the percentiles within a thousandth of the values.

    Raises:
        InputError: both are equal.
    """
    import numpy as np

    values = np.array([fact.quantiles for fact in facts]).ravel()
    weights = np.repeat([fact.count / QUANTILES for fact in facts], QUANTILES)
    order = np.argsort(values)
    shares = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    low, high = (float(f"{np.interp(p / 100, shares, values[order]):.6g}") for p in PERCENTILES)
    if not low < high:
        message = f"all {domain} images together have the value {low:g} in 99 % of their pixels"
        raise InputError(message, hint=f"Say which values to show: --set data.window={domain}=LOW:HIGH")
    return Window(low, high)


def preprocessing_config(
    info: DomainInfo, config: DataConfig, found: Format | None = None, index: int | None = None
) -> Chain:
    """Return the preprocessing as a list of MONAI transform configs for items ``{"image": path}``.

    The result of the chain is a plain (C, size, size) float32 tensor in [-1, 1], rows first. Affines stay correct
    up to the last but one transform; then they are dropped.

    Args:
        info: the domain, which has a window or decides the intensity scale under ``intensity="auto"``.
        config: size, channels, fit, intensity and neighbors, with which the result is a stack of slices.
        found: format of the file; default is a 2D image file.
        index: slice or frame; by default the middle one where the file has several.
    """
    found = found or Format("raster")
    return [*whole_file_config(info, config, found), *_one_slice(config, found, index)]


def whole_file_config(info: DomainInfo, config: DataConfig, found: Format) -> Chain:
    """Return the first part of the preprocessing: load, grey or color, scale to [-1, 1], and reorient volumes.

    The first two transforms leave the values as they are stored, or their mean over color channels.
    """
    load = _transform("LoadImaged", reader=_READERS[found.kind], image_only=True, ensure_channel_first=True)
    if found.kind == "raster":
        load["converter"] = _TO_PLAIN_MODE
    chain = [load, _transform("Lambdad", func=channels_of(config.channels, found.volume))]
    target = {"b_min": -1.0, "b_max": 1.0, "clip": True}
    if info.window:
        chain.append(_transform("ScaleIntensityRanged", a_min=info.window.low, a_max=info.window.high, **target))
    elif config.intensity == "dataset":
        hint = "Name the values: --set data.window=LOW:HIGH"
        raise InputError("data.intensity=dataset is measured on images, and here are none", hint=hint)
    elif config.intensity == "range" or (config.intensity == "auto" and info.eight_bit):
        chain.append(_transform("ScaleIntensityRanged", a_min=0.0, a_max=255.0, **target))
    else:
        lower, upper = PERCENTILES
        chain.append(_transform("ScaleIntensityRangePercentilesd", lower=lower, upper=upper, **target))
    if found.axes:
        # MONAI 1.6 wants the letters spelled out, because it will take them from the image's space one day
        chain.append(_transform("Orientationd", axcodes=found.axes, labels=[["L", "R"], ["P", "A"], ["I", "S"]]))
    return chain


def channels_of(channels: int, volume: int | None) -> str:
    """Return the expression that makes channels grey or color; those of a file with several volumes are its volumes."""
    if volume is None:
        return _TO_GREY if channels == 1 else _TO_COLOR
    return f"$lambda x: x[{volume}:{volume + 1}]" if channels == 1 else f"$lambda x: x[[{volume}, {volume}, {volume}]]"


def _one_slice(config: DataConfig, found: Format, index: int | None) -> Chain:
    k = found.depth // 2 if index is None else index
    if n := config.neighbors:
        # the slices lie side by side as channels; an image without any is repeated
        several = [f"x[..., {min(max(k + offset, 0), found.depth - 1)}]" for offset in range(-n, n + 1)]
        image = f"torch.cat([{', '.join(several if found.depth else ['x'] * (2 * n + 1))}])"
        if keeps_proportions(config):
            return fitting_config(config, image)
        return [_transform("Lambdad", func=f"$lambda x: {image}"), *fitting_config(config)]
    if not found.depth:
        return fitting_config(config)
    crop = _transform("SpatialCropd", roi_start=[0, 0, k], roi_end=[_BEYOND, _BEYOND, k + 1])
    if keeps_proportions(config):
        return [crop, *fitting_config(config, "x[..., 0]")]
    return [crop, _transform("SqueezeDimd", dim=-1), *fitting_config(config)]


def fitting_config(config: DataConfig, image: str = "x") -> Chain:
    """Return the last part of the preprocessing: (C, columns, rows) to (C, size, size), rows first.

    Args:
        config: size and fit.
        image: where pixels keep their shape, the expression of the slice of ``x``, which has the axes that were
            loaded: MONAI's SqueezeDim drops an axis of the affine, too, which then tells nothing of oblique pixels.
    """
    chain: Chain = []
    square = [config.size, config.size]
    if keeps_proportions(config):
        chain.append(_transform("Lambdad", func=resizing_expression(image, config)))
        chain.append(_transform("SpatialPadd", spatial_size=square, mode="constant", value=-1.0))
    elif config.fit == "pad":
        chain.append(
            _transform("Resized", spatial_size=config.size, size_mode="longest", mode="bilinear", anti_aliasing=True)
        )
        chain.append(_transform("SpatialPadd", spatial_size=square, mode="constant", value=-1.0))
    else:
        chain.append(_transform("Resized", spatial_size=square, mode="bilinear", anti_aliasing=True))
    # MONAI's arrays run (columns, rows); Transposed leaves the affine as it is, so it comes last.
    chain.append(_transform("Transposed", indices=[0, 2, 1]))
    chain.append(_transform("EnsureTyped", track_meta=False))
    return chain


def _transform(name: str, **arguments: Any) -> dict[str, Any]:
    return {"_target_": f"monai.transforms.{name}", "keys": "image", **arguments}


def instantiate(chain: Sequence[Mapping[str, Any]]) -> Any:
    """Build the transforms of a chain as a MONAI bundle does."""
    with quiet():
        from monai.bundle import ConfigParser
        from monai.transforms import Compose

        parser = ConfigParser({"preprocessing": [dict(entry) for entry in chain]})
        return Compose(parser.get_parsed_content("preprocessing"))


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what MONAI says about optional readers on every load: they are not used here."""
    logging.getLogger("monai.data.nvimgcodec_pydicom_plugin").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*nvImageCodec.*")
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message="Divide by zero")  # a constant image becomes the darkest one
        yield


class Scaling:
    """Decoded values to [-1, 1], by the transforms that a bundle holds; padding has no part in the scale.

    Args:
        info: the domain, which has a window or decides the scale under ``intensity="auto"``.
        config: channels and intensity.
    """

    def __init__(self, info: DomainInfo, config: DataConfig) -> None:
        chain = whole_file_config(info, config, Format("raster"))[1:]
        self._color, self._scale = instantiate(chain[:1]), instantiate(chain[1:])

    def __call__(self, image: Image) -> Tensor:
        """Return (C, columns, rows, slices) float32; where the scanner wrote nothing it is darkest."""
        import torch

        with quiet():
            values = torch.from_numpy(image.channels_first())
            values = self._color({"image": values})["image"]
            if image.padding is None or image.padding.all():
                scaled = self._scale({"image": values})["image"]
                return torch.as_tensor(scaled, dtype=torch.float32)
            inside = torch.from_numpy(~image.padding.transpose(2, 1, 0))
            result = torch.full(values.shape, -1.0)
            result[:, inside] = torch.as_tensor(self._scale({"image": values[:, inside]})["image"], dtype=torch.float32)
            return result


class FileDecoder:
    """Reads the files of one domain; a volume is decoded once for all its slices."""

    def __init__(self, info: DomainInfo, config: DataConfig) -> None:
        self._scale = Scaling(info, config)
        self._stacks, self._config = Stacks(config.neighbors), config

    def read(self, path: Path, indices: Sequence[int | None]) -> list[np.ndarray]:
        """Return one float32 array in [-1, 1] per slice index, (C, size, size) or with neighbors a stack of slices.

        The index of a file without slices is None.

        Raises:
            InputError: the file cannot be read.
        """
        config, image = self._config, as_shown(read_chosen(path, self._config.volume))
        whole, aspects = self._scale(image), shown_aspects(image, config)
        planes = [(self._stacks.of(whole, index or 0), aspects[index or 0]) for index in indices]
        return [fit(plane.numpy().transpose(0, 2, 1), config, aspect) for plane, aspect in planes]


def as_shown(image: Image) -> Image:
    """Return volumes that are stored in any direction as they are displayed; DICOM and pictures are already."""
    return upright(image) if image.header.kind in ("nifti", "itk") else image
