"""Translators that need no training, and files to translate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
import torch
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from torch import Tensor, nn

from medsynth.base.progress import Silent
from medsynth.base.stopping import Stop
from medsynth.data.config import DataConfig
from medsynth.inference.translate.translation import TranslationJob, TranslationSummary, synthesize_files
from medsynth.inference.translate.translator import Translator


class MarkCorner(nn.Module):
    """Keeps everything but the first pixel of the first row, which becomes white."""

    def forward(self, images: Tensor) -> Tensor:
        marked = images.clone()
        marked[..., 0, 0] = 1.0
        return marked


def make_translator(network: nn.Module | None = None, **config: Any) -> Translator:
    return Translator(
        name="toy",
        version="0.1.0",
        digest="0" * 64,
        generator="toy",
        config=DataConfig(**({"size": 32} | config)),
        network=network or nn.Identity(),
        device="cpu",
    )


@pytest.fixture
def translator() -> Callable[..., Translator]:
    """Make a translator that changes nothing, or of a given network; keywords are those of the data config."""
    return make_translator


@pytest.fixture
def mark_corner() -> nn.Module:
    return MarkCorner()


@pytest.fixture
def synthesize(tmp_path: Path) -> Callable[..., TranslationSummary]:
    """Translate `source` into tmp_path/out at its own size by a translator that changes nothing."""

    def call(source: Path, **changes: Any) -> TranslationSummary:
        values: dict[str, Any] = {"translator": make_translator(), "out": tmp_path / "out", "size": "native"}
        return synthesize_files(
            TranslationJob(**(values | {"source": source, "watch": Silent(), "stop": Stop()} | changes))
        )

    return call


def texture(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@pytest.fixture(name="texture")
def _texture() -> Callable[..., np.ndarray]:
    """Random 8-bit values, of which no two corners are equal, both ends included."""

    def make(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
        values = texture(shape, seed)
        values.ravel()[[1, 2]] = 0, 255
        return values

    return make


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[..., Path]:
    """Write `count` PNG files into tmp_path/in and return the folder."""

    def write(count: int, shape: tuple[int, ...] = (20, 30)) -> Path:
        folder = tmp_path / "in"
        folder.mkdir()
        for k in range(count):
            Image.fromarray(texture(shape, k)).save(folder / f"{k:05}.png")
        return folder

    return write


def write_dicom(path: Path, pixels: np.ndarray, tags: Mapping[str, Any] | None = None) -> Path:
    """Write (rows, columns[, 3]) 8-bit pixels; every file is a slice of the same series, identified by the tags."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = MRImageStorage
    values = {
        "PatientID": "4711",
        "PatientName": "Mueller^Jane",
        "StudyInstanceUID": "1.2.3.4",
        "SeriesInstanceUID": "1.2.3.4.5",
        "SOPInstanceUID": f"1.2.3.4.5.{sum(path.name.encode())}",
        "FrameOfReferenceUID": "1.2.3.4.6",
        "InstanceNumber": 1,
    }
    for name, value in (values | dict(tags or {})).items():
        setattr(data, name, value)
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.Rows, data.Columns = pixels.shape[:2]
    data.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    data.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    if pixels.ndim == 3:
        data.PlanarConfiguration = 0
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    data.PixelData = pixels.tobytes() + b"\0" * (pixels.size % 2)
    data["PixelData"].VR = "OB"
    pydicom.dcmwrite(path, data, enforce_file_format=True)
    return path


@pytest.fixture(name="write_dicom")
def _write_dicom() -> Callable[..., Path]:
    return write_dicom


@pytest.fixture
def write_nifti() -> Callable[..., Path]:
    def write(path: Path, array: np.ndarray, affine: np.ndarray) -> Path:
        nib.save(nib.Nifti1Image(array, affine), path)
        return path

    return write


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
