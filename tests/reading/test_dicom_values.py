"""Values of DICOM files are those that were written, mapped as the standard says."""

import itertools

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from medsynth.base.errors import InputError
from medsynth.reading import read, read_header


@pytest.mark.parametrize(
    ("dtype", "syntax"),
    [
        *itertools.product(["uint8", "int8", "uint16", "int16", "uint32", "int32"], [None, ExplicitVRBigEndian]),
        *itertools.product(["uint8", "int8", "uint16", "int16"], [RLELossless]),
    ],
)
def test_integers_of_every_size_and_byte_order_are_exact(dicom, values, dtype, syntax):
    array = values((2, 5, 7), np.dtype(dtype))
    image = read(dicom(array, **({"syntax": syntax} if syntax else {})))
    assert image.values.dtype == array.dtype
    assert np.array_equal(image.values, array)
    assert image.header.eight_bit == (dtype == "uint8")


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, JPEG2000Lossless])
def test_other_lossless_syntaxes_are_exact(dicom, values, syntax):
    array = values((1, 64, 48))
    assert np.array_equal(read(dicom(array, syntax)).values, array)


@pytest.mark.parametrize(("dtype", "tag"), [("float32", "FloatPixelData"), ("float64", "DoubleFloatPixelData")])
def test_floating_point_pixels_are_read(dicom, dtype, tag):
    array = np.random.default_rng(0).normal(size=(1, 4, 6)).astype(dtype)
    image = read(dicom(array, SOPClassUID="1.2.840.10008.5.1.4.1.1.30"))
    assert np.array_equal(image.values, array.astype(np.float32))


def test_bits_above_those_stored_are_dropped_and_shifted_ones_moved_down(dicom):
    array = np.array([[[5, 4095, 0]]], np.uint16)
    overlay = array | 0xA000
    assert np.array_equal(read(dicom(overlay, BitsStored=12, HighBit=11)).values, array)
    assert np.array_equal(read(dicom(array << 4, BitsStored=12, HighBit=15)).values, array)


def test_rescaling_gives_physical_values_with_their_unit(dicom):
    array = np.array([[[0, 1000, 65535]]], np.uint16)
    image = read(dicom(array, Modality="CT", RescaleSlope="0.5", RescaleIntercept="-1024"))
    assert image.values.dtype == np.float32
    assert image.values.tolist() == [[[-1024.0, -524.0, 31743.5]]]
    assert image.header.unit == "HU"
    assert not image.header.eight_bit


def test_a_modality_table_replaces_the_rescaling(dicom):
    item = Dataset()
    item.LUTDescriptor, item.ModalityLUTType, item.LUTData = (
        [4, 10, 16],
        "OD",
        np.array([7, 70, 700, 7000], "<u2").tobytes(),
    )
    array = np.array([[[0, 10, 11, 13, 200]]], np.uint8)
    image = read(dicom(array, ModalityLUTSequence=[item], RescaleSlope=None))
    assert image.values.tolist() == [[[7, 7, 70, 7000, 7000]]]
    assert not image.header.eight_bit


def test_each_frame_has_its_own_rescaling(dicom, dicom_parts):
    array = np.array([[[1, 2]], [[3, 4]]], np.uint16)
    frames = [
        dicom_parts.group(
            PixelValueTransformationSequence={"RescaleSlope": s, "RescaleIntercept": i, "RescaleType": "US"}
        )
        for s, i in ((2, 0), (10, -5))
    ]
    image = read(dicom(array, PerFrameFunctionalGroupsSequence=frames))
    assert image.values.tolist() == [[[2.0, 4.0]], [[25.0, 35.0]]]
    assert image.header.unit == ""


def test_a_shared_slope_of_an_eight_bit_file_is_not_saturated(dicom, dicom_parts, values):
    array = values((3, 4, 4))
    shared = dicom_parts.group(
        PixelValueTransformationSequence={"RescaleSlope": 40, "RescaleIntercept": 7, "RescaleType": "US"}
    )
    path = dicom(array, SharedFunctionalGroupsSequence=[shared])
    assert np.array_equal(read(path).values, array * 40.0 + 7)
    assert not read_header(path).eight_bit


def test_white_zeros_are_turned_where_values_have_no_unit(dicom):
    array = np.array([[[0, 1, 4095]]], np.uint16)
    tags = {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12, "HighBit": 11}
    image = read(dicom(array, **tags))
    assert image.values.tolist() == [[[4095, 4094, 0]]]
    assert any("inverted" in note for note in image.notes)
    shape_only = read(
        dicom(array, **(tags | {"PhotometricInterpretation": "MONOCHROME2"}), PresentationLUTShape="INVERSE")
    )
    assert np.array_equal(shape_only.values, image.values)
    signed = read(dicom(np.array([[[-2, 3]]], np.int16), PhotometricInterpretation="MONOCHROME1"))
    assert signed.values.tolist() == [[[1, -4]]]
    units = read(dicom(array, **tags, Modality="CT", RescaleSlope=1, RescaleIntercept=-1000))
    assert units.values.tolist() == [[[-1000.0, -999.0, 3095.0]]]


@pytest.mark.parametrize("padding", [-2000, 63536])
def test_padding_is_told_from_values(dicom, padding):
    array = np.array([[[-2000, 5, -1999, 7]]], np.int16)
    data = {"PixelPaddingValue": padding} if padding < 0 else {}
    path = dicom(array, Modality="CT", RescaleSlope=1, RescaleIntercept=-1024, **data)
    if padding > 0:  # written by a scanner that took the tag for unsigned
        content = path.read_bytes()
        at = content.index(b"\x28\x00\x52\x10")
        path.write_bytes(content[:at] + b"\x28\x00\x20\x01US\x02\x00" + padding.to_bytes(2, "little") + content[at:])
    assert read(path).padding.tolist() == [[[True, False, False, False]]]
    limited = read(dicom(array, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1999))
    assert limited.padding.tolist() == [[[True, False, True, False]]]
    assert read(dicom(array)).padding is None


@pytest.mark.parametrize("bits", [8, 16])
def test_palettes_give_eight_bit_colors(dicom, values, bits):
    array = values((1, 6, 6))
    tables = {c: np.random.default_rng(k).integers(0, 256, 256) for k, c in enumerate(("Red", "Green", "Blue"))}
    tags = {f"{c}PaletteColorLookupTableDescriptor": [256, 0, bits] for c in tables}
    stored = {c: (t * 257).astype(np.uint16) if bits == 16 else t.astype(np.uint8) for c, t in tables.items()}
    tags |= {f"{c}PaletteColorLookupTableData": t.tobytes() for c, t in stored.items()}
    image = read(dicom(array, PhotometricInterpretation="PALETTE COLOR", **tags))
    assert image.values.dtype == np.uint8
    assert np.array_equal(image.values, np.stack([tables[c][array] for c in tables], -1))
    assert image.header.channels == 3
    assert image.header.eight_bit


def test_uncompressed_ybr_and_color_by_plane_become_rgb(dicom):
    gray = np.array([[[[90, 128, 128], [200, 128, 128]]]], np.uint8)
    assert read(dicom(gray, PhotometricInterpretation="YBR_FULL")).values.tolist() == [[[[90] * 3, [200] * 3]]]
    planes = np.moveaxis(np.array([[[[1, 2, 3], [4, 5, 6]]]], np.uint8), -1, 1)  # (frames, 3, rows, columns)
    tags = {"Rows": 1, "Columns": 2, "PlanarConfiguration": 1}
    path = dicom(np.ascontiguousarray(planes).reshape(1, 1, 2, 3), **tags)
    assert read(path).values.tolist() == [[[[1, 2, 3], [4, 5, 6]]]]


@pytest.mark.parametrize("said", ["RGB", "YBR_FULL_422", "YBR_FULL"])
@pytest.mark.parametrize("jfif", [True, False])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_jpeg_colors_are_recognized_whatever_the_header_says(dicom_parts, tmp_path, said, jfif, subsampling):
    ramp = np.repeat(np.arange(0, 256, 4, np.uint8)[:, None], 64, axis=1)
    gray = np.stack([ramp] * 3, axis=-1)[None]
    stream = dicom_parts.jpeg(gray[0], subsampling=subsampling)
    assert stream[6:10] == b"JFIF"
    if not jfif:
        stream = stream[:2] + stream[4 + int.from_bytes(stream[4:6], "big") :]
    data = dicom_parts.dataset(gray, PhotometricInterpretation=said, Modality="US")
    path = dicom_parts.save(dicom_parts.compress(data, [stream], JPEGBaseline8Bit), tmp_path / "a.dcm")
    if said == "RGB" and not jfif and subsampling == 0:
        return  # nothing in the file says otherwise
    assert np.abs(read(path).values.astype(int) - gray).max() <= 3


def test_jpeg_that_is_rgb_stays_rgb(dicom_parts, tmp_path):
    colors = np.full((1, 16, 16, 3), (200, 100, 30), np.uint8)
    stream = dicom_parts.jpeg(colors[0], keep_rgb=True)
    data = dicom_parts.dataset(colors)
    path = dicom_parts.save(dicom_parts.compress(data, [stream], JPEGBaseline8Bit), tmp_path / "a.dcm")
    assert np.abs(read(path).values.astype(int) - colors).max() <= 2


def test_missing_and_surplus_pixels_are_refused_with_both_numbers(dicom, values):
    array = values((2, 8, 8), np.uint16)
    cases = {
        "is incomplete": {"NumberOfFrames": 3},
        "need 288 bytes, 256 are there": {"Rows": 9},
        "holds more than it says": {"NumberOfFrames": 1},
        "says 2e\\+09 frames": {"NumberOfFrames": 2_000_000_000},
        "3 samples x 2 frames": {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0},
    }
    for text, tags in cases.items():
        with pytest.raises(InputError, match=text) as caught:
            read(dicom(array, **tags))
        assert "a.dcm" in caught.value.message
        assert caught.value.hint


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEG2000Lossless])
@pytest.mark.parametrize("said", [1, 2, 4])
def test_a_wrong_number_of_compressed_frames_is_refused(dicom, values, syntax, said):
    path = dicom(values((3, 32, 32)), syntax, NumberOfFrames=said)
    with pytest.raises(InputError, match=r"a\.dcm (says|is truncated|cannot be decoded)"):
        read(path)


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEGBaseline8Bit, JPEG2000Lossless])
@pytest.mark.parametrize("share", [0.95, 0.6])
def test_truncated_files_are_refused(dicom, values, syntax, share):
    path = dicom(values((1, 64, 64)), **({"syntax": syntax} if syntax else {}))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=r"a\.dcm"):
        read(path)


def test_what_cannot_be_read_is_named(dicom, dicom_parts, values, tmp_path):
    array = values((1, 4, 4))
    for text, tags in {
        "HSV": {"PhotometricInterpretation": "HSV"},
        "2 samples": {"SamplesPerPixel": 2},
        "no pixel data": {},
    }.items():
        path = dicom(array, **tags)
        if text == "no pixel data":
            content = path.read_bytes()
            path.write_bytes(content[: content.rindex(b"\xe0\x7f\x10\x00")])
        with pytest.raises(InputError, match=text):
            read(path)
    data = dicom_parts.compress(dicom_parts.dataset(array), [b"1234"], "1.2.840.10008.1.2.4.100")
    path = dicom_parts.save(data, tmp_path / "video.dcm")
    with pytest.raises(InputError, match=r"video\.dcm is compressed as MPEG2"):
        read(path)
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.4.100", b"1.2.840.10008.1.2.4.999"))
    with pytest.raises(InputError, match=r"video\.dcm"):
        read(path)
