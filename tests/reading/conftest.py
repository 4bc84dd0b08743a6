"""DICOM files of every kind, made on the spot; what a test expects comes from what it wrote."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless


def make_dataset(frames: np.ndarray, syntax: str = ExplicitVRLittleEndian, **tags: Any) -> Dataset:
    """A data set of (frames, rows, columns[, 3]) values; tags override, None leaves one out."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    kind, bits = frames.dtype.kind, frames.dtype.itemsize * 8
    values: dict[str, Any] = {
        "SOPInstanceUID": "1.2.3.9",
        "StudyInstanceUID": "1.2",
        "SeriesInstanceUID": "1.2.3",
        "PatientID": "Jane",
        "Modality": "MR",
        "InstanceNumber": 1,
        "ImagePositionPatient": [0, 0, 0],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [0.5, 0.5],
        "NumberOfFrames": len(frames) if len(frames) > 1 else None,
        "Rows": frames.shape[1],
        "Columns": frames.shape[2],
        "SamplesPerPixel": 3 if frames.ndim == 4 else 1,
        "PhotometricInterpretation": "RGB" if frames.ndim == 4 else "MONOCHROME2",
        "PlanarConfiguration": 0 if frames.ndim == 4 else None,
        "BitsAllocated": bits,
    }
    if kind != "f":
        values |= {"BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": int(kind == "i")}
    for name, value in (values | tags).items():
        if value is not None:
            setattr(data, name, value)
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    content = frames.astype(frames.dtype.newbyteorder(order)).tobytes()
    content += b"\0" * (len(content) % 2)
    if kind == "f":
        setattr(data, "FloatPixelData" if bits == 32 else "DoubleFloatPixelData", content)
    else:
        data.PixelData = content
        data["PixelData"].VR = "OW" if bits > 8 else "OB"
    return data


def compress(data: Dataset, streams: Sequence[bytes], syntax: str) -> Dataset:
    """Put code streams in place of the pixels."""
    data.file_meta.TransferSyntaxUID = syntax
    data.PixelData = encapsulate(list(streams))
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True
    return data


def jpeg(frame: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", **({"quality": 100, "subsampling": 0} | options))
    return buffer.getvalue()


def save(data: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, data, enforce_file_format=True)
    return path


def write_dicom(path: Path, frames: np.ndarray, syntax: str = ExplicitVRLittleEndian, **tags: Any) -> Path:
    if syntax == JPEG2000Lossless:
        streams = []
        for frame in frames:
            buffer = io.BytesIO()
            Image.fromarray(frame).save(buffer, "JPEG2000", irreversible=False, no_jp2=True)
            streams.append(buffer.getvalue())
        return save(compress(make_dataset(frames, **tags), streams, syntax), path)
    if syntax == JPEGBaseline8Bit:
        return save(compress(make_dataset(frames, **tags), [jpeg(frame) for frame in frames], syntax), path)
    data = make_dataset(frames, ExplicitVRLittleEndian if syntax == RLELossless else syntax, **tags)
    if syntax == RLELossless:
        data.compress(RLELossless, encoding_plugin="pydicom")
    return save(data, path)


def functional_group(**groups: dict[str, Any]) -> Dataset:
    """An item of functional groups: sequence name -> tags of its only item."""
    item = Dataset()
    for name, tags in groups.items():
        inner = Dataset()
        for tag, value in tags.items():
            setattr(inner, tag, value)
        setattr(item, name, [inner])
    return item


def random_values(shape: tuple[int, ...], dtype: Any = np.uint8, seed: int = 0) -> np.ndarray:
    limits = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(limits.min, limits.max, shape, dtype, endpoint=True)


@pytest.fixture
def dicom(tmp_path: Path) -> Callable[..., Path]:
    """Write a DICOM file into tmp_path: (frames[, syntax][, name=...], **tags)."""

    def write(frames: np.ndarray, syntax: str = ExplicitVRLittleEndian, name: str = "a.dcm", **tags: Any) -> Path:
        return write_dicom(tmp_path / name, frames, syntax, **tags)

    return write


@pytest.fixture
def dicom_parts() -> Any:
    """What a test that builds its own data set needs."""

    class Parts:
        dataset = staticmethod(make_dataset)
        compress = staticmethod(compress)
        jpeg = staticmethod(jpeg)
        save = staticmethod(save)
        group = staticmethod(functional_group)

    return Parts


@pytest.fixture
def values() -> Callable[..., np.ndarray]:
    """Random values of a shape, a type and a seed; both ends of the type may come."""
    return random_values
