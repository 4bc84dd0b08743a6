"""Whatever a user has, as slices that a network takes, and what comes back as the user had it.

Inside, an image is (C, columns, rows, slices) float32 in [-1, 1], as `medsynth.inference.inputs.picture_reader` reads
files. Outside, arrays run rows first, (H, W), (C, H, W) or (B, C, H, W), and a MONAI MetaTensor runs as MONAI's readers
make it, (C, columns, rows) or (C, columns, rows, slices), and keeps its affine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from PIL import Image
from torch import Tensor

from medsynth.base.errors import InputError
from medsynth.data.config import DataConfig
from medsynth.data.formats.proportions import keeps_proportions
from medsynth.data.formats.stacks import Stacks
from medsynth.inference.inputs.fitting import Fitting, NativeSize, NativeToNetwork
from medsynth.inference.inputs.picture_reader import Reader
from medsynth.inference.translate.flag_table import VolumeJudge
from medsynth.inference.translate.volumes import translate_volumes
from medsynth.reading.geometry import pixel_aspect

if TYPE_CHECKING:
    from medsynth.inference.flags.measuring import Flags
    from medsynth.statistics.flags.reference import Judgment

Range = tuple[float, float]
_EIGHT_BIT = (0.0, 255.0)
_TOLERANCE = 1e-3
"""Share of the range by which values may pass its ends, as resampling makes them."""


@dataclass(frozen=True)
class Given:
    """What a user gave.

    Args:
        name: for errors and tables.
        values: (C, columns, rows, slices) float32 in [-1, 1].
        back: turns such values into what the user had.
        aspects: of each slice, how many times as high as wide its pixels are; none where all are square.
        apart: slices are images of their own, and no neighbors of each other.
    """

    name: str
    values: Tensor
    back: Callable[[Tensor], Any]
    aspects: Sequence[float] = ()
    apart: bool = False

    def check(self, fitting: Fitting) -> tuple[float, ...]:
        """Return the aspects, after refusing an image that cannot be fitted."""
        _, columns, rows, slices = self.values.shape
        aspects = tuple(self.aspects) or (1.0,) * slices
        fitting.check(self.name, (columns, rows), aspects)
        return aspects


def translate_given(
    given: Sequence[Given],
    fitting: Fitting,
    translate: Callable[[np.ndarray], np.ndarray],
    config: DataConfig,
    batch: int,
    *,
    flags: Flags | None = None,
) -> tuple[list[Any], list[list[Judgment]]]:
    """Translate what a user gave, slice by slice, and return it as the user had it.

    Args:
        given: the images.
        fitting: to the network and back.
        translate: the network, for (B, C, H, W) arrays.
        config: of the bundle, which says whether slices are translated with their neighbors.
        batch: slices in one step.
        flags: judge the translations, too.

    Returns:
        The translations, and for each the judgments of its slices, none without `flags`.
    """
    if batch < 1:
        raise InputError(f"batch {batch} is not positive")
    parts = [one.values[..., None].unbind(3) if one.apart else (one.values,) for one in given]
    volumes = [part for volume in parts for part in volume]
    checked = [(one, one.check(fitting)) for one in given]
    aspects = [part for one, own in checked for part in ([(each,) for each in own] if one.apart else [own])]
    resize = NativeToNetwork(config) if flags and isinstance(fitting, NativeSize) else None
    judge = VolumeJudge(flags, volumes, aspects, resize)
    found = translate_volumes(
        volumes,
        aspects,
        fitting,
        lambda images: torch.from_numpy(translate(images.numpy())),
        stacks=Stacks(config.neighbors, config.smooth),
        batch=batch,
        judge=judge,
    )
    left, judged = iter(found), iter(judge.found)
    results, judgments = [], []
    for one, volume in zip(given, parts, strict=True):
        slices = [image for _ in volume for image in next(left)]
        results.append(one.back(torch.stack([image.transpose(1, 2) for image in slices], dim=3)))
        judgments.append([judgment for _ in volume for _, judgment in sorted(next(judged).items())])
    return results, judgments


def take(image: Any, config: DataConfig, value_range: Range, name: str) -> Given:
    """Return a path, an image of Pillow, a MetaTensor, a tensor or an array as slices.

    Args:
        image: what the user gave; see the top of this module. 8-bit values run from 0 to 255.
        config: channels and intensities of the bundle's images.
        value_range: darkest and brightest value of arrays that are not of 8 bits.
        name: what an array is called in errors.

    Raises:
        InputError: a file that cannot be read, another number of channels, values outside the range.
    """
    if isinstance(image, str | Path):
        return _file(Path(image), config)
    if isinstance(image, Image.Image):
        return _picture(image, config, name)
    if isinstance(image, MetaTensor):
        return _meta(image, config, value_range, name)
    if isinstance(image, Tensor):
        given = _array(image.detach().cpu().numpy(), config, value_range, name)

        def back(values: Tensor) -> Tensor:
            return torch.from_numpy(given.back(values)).to(image.device, image.dtype)

        return Given(name, given.values, back, apart=True)
    if isinstance(image, np.ndarray):
        return _array(image, config, value_range, name)
    raise InputError(f"{name} is {type(image).__name__}", hint="Give a path, an array, a tensor or a Pillow image.")


def _file(path: Path, config: DataConfig) -> Given:
    if not path.is_file():
        raise InputError(f"{path} is no file", hint="Give files one by one, or use: medsynth synthesize, predict")
    read = Reader(config).read(path, path.name)
    # MONAI's transforms leave the affine of what they read; the file's own is the one to give back, if it has one.
    affine = None if read.affine is None else torch.as_tensor(read.affine)
    plain = read.values.as_tensor() if isinstance(read.values, MetaTensor) else read.values

    def back(values: Tensor) -> MetaTensor:
        return MetaTensor(values if values.shape[3] > 1 else values[..., 0], affine=affine)

    return Given(str(path), plain, back, read.aspects)


def _picture(image: Image.Image, config: DataConfig, name: str) -> Given:
    pixels = np.asarray(image.convert("L" if config.channels == 1 else "RGB"))
    given = _array(pixels if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0), config, _EIGHT_BIT, name)

    def back(values: Tensor) -> Image.Image:
        grey = given.back(values)
        return Image.fromarray(grey if grey.ndim == 2 else np.ascontiguousarray(np.moveaxis(grey, 0, 2)))

    return Given(name, given.values, back)


def _meta(image: MetaTensor, config: DataConfig, value_range: Range, name: str) -> Given:
    if image.ndim not in (3, 4):
        raise InputError(f"{name} has shape {tuple(image.shape)}", hint="Add channels with EnsureChannelFirst.")
    plain = image.as_tensor().detach().cpu()
    values = plain if plain.ndim == 4 else plain[..., None]
    ends = _ends(plain.dtype == torch.uint8, value_range)

    def back(result: Tensor) -> MetaTensor:
        shaped = _unscaled(result if plain.ndim == 4 else result[..., 0], ends, whole=plain.dtype == torch.uint8)
        return MetaTensor(shaped.to(image.device, image.dtype), meta=image.meta, applied_operations=[])

    aspects = _meta_aspects(image, values.shape[3], config)
    return Given(name, _scaled(_checked(values, config, name), ends, name), back, aspects)


def _meta_aspects(image: MetaTensor, count: int, config: DataConfig) -> tuple[float, ...]:
    """Return the shape of pixels as the affine tells it; one that lost an axis with its image does not."""
    whole = image.affine.shape == (4, 4) and keeps_proportions(config)
    column, row = image.affine[:3, :2].double().norm(dim=0).tolist() if whole else (1.0, 1.0)
    return (pixel_aspect(row, column),) * count


def _array(image: np.ndarray, config: DataConfig, value_range: Range, name: str) -> Given:
    if image.ndim not in (2, 3, 4):
        raise InputError(f"{name} has shape {image.shape}", hint="Give (H, W), (C, H, W) or (B, C, H, W).")
    whole = image.dtype == np.uint8
    ends = _ends(whole, value_range)
    batch = torch.from_numpy(np.array(image, order="C")).reshape((1,) * (4 - image.ndim) + image.shape)

    def back(values: Tensor) -> np.ndarray:
        result = _unscaled(values.permute(3, 0, 2, 1), ends, whole=whole).reshape(image.shape)
        found: np.ndarray = result.numpy().astype(image.dtype)
        return found

    return Given(name, _scaled(_checked(batch.permute(1, 3, 2, 0), config, name), ends, name), back, apart=True)


def _ends(whole: bool, value_range: Range) -> Range:
    return _EIGHT_BIT if whole else value_range


def _checked(values: Tensor, config: DataConfig, name: str) -> Tensor:
    if values.shape[0] != config.channels or 0 in values.shape:
        shown = f"{name} has {values.shape[0]} channels of {tuple(values.shape[1:])} (columns, rows, slices)"
        raise InputError(f"{shown}, the bundle takes {config.channels}", hint="Channels come first.")
    return values


def _scaled(values: Tensor, ends: Range, name: str) -> Tensor:
    low, high = ends
    if not high > low:
        raise InputError(f"value_range {ends} has no extent", hint="Give the darkest and the brightest value.")
    found = values.to(torch.float32)
    darkest, brightest, slack = float(found.min()), float(found.max()), _TOLERANCE * (high - low)
    if not (low - slack <= darkest and brightest <= high + slack):  # also where one is not a number
        hint = "Give value_range, the darkest and the brightest value, or scale the image."
        raise InputError(f"{name} has values from {darkest:g} to {brightest:g}, not {low:g} to {high:g}", hint=hint)
    return ((found - low) / (high - low) * 2.0 - 1.0).clamp(-1.0, 1.0)


def _unscaled(values: Tensor, ends: Range, *, whole: bool) -> Tensor:
    result = (values + 1.0) / 2.0 * (ends[1] - ends[0]) + ends[0]
    return result.round().to(torch.uint8) if whole else result
