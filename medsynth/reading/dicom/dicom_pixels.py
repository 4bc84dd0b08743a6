"""Stored values of DICOM files through pydicom: complete or refused, colors always RGB."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medsynth.base.errors import InputError
from medsynth.reading.dicom.dicom_tags import PIXELS, Tags
from medsynth.reading.dicom.jpeg import is_ycbcr

_DECODERS = ("pydicom", "pillow", "pylibjpeg")
"""In a fixed order, so that lossy files have the same pixels whatever else is installed."""
_BY_ITK = {
    "1.2.840.10008.1.2.4.51": "12-bit JPEG",
    "1.2.840.10008.1.2.4.57": "JPEG lossless",
    "1.2.840.10008.1.2.4.70": "JPEG lossless",
    "1.2.840.10008.1.2.4.80": "JPEG-LS",
    "1.2.840.10008.1.2.4.81": "JPEG-LS",
}
_LUMINANCE = ("YBR_FULL", "YBR_FULL_422")
_READ = (
    *("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", *_LUMINANCE),
    *("YBR_ICT", "YBR_RCT"),  # decoders of JPEG 2000 return RGB
)


def stored_values(path: Path, data: Any, number: int | None, count: int) -> np.ndarray:
    """Return stored values, (frames, rows, columns) or (frames, rows, columns, 3); colors are RGB.

    Args:
        path: for errors.
        data: the whole data set.
        number: of the only frame to decode; None for all.
        count: number of frames.

    Raises:
        InputError: there are fewer or more pixels than the header says, or they cannot be decoded.
    """
    syntax, photometric = _checked(path, data, count)
    values, photometric = _decode(path, data, number, syntax, photometric)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    samples = int(data.get("SamplesPerPixel") or 1)
    if samples == 3 and (photometric in _LUMINANCE or _says_ycbcr(data, syntax, number, count)):
        from pydicom.pixels.processing import convert_color_space

        values = convert_color_space(np.array(values), "YBR_FULL", "RGB")
    if photometric == "PALETTE COLOR":
        values = _looked_up(path, data, values)
    channels = (3,) if samples == 3 or photometric == "PALETTE COLOR" else ()
    frames = 1 if number is not None else count
    return values.reshape((frames, int(data.Rows), int(data.Columns), *channels))


def _checked(path: Path, data: Any, count: int) -> tuple[Any, str]:
    """Return the transfer syntax and the photometric interpretation of pixels that are there up to their end."""
    names = [name for name in PIXELS if name in data]
    if not names:
        raise InputError(f"{path} has no pixel data", hint="Export it again: the file holds only its header.")
    syntax = data.file_meta.TransferSyntaxUID
    tags = Tags(data, [])
    photometric = tags.text("PhotometricInterpretation") or "MONOCHROME2"
    samples = int(tags.number("SamplesPerPixel", 1))
    if photometric not in _READ or samples not in (1, 3):
        raise InputError(f"{path} has {samples} samples per pixel in {photometric}", hint="Convert it to RGB.")
    if min(tags.number("Rows"), tags.number("Columns")) < 1:
        raise InputError(f"{path} has {int(tags.number('Rows'))} rows and {int(tags.number('Columns'))} columns")
    element = data.get_item(names[0])
    said, there = getattr(element, "length", None), len(element.value or b"")
    if said not in (None, 0xFFFFFFFF) and there < said:
        raise InputError(f"{path} is truncated: {there} of {said} bytes of its pixel data are there")
    if syntax.is_encapsulated:
        _check_fragments(path, data, count)
    else:
        _check_length(path, tags, there, (samples, count, photometric))
    return syntax, photometric


def _check_length(path: Path, tags: Tags, there: int, layout: tuple[int, int, str]) -> None:
    """Refuse uncompressed pixel data that are shorter or longer, by a frame or more, than the header says."""
    samples, count, photometric = layout
    if photometric == "YBR_FULL_422":
        samples = 2
    rows, columns, bits = (int(tags.number(name)) for name in ("Rows", "Columns", "BitsAllocated"))
    frame = rows * columns * samples * bits / 8
    wanted = math.ceil(frame * count)
    shown = f"{rows} rows x {columns} columns x {samples} samples x {count} frames of {bits} bits"
    hint = "Correct Rows, Columns or NumberOfFrames, or export the file again."
    if there < wanted:
        raise InputError(f"{path} is incomplete: {shown} need {wanted} bytes, {there} are there", hint=hint)
    if there - wanted >= max(frame, 2):
        raise InputError(f"{path} holds more than it says: {shown} are {wanted} bytes, {there} are there", hint=hint)


def _check_fragments(path: Path, data: Any, count: int) -> None:
    """Refuse compressed pixel data with fewer or more frames than the header says."""
    try:
        frames = _compressed(data, count)
    except Exception as error:  # pydicom raises many types on damaged files
        raise InputError(f"{path} is truncated or damaged: {error}") from error
    found = len(frames)
    if found == count == 1:
        found = max(1, _pictures(data))
    if found != count:
        hint = "Correct NumberOfFrames, or export the file again."
        raise InputError(f"{path} says {count} frames, but {found} are there", hint=hint)
    if not all(frames):
        raise InputError(f"{path} is damaged: a frame is empty")


def _compressed(data: Any, count: int) -> list[bytes]:
    """Return the code streams of all frames."""
    from pydicom.encaps import generate_frames

    extended = None
    if "ExtendedOffsetTable" in data and "ExtendedOffsetTableLengths" in data:
        extended = (data.ExtendedOffsetTable, data.ExtendedOffsetTableLengths)
    return list(generate_frames(data.PixelData, number_of_frames=count, extended_offsets=extended))


def _pictures(data: Any) -> int:
    """Return how many fragments of a file of one frame start a picture of their own."""
    from pydicom.encaps import generate_fragments, parse_basic_offsets
    from pydicom.filebase import DicomBytesIO

    buffer = DicomBytesIO(data.PixelData)
    buffer.is_little_endian = True
    offsets = parse_basic_offsets(buffer)
    starts = sum(fragment[:3] in (b"\xff\xd8\xff", b"\xff\x4f\xff") for fragment in generate_fragments(buffer))
    return max(starts, len(offsets))


def _decode(path: Path, data: Any, number: int | None, syntax: Any, photometric: str) -> tuple[np.ndarray, str]:
    """Return decoded values with the photometric interpretation that the decoder found."""
    from pydicom.pixels.decoders.base import get_decoder

    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise InputError(f"{path} is compressed as {syntax.name}, which is not read", hint=_hint(path)) from error
    problem = ""
    for name in _DECODERS if syntax.is_encapsulated else ("",):
        if name and name not in decoder.available_plugins:
            continue
        try:
            options: dict[str, Any] = {"index": number, "raw": True, "allow_excess_frames": False}
            values, found = decoder.as_array(data, decoding_plugin=name, **options)
        except Exception as error:  # decoders raise many types on damaged files
            problem = problem or _sentence(error)
            continue
        return _unshifted(data, values), str(found["photometric_interpretation"])
    if syntax in _BY_ITK:
        return _by_itk(path, data, number), photometric
    if not decoder.available_plugins and syntax.is_encapsulated:
        raise InputError(f"{path} is compressed as {syntax.name}, which is not read", hint=_hint(path))
    raise InputError(f"{path} cannot be decoded: {problem}")


def _hint(path: Path) -> str:
    return f"Decompress it first, e.g. with `gdcmconv --raw {path.name} plain.dcm` or `dcmdjpeg`."


def _sentence(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _by_itk(path: Path, data: Any, number: int | None) -> np.ndarray:
    from medsynth.reading.volumes.itk_frames import decode_frame

    streams = _compressed(data, int(data.get("NumberOfFrames") or 1))
    try:
        frames = [
            decode_frame(stream, data) for stream in (streams if number is None else streams[number : number + 1])
        ]
    except Exception as error:  # ITK raises RuntimeError with many lines
        raise InputError(
            f"{path} cannot be decoded: its {_BY_ITK[data.file_meta.TransferSyntaxUID]} data are damaged"
        ) from error
    return np.stack(frames)


def _unshifted(data: Any, values: np.ndarray) -> np.ndarray:
    """Move values whose highest bit is not the one below BitsStored, as in ACR-NEMA files, down to the lowest bit."""
    stored, high = data.get("BitsStored"), data.get("HighBit")
    if values.dtype.kind == "f" or stored is None or high is None or high == stored - 1:
        return values
    allocated = int(data.BitsAllocated)
    if not stored - 1 < high < allocated:
        return values
    whole = np.frombuffer(data.PixelData, dtype=values.dtype)[: values.size].reshape(values.shape)
    moved: np.ndarray = (whole << (allocated - 1 - high)) >> (allocated - stored)
    return moved


def _says_ycbcr(data: Any, syntax: Any, number: int | None, count: int) -> bool:
    """Tell JPEG files whose code stream is YCbCr though the header calls it RGB."""
    from pydicom.uid import JPEGTransferSyntaxes

    if syntax not in JPEGTransferSyntaxes:
        return False
    return is_ycbcr(_compressed(data, count)[number or 0]) is True


def _looked_up(path: Path, data: Any, values: np.ndarray) -> np.ndarray:
    """Return the 8-bit RGB colors of a palette's indices."""
    from pydicom.pixels.processing import apply_color_lut

    try:
        colors = apply_color_lut(values, data)
        descriptor: Sequence[int] = data.RedPaletteColorLookupTableDescriptor
    except Exception as error:  # pydicom raises many types on damaged files
        raise InputError(f"{path} cannot be decoded: its palette is damaged ({error})") from error
    bits = int(descriptor[2])
    return (colors >> (bits - 8) if bits > 8 else colors).astype(np.uint8)
