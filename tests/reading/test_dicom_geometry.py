"""Where DICOM frames and files lie, in which order they are read, and what is said where it is unknown."""

import numpy as np
import pytest

from medsynth.base.errors import InputError
from medsynth.reading import iterate, pixel_aspects, read, read_header, read_series

OBLIQUE = [0.8, 0.6, 0, -0.6, 0.8, 0]


def enhanced(dicom, dicom_parts, places, *, times=None, orientation=(1, 0, 0, 0, 1, 0), **tags):
    """Frame k holds the value k everywhere and lies at `places[k]`."""
    array = np.repeat(np.arange(len(places), dtype=np.uint16), 6).reshape(-1, 2, 3)
    frames = [
        dicom_parts.group(
            PlanePositionSequence={"ImagePositionPatient": list(place)},
            FrameContentSequence={"TemporalPositionIndex": times[k] if times else 1},
        )
        for k, place in enumerate(places)
    ]
    shared = dicom_parts.group(
        PlaneOrientationSequence={"ImageOrientationPatient": list(orientation)},
        PixelMeasuresSequence={"PixelSpacing": [0.7, 0.5], "SliceThickness": 9},
    )
    absent = dict.fromkeys(("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"))
    groups = {"PerFrameFunctionalGroupsSequence": frames, "SharedFunctionalGroupsSequence": [shared]}
    return dicom(array, **(absent | groups | tags))


def order(image):
    return image.values[:, 0, 0].tolist()


def test_frames_of_an_enhanced_file_are_read_along_their_normal_with_their_true_affine(dicom, dicom_parts):
    normal = np.cross(OBLIQUE[:3], OBLIQUE[3:])
    places = [np.array([10, -20, 30]) + k * 2.5 * normal for k in (2, 0, 1)]
    image = read(enhanced(dicom, dicom_parts, places, orientation=OBLIQUE))
    assert order(image) == [1, 2, 0]
    for column, row, k in ((0, 0, 0), (2, 1, 2)):
        lps = np.array([10, -20, 30]) + column * 0.5 * np.array(OBLIQUE[:3]) + row * 0.7 * np.array(OBLIQUE[3:])
        lps = lps + k * 2.5 * normal
        np.testing.assert_allclose(image.affine @ [column, row, k, 1], [*(lps * [-1, -1, 1]), 1], atol=1e-9)
    np.testing.assert_allclose(image.spacing, (0.5, 0.7, 2.5))
    assert [one.number for one in image.header.slices] == [1, 2, 0]


def test_moments_are_volumes_of_their_own(dicom, dicom_parts):
    places = [(0, 0, z) for z in (1, 1, 0, 0)]
    path = enhanced(dicom, dicom_parts, places, times=[2, 1, 2, 1])
    header = read_header(path)
    assert (header.volumes, header.shape, header.count) == (2, (2, 2, 3), 4)
    assert order(read(path)) == [3, 1, 2, 0]
    assert read(path).affine is None
    second = read(path, volume=1)
    assert (order(second), second.index) == ([2, 0], 2)
    np.testing.assert_allclose(second.affine[:3, 2], [0, 0, 1])
    assert order(read(path, index=1)) == [1]
    assert [order(one) for one in iterate(path, [3, 0])] == [[0], [3]]
    with pytest.raises(InputError, match="no volume 2"):
        read(path, volume=2)
    with pytest.raises(InputError, match="no slice 4"):
        read(path, index=4)


def test_frames_at_one_place_without_a_moment_become_volumes_too(dicom, dicom_parts):
    path = enhanced(dicom, dicom_parts, [(0, 0, z) for z in (0, 1, 0, 1)])
    assert read_header(path).volumes == 2
    assert order(read(path, volume=1)) == [2, 3]


def test_uneven_slices_have_no_affine_and_say_why(dicom, dicom_parts):
    image = read(enhanced(dicom, dicom_parts, [(0, 0, z) for z in (0, 1, 2, 5)]))
    assert image.affine is None
    assert any("1 to 3 mm apart" in note for note in image.header.notes)


def test_a_cine_stays_in_its_order_without_a_place(dicom, values):
    array = values((4, 5, 6))
    image = read(dicom(array, Modality="US", NumberOfFrames=4))
    assert np.array_equal(image.values, array)
    assert image.affine is None
    assert np.array_equal(next(iterate(image.header.path, [2])).values[0], array[2])


def test_a_dose_grid_has_gray_and_the_places_of_its_offsets(dicom):
    array = np.arange(8, dtype=np.uint32).reshape(2, 2, 2)
    tags = {"Modality": "RTDOSE", "DoseUnits": "GY", "DoseGridScaling": "0.25", "GridFrameOffsetVector": [0, 3]}
    image = read(dicom(array, **tags))
    assert np.array_equal(image.values, array * 0.25)
    assert image.header.unit == "GY"
    assert image.affine[2, 2] == 3


@pytest.mark.parametrize(
    ("tag", "value", "text"),
    [
        ("PixelSpacing", b"0,5\\0,5 ", "PixelSpacing 0,5\\0,5 is no number"),
        ("PixelSpacing", b"0.5 ", "PixelSpacing 0.5 is ignored: 2 finite numbers"),
        ("PixelSpacing", b"0\\0 ", "must be above 0"),
        ("ImagePositionPatient", b"", "place in space is unknown"),
        ("ImageOrientationPatient", b"1\\0\\0\\1\\0\\0 ", "not perpendicular"),
    ],
)
def test_wrong_geometry_is_unknown_and_the_file_is_read(dicom, values, tag, value, text):
    array = values((1, 4, 4))
    path = dicom(array)
    content = path.read_bytes()
    number = {"PixelSpacing": b"\x28\x00\x30\x00", "ImagePositionPatient": b"\x20\x00\x32\x00"}
    mark = number.get(tag, b"\x20\x00\x37\x00") + b"DS"
    at = content.index(mark) + len(mark)
    length = int.from_bytes(content[at : at + 2], "little")
    path.write_bytes(content[:at] + len(value).to_bytes(2, "little") + value + content[at + 2 + length :])
    image = read(path)
    assert np.array_equal(image.values, array)
    assert image.affine is None
    assert any(text in note for note in image.notes), image.notes


def test_files_without_preamble_or_file_meta_are_read(dicom, values):
    array = values((1, 4, 6), np.uint16)
    path = dicom(array)
    content = path.read_bytes()
    size = 132 + 12 + int.from_bytes(content[140:144], "little")
    (path.parent / "bare").write_bytes(content[size:])
    image = read(path.parent / "bare")
    assert np.array_equal(image.values, array)
    assert any("guessed" in note for note in image.notes)


@pytest.mark.parametrize(
    ("tags", "aspect"),
    [
        ({"PixelSpacing": [1.0, 0.5]}, 2),
        ({"PixelSpacing": [0.5, 1.5]}, 0.3333),
        ({"PixelSpacing": [0.504, 0.5]}, 1),
        ({"PixelSpacing": [1.0, 0.5], "PixelAspectRatio": [7, 1]}, 2),
        ({"PixelSpacing": None, "PixelAspectRatio": [1, 2]}, 0.5),
        ({"PixelSpacing": None, "PixelAspectRatio": [0, 2]}, 1),
        ({"PixelSpacing": [0, 2]}, 1),
        ({"PixelSpacing": 0.7}, 1),
        ({"PixelSpacing": None}, 1),
    ],
)
def test_the_shape_of_pixels_is_what_the_file_says_of_it_or_square(dicom, values, tags, aspect):
    path = dicom(values((2, 4, 6)), **tags)
    for found in (read_header(path), read(path)):
        assert pixel_aspects(found) == (aspect, aspect)
    assert pixel_aspects(read(path, index=1)) == (aspect,)


def test_a_series_becomes_a_volume(dicom, values):
    array = values((3, 4, 5), np.int16)
    paths = [
        dicom(
            array[k][None], name=f"{k}.dcm", ImagePositionPatient=[1, 2, 3 + 4 * k], RescaleSlope=2, RescaleIntercept=1
        )
        for k in range(3)
    ]
    image = read_series(paths)
    assert np.array_equal(image.values, array * 2.0 + 1)
    assert image.affine.tolist() == [[-0.5, 0, 0, -1], [0, -0.5, 0, -2], [0, 0, 4, 3], [0, 0, 0, 1]]
    assert image.channels_first().shape == (1, 5, 4, 3)
    with_gap = read_series([paths[0], paths[2], dicom(array[:1], name="far.dcm", ImagePositionPatient=[1, 2, 99])])
    assert with_gap.affine is None
    other = dicom(values((1, 9, 9), np.int16), name="other.dcm")
    with pytest.raises(InputError, match="different sizes: 5 x 4, 9 x 9"):
        read_series([paths[0], other])


def test_spacing_of_ultrasound_and_detectors_is_used_and_said(dicom, dicom_parts, values):
    region = dicom_parts.group()
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX, region.PhysicalDeltaY = 0.02, 0.03
    none = {"PixelSpacing": None, "ImagePositionPatient": None}
    header = read_header(dicom(values((1, 4, 4)), SequenceOfUltrasoundRegions=[region], **none))
    np.testing.assert_allclose(header.spacing[:2], (0.2, 0.3))
    assert any("ultrasound region" in note for note in header.notes)
    header = read_header(dicom(values((1, 4, 4)), ImagerPixelSpacing=[0.1, 0.2], **none))
    assert header.spacing[:2] == (0.2, 0.1)
