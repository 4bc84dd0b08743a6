"""MedMNIST archives: train_images, train_labels, val_images, ... in one ``.npz``, read image by image.

Source: MedMNIST v2, https://medmnist.com: images (N, 28, 28), (N, 28, 28, 3) or (N, 28, 28, 28), uint8; labels (N, L).
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsynth.base.errors import InputError
from medsynth.base.files import write_bytes
from medsynth.data.importing.image_items import FoundImages, ImageItem, ImportRequest
from medsynth.data.png import picture_bytes
from medsynth.reading import LeftOut

if TYPE_CHECKING:
    import numpy as np

_SPLITS = ("train", "val", "test")
_HINT = "A MedMNIST file holds train_images, train_labels and the same of val and test; download it again."


@dataclass(frozen=True)
class Archive:
    """A MedMNIST file.

    Args:
        path: of the ``.npz``.
        shapes: of its arrays of images, by split.
    """

    path: Path
    shapes: dict[str, tuple[int, ...]]

    def images(self, split: str) -> Iterator[np.ndarray]:
        """Yield the images of a split, each (H, W), (H, W, 3) or (slices, H, W) uint8; one is in memory at a time."""
        import numpy as np

        with zipfile.ZipFile(self.path) as archive, archive.open(f"{split}_images.npy") as stream:
            _, *shape = _array(stream)[0]
            size = math.prod(shape)
            for _ in range(self.shapes[split][0]):
                content = stream.read(size)
                if len(content) < size:
                    raise InputError(f"{self.path}: {split}_images is cut off", hint=_HINT)
                yield np.frombuffer(content, np.uint8).reshape(shape)


def medmnist_contents(place: Path, request: ImportRequest, folder: str) -> FoundImages:
    """Return the images of a MedMNIST file, which the import will write below `folder` of the new folder.

    Raises:
        InputError: it is none, or has several labels of which none was chosen.
    """
    path = place if place.is_file() else next(one for one in sorted(place.iterdir()) if one.suffix.lower() == ".npz")
    found = FoundImages(place, "medmnist")
    try:
        archive = _open(path)
        labels = {split: _labels(archive, split, request) for split in archive.shapes}
        kept = {split: [bool(image.min() != image.max()) for image in archive.images(split)] for split in labels}
    except (OSError, zipfile.BadZipFile, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint=_HINT) from error
    suffix = ".nii.gz" if _is_volume(archive) else ".png"
    for split, known in labels.items():
        for k, label in enumerate(known):
            name = f"{split}-{k:06d}"
            if not kept[split][k]:
                found.left_out.append(LeftOut(path / name, "images of one color"))
                continue
            inside = Path(folder) / f"{name}{suffix}"
            keys = {"file name": inside.name, "file name without suffix": name}
            found.items.append(
                ImageItem(path=inside, written=True, label=label, split=split, otherwise=name, keys=keys)
            )
    found.said.append(f"Its images are written as {suffix} files; the splits are its own.")
    wanted = {item.path for item in found.items}
    found.write = lambda out: _write(archive, out, folder, wanted)
    return found


def _open(path: Path) -> Archive:
    with zipfile.ZipFile(path) as file:
        names = [name.removesuffix(".npy") for name in file.namelist()]
        shapes = {}
        for split in _SPLITS:
            if f"{split}_images" not in names:
                continue
            if f"{split}_labels" not in names:
                raise InputError(f"{path} holds {split}_images without {split}_labels", hint=_HINT)
            with file.open(f"{split}_images.npy") as stream:
                shape, kind = _array(stream)
            if kind != "|u1" or len(shape) not in (3, 4):
                shown = " x ".join(map(str, shape))
                raise InputError(f"{path}: {split}_images are {shown} of type {kind}, not 8-bit images", hint=_HINT)
            shapes[split] = shape
    if not shapes:
        raise InputError(f"{path} holds no train_images; its arrays: {', '.join(names) or 'none'}", hint=_HINT)
    return Archive(path, shapes)


def _array(stream: Any) -> tuple[tuple[int, ...], str]:
    """Return shape and type of an array whose values come next in the stream."""
    import numpy as np

    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, kind = read(stream)
    if fortran and len(shape) > 1:
        raise ValueError("an array is stored column by column")
    return tuple(int(size) for size in shape), kind.str


def _labels(archive: Archive, split: str, request: ImportRequest) -> list[str]:
    import numpy as np

    with np.load(archive.path, allow_pickle=False) as arrays:
        labels = arrays[f"{split}_labels"]
    labels = labels.reshape(len(labels), -1)
    if len(labels) != archive.shapes[split][0]:
        message = f"{archive.path}: {archive.shapes[split][0]} {split}_images have {len(labels)} labels"
        raise InputError(message, hint=_HINT)
    count, chosen = labels.shape[1], 0
    if count > 1:
        if not (request.label.isdecimal() and int(request.label) < count):
            hint = f"Choose one by its number: --label 0 to --label {count - 1}."
            raise InputError(f"{archive.path} has {count} labels for each image", hint=hint)
        chosen = int(request.label)
    return [str(label) for label in labels[:, chosen].tolist()]


def _is_volume(archive: Archive) -> bool:
    shape = next(iter(archive.shapes.values()))
    return len(shape) == 4 and shape[-1] not in (3, 4)


def _write(archive: Archive, out: Path, folder: str, wanted: set[Path]) -> None:
    volume = _is_volume(archive)
    for split in archive.shapes:
        for k, image in enumerate(archive.images(split)):
            inside = Path(folder) / f"{split}-{k:06d}{'.nii.gz' if volume else '.png'}"
            if inside in wanted:
                write_bytes(out / inside, _volume(image) if volume else picture_bytes(image))


def _volume(values: np.ndarray) -> bytes:
    """Encode (slices, rows, columns) as NIfTI with axes to the left, posterior and superior, so that rows stay rows."""
    import gzip

    import nibabel as nib
    import numpy as np

    image = nib.Nifti1Image(np.ascontiguousarray(values.transpose(2, 1, 0)), np.diag([-1.0, -1.0, 1.0, 1.0]))
    return gzip.compress(image.to_bytes(), mtime=0)
