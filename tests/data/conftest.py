"""Tiny image files of every kind, made on the spot."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from medsynth.data.config import DataConfig
from medsynth.data.images import Images, Record


def texture(seed: int, shape: tuple[int, ...] = (20, 30), high: int = 255) -> np.ndarray:
    """Random values, different for every seed."""
    return np.random.default_rng(seed).integers(0, high, shape).astype(np.uint8 if high <= 255 else np.uint16)


def write_png(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(texture(seed)).save(path)
    return path


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nib.save(nib.Nifti1Image(array, np.diag([0.7, 0.7, 3.0, 1.0]) if affine is None else affine), path)
    return path


def _pixel_data(array: np.ndarray, syntax: str) -> bytes:
    if syntax not in (JPEGBaseline8Bit, JPEG2000Lossless):
        return array.tobytes()
    frames = []
    for frame in array:
        buffer = io.BytesIO()
        if syntax == JPEG2000Lossless:
            Image.fromarray(frame).save(buffer, "JPEG2000", irreversible=False, no_jp2=True)
        else:
            Image.fromarray(frame).save(buffer, "JPEG", quality=95)
        frames.append(buffer.getvalue())
    return encapsulate(frames)


def write_dicom(
    path: Path,
    frames: np.ndarray,
    *,
    series: str = "1.2.3",
    number: int = 1,
    syntax: str = ExplicitVRLittleEndian,
    **tags,
) -> Path:
    """Write (frames, rows, columns[, 3]) values; tags override."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == RLELossless else syntax
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.3.1" if len(frames) > 1 else "1.2.840.10008.5.1.4.1.1.4"
    data.SOPInstanceUID = f"{series}.{number}.9"
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID, data.InstanceNumber = "1.2", series, number
    data.PatientID, data.Modality, data.SeriesDescription = "Jane Doe 17", "MR", f"scan {series}"
    data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, float(number)], [1, 0, 0, 0, 1, 0]
    data.PixelSpacing = [0.5, 0.5]
    data.Rows, data.Columns = frames.shape[1:3]
    data.SamplesPerPixel = 3 if frames.ndim == 4 else 1
    data.PhotometricInterpretation = "RGB" if frames.ndim == 4 else "MONOCHROME2"
    if frames.ndim == 4:
        data.PlanarConfiguration = 0
    if len(frames) > 1:
        data.NumberOfFrames = len(frames)
    bits = frames.dtype.itemsize * 8
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = bits, bits, bits - 1, 0
    for name, value in tags.items():
        setattr(data, name, value)
    data.PixelData = _pixel_data(frames, syntax)
    data["PixelData"].VR = "OW" if bits == 16 else "OB"
    data["PixelData"].is_undefined_length = syntax in (JPEGBaseline8Bit, JPEG2000Lossless)
    if syntax == RLELossless:
        data.compress(RLELossless)
    pydicom.dcmwrite(path, data, enforce_file_format=True)
    return path


def write_table(folder: Path, rows: list[dict[str, str]]) -> Path:
    """Write a manifest.csv."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    return folder / "manifest.csv"


def rows_for(folder: Path, *, patients: int = 6, **changes: str) -> list[dict[str, str]]:
    """Write images and return manifest rows: per domain `patients` patients, labels alternating."""
    rows = []
    for domain in ("source", "target"):
        for k in range(patients):
            name = f"{domain}{k}.png"
            write_png(folder / name, seed=len(rows))
            row = {"image": name, "domain": domain, "label": str(k % 2), "patient": f"{domain[0]}{k}"}
            rows.append(row | {"split": "", "pair": ""} | changes)
    return rows


def record(image: str, **changes) -> Record:
    values = {"domain": "target", "label": 0, "patient": image, "split": ""} | changes
    return Record(image=image, **values)


def images(count: int, *, size: int = 16, domain: str = "target", labels: list[int | None] | None = None) -> Images:
    """Images whose pixels all hold their own number, scaled into [-1, 1]."""
    labels = labels or [k % 2 for k in range(count)]
    records = tuple(record(f"{domain}{k}", domain=domain, label=labels[k]) for k in range(count))
    pixels = np.linspace(-0.9, 0.9, count, dtype=np.float32)[:, None, None, None]
    return Images(records, np.broadcast_to(pixels, (count, 1, size, size)).copy(), np.arange(count))


@pytest.fixture
def write() -> object:
    """The writers above, for tests that make their own files."""

    class Writers:
        png = staticmethod(write_png)
        nifti = staticmethod(write_nifti)
        dicom = staticmethod(write_dicom)
        table = staticmethod(write_table)
        rows = staticmethod(rows_for)

    return Writers


@pytest.fixture
def make_record() -> Callable[..., Record]:
    return record


@pytest.fixture
def make_images() -> Callable[..., Images]:
    return images


@pytest.fixture
def values() -> Callable[..., np.ndarray]:
    return texture


@pytest.fixture
def config() -> Callable[..., DataConfig]:
    """A config with small images."""
    return lambda path="", **fields: DataConfig(path=str(path), **({"size": 16} | fields))


@pytest.fixture
def real_data() -> Path:
    """The folder of real data, next to the repository."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "data"
    if not folder.is_dir() and not os.environ.get("CI"):
        pytest.skip(f"real images are not here: {folder} is absent")
    return folder
