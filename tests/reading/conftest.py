"""DICOM files of every kind, made on the spot; what a test expects comes from what it wrote."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
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


OBLIQUE = np.array([[0, -0.8, 0.05, 5], [0.7, 0, 0.1, -6], [0, 0.02, 3, 7], [0, 0, 0, 1.0]])
_META = "NDims = {n}\nDimSize = {size}\nElementType = MET_SHORT\nElementSpacing = {step}\nElementDataFile = LOCAL\n"


def _write_pictures(folder: Path) -> None:
    grey, color, wide = (random_values((9, 7, *c), d) for c, d in (((), np.uint8), ((3,), np.uint8), ((), np.uint16)))
    for name, array in {"grey.png": grey, "color.png": color, "wide.png": wide, "grey.bmp": grey}.items():
        Image.fromarray(array).save(folder / name)
    Image.fromarray(color).convert("P").save(folder / "palette.png")
    Image.fromarray(color).convert("RGBA").save(folder / "alpha.png")
    Image.fromarray(color).save(folder / "photo.webp", lossless=True)
    Image.fromarray(wide.astype(np.float32)).save(folder / "float.tif")
    Image.fromarray(wide).save(folder / "white.tif", tiffinfo={262: 0})
    turned = Image.Exif()
    turned[274] = 6
    Image.fromarray(grey).save(folder / "turned.jpg", exif=turned, quality=95)
    Image.fromarray(grey).save(folder / "pages.tif", save_all=True, append_images=[Image.fromarray(grey // 2)])
    Image.new("L", (7, 9), 7).save(folder / "constant.png")
    (folder / "half.png").write_bytes((folder / "color.png").read_bytes()[:120])
    Image.fromarray(np.tile(grey[0], 8)[None]).save(folder / "strip.png")
    (folder / "empty.png").write_bytes(b"")
    (folder / "notes.txt").write_text("no image")


def _write_volumes(folder: Path) -> None:
    volume = random_values((7, 9, 4), np.int16)
    arrays = {
        "volume.nii.gz": volume,
        "eight.nii": random_values((7, 9, 4)),
        "single.nii": volume[..., :1],
        "flat.nii": volume[..., 0],
        "trailing.nii": volume[..., None],
        "time.nii": np.stack([volume, volume], -1),
        "complex.nii": volume.astype(np.complex64),
        "nan.nii": np.where(volume == volume.max(), np.nan, volume).astype(np.float32),
    }
    for name, array in arrays.items():
        nib.save(nib.Nifti1Image(array, OBLIQUE), folder / name)
    scaled = nib.Nifti1Image(volume, OBLIQUE)
    scaled.header.set_slope_inter(0.5, -100)
    nib.save(scaled, folder / "scaled.nii")
    stored = volume.transpose(2, 1, 0).tobytes()
    (folder / "volume.mha").write_bytes(_META.format(n=3, size="7 9 4", step="0.5 0.6 3").encode() + stored)
    (folder / "flat.mha").write_bytes(_META.format(n=2, size="7 9", step="0.5 0.6").encode() + stored[: 7 * 9 * 2])
    head = "NRRD0004\ntype: short\ndimension: 3\nsizes: 7 9 4\nspace: left-posterior-superior\nencoding: raw\n"
    head += "space directions: (0,0.5,0) (0.6,0,0) (0,0,-3)\nspace origin: (1,2,3)\nendian: little\n\n"
    (folder / "volume.nrrd").write_bytes(head.encode() + stored)


def _write_dicoms(folder: Path) -> None:
    stored, color = random_values((1, 9, 7), np.uint16), random_values((3, 9, 7, 3))
    write_dicom(folder / "slice.dcm", stored, RescaleSlope=2, RescaleIntercept=-7)
    write_dicom(folder / "eight.dcm", random_values((1, 9, 7)), Modality="US")
    write_dicom(folder / "cine.dcm", color, Modality="US")
    write_dicom(folder / "inverted.dcm", stored, PhotometricInterpretation="MONOCHROME1")
    padded = np.where(np.arange(7) < 3, 63536, stored % 4000).astype(np.uint16)
    write_dicom(folder / "padded.dcm", padded, PixelPaddingValue=63536)
    smooth = np.add.outer(np.arange(16) * 8, np.arange(16) * 7).astype(np.uint8)
    frame = np.stack([smooth, smooth // 2, 255 - smooth], -1)
    tagged = compress(make_dataset(frame[None]), [jpeg(frame)], JPEGBaseline8Bit)
    save(tagged, folder / "tagged.dcm")
    frames = [
        functional_group(
            PlanePositionSequence={"ImagePositionPatient": [0, 0, -k]},
            PixelValueTransformationSequence={"RescaleSlope": k + 1, "RescaleIntercept": 5, "RescaleType": "US"},
        )
        for k in range(3)
    ]
    enhanced = random_values((3, 9, 7), np.uint16)
    write_dicom(folder / "enhanced.dcm", enhanced, PerFrameFunctionalGroupsSequence=frames)
    _write_oblong(folder)
    short = make_dataset(stored)
    short.PixelData = short.PixelData[:-40]
    save(short, folder / "short.dcm")
    report = make_dataset(stored, Modality="SR")
    for name in ("Rows", "Columns", "PixelData"):
        delattr(report, name)
    save(report, folder / "report.dcm")


def _write_oblong(folder: Path) -> None:
    """Pixels that are not square, as each tag says it."""
    region = Dataset()
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX, region.PhysicalDeltaY = 0.05, 0.02
    tags: dict[str, dict[str, Any]] = {
        "tall.dcm": {"PixelSpacing": [0.9, 0.4]},
        "detector.dcm": {"PixelSpacing": None, "ImagerPixelSpacing": [0.3, 0.5]},
        "film.dcm": {"PixelSpacing": None, "NominalScannedPixelSpacing": [0.3, 0.5]},
        "ratio.dcm": {"PixelSpacing": None, "PixelAspectRatio": [3, 2]},
        "region.dcm": {"PixelSpacing": None, "SequenceOfUltrasoundRegions": [region], "Modality": "US"},
        "slipped.dcm": {"PixelSpacing": [0.003, 4]},
    }
    for name, own in tags.items():
        write_dicom(folder / name, random_values((1, 9, 7), np.uint16), **own)
    write_dicom(folder / "tall-cine.dcm", random_values((3, 9, 7, 3)), PixelSpacing=[0.9, 0.4], Modality="US")


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small files of every kind, usable or not, by name."""
    folder = tmp_path_factory.mktemp("zoo")
    for write in (_write_pictures, _write_volumes, _write_dicoms):
        write(folder)
    return {path.name: path for path in sorted(folder.iterdir())}


UNUSABLE = {
    "complex.nii": "complex",
    "constant.png": "constant",
    "empty.png": "empty",
    "half.png": "truncated",
    "nan.nii": "NaN",
    "notes.txt": "no image of a known format",
    "pages.tif": "2 pages",
    "report.dcm": "without an image",
    "short.dcm": "incomplete|truncated|bytes",
    "slipped.dcm": "pixels are 0.0008 times as high as wide",
    "strip.png": "56 x 1 pixels, too narrow for size 16",
    "time.nii": "2 volumes",
}
"""Of the zoo, with a word of the reason."""


@pytest.fixture
def unusable() -> dict[str, str]:
    return UNUSABLE
