"""All files that pydicom ships are read as pydicom's own pixel functions read them, or are refused with a reason."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array

from medsynth.base.errors import InputError
from medsynth.reading import Image, NoImageError, read

ROOT = Path(pydicom.__file__).parent / "data" / "test_files"
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file())

# With the reason: a part of the message, or what it is counted as.
REFUSED = {
    "JPEG2000-embedded-sequence-delimiter.dcm": "cannot be decoded",
    "MR_truncated.dcm": "is truncated: 8130 of 8192 bytes",
    "badVR.dcm": "NumberOfFrames 1A is no number",
}
WITHOUT_IMAGE = {
    "ExplVR_BigEndNoMeta.dcm": "radiotherapy plans",
    "ExplVR_LitEndNoMeta.dcm": "radiotherapy plans",
    "README.txt": ".txt files",
    "UN_sequence.dcm": "DICOM files without an image",
    "crayons.icc": ".icc files",
    "dicomdirtests/DICOMDIR": "DICOMDIR",
    "dicomdirtests/DICOMDIR-bigEnd": "DICOMDIR",
    "dicomdirtests/DICOMDIR-empty.dcm": "DICOMDIR",
    "dicomdirtests/DICOMDIR-implicit": "DICOMDIR",
    "dicomdirtests/DICOMDIR-nooffset": "DICOMDIR",
    "dicomdirtests/DICOMDIR-nopatient": "DICOMDIR",
    "dicomdirtests/DICOMDIR-reordered": "DICOMDIR",
    "dicomdirtests/README.txt": ".txt files",
    "dicomdirtests/TINY_ALPHA/DICOMDIR": "DICOMDIR",
    "dicomdirtests/TINY_ALPHA/README": "files without a suffix",
    "empty_charset_LEI.dcm": "DICOM files without an image",
    "liver_1frame.dcm": "segmentations",
    "liver_expb_1frame.dcm": "segmentations",
    "meta_missing_tsyntax.dcm": "DICOM files without an image",
    "nested_priv_SQ.dcm": "DICOM files without an image",
    "no_meta.dcm": "DICOM files without an image",
    "no_meta_group_length.dcm": "DICOM files without an image",
    "priv_SQ.dcm": "DICOM files without an image",
    "reportsi.dcm": "structured reports",
    "reportsi_with_empty_number_tags.dcm": "structured reports",
    "rtplan.dcm": "radiotherapy plans",
    "rtplan.dump": ".dump files",
    "rtplan_truncated.dcm": "radiotherapy plans",
    "rtstruct.dcm": "radiotherapy structures",
    "rtstruct.dump": ".dump files",
    "test-SR.dcm": "structured reports",
    "test1.json": ".json files",
    "test_PN.json": ".json files",
    "waveform_ecg.dcm": "waveforms",
    "zipMR.gz": ".gz files",
    # headers of a file set, whose pixels were taken out
    **{name: "DICOM files without an image" for name in FILES if "TINY_ALPHA/PT" in name},
}
# pydicom needs a package under the GPL, or one that may end the process, for these. The same picture in another
# syntax, and by how much a lossy one may differ from it; 12-bit ones are compared in test_itk.py.
TWINS = {
    "MR_small_jpeg_ls_lossless.dcm": ("MR_small.dcm", 0),
    "SC_rgb_jpeg_gdcm.dcm": ("SC_rgb_gdcm_KY.dcm", 0),
    "SC_rgb_jls_lossy_line.dcm": ("SC_rgb_rle.dcm", 5),
    "SC_rgb_jls_lossy_sample.dcm": ("SC_rgb_rle.dcm", 5),
}
TWELVE_BIT = ("JPEG-lossy.dcm", "JPGExtended.dcm")
# sums by CharLS, which pydicom's own tests use
SUMS = {"JPEGLSNearLossless_08.dcm": 25000, "JPEGLSNearLossless_16.dcm": 6007250}


def by_pydicom(path: Path) -> np.ndarray:
    """Frames of physical values, by pydicom alone; where low values are bright, turned within what can be stored."""
    data = pydicom.dcmread(path)
    array = pixel_array(data, allow_excess_frames=False)
    if data.PhotometricInterpretation == "PALETTE COLOR":
        array = (apply_color_lut(array, data) >> 8).astype(np.uint8)
    elif data.SamplesPerPixel == 1:
        array = apply_modality_lut(array, data) * float(data.get("DoseGridScaling", 1))
        if data.PhotometricInterpretation == "MONOCHROME1":
            array = apply_modality_lut(np.array([0, 2**data.BitsStored - 1]), data).sum() - array
    return array if int(data.get("NumberOfFrames") or 1) > 1 else array[None]


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Image | InputError]:
    found: dict[str, Image | InputError] = {}
    for name in FILES:
        try:
            found[name] = read(ROOT / name)
        except InputError as error:
            found[name] = error
    return found


def test_every_file_is_read_or_refused_as_listed(outcomes):
    refused = {name: error for name, error in outcomes.items() if isinstance(error, InputError)}
    reasons = {name: error.reason for name, error in refused.items() if isinstance(error, NoImageError)}
    assert reasons == WITHOUT_IMAGE
    assert refused.keys() - reasons.keys() == REFUSED.keys()
    for name, part in REFUSED.items():
        assert str(ROOT / name) in refused[name].message
        assert part in refused[name].message


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_pixels_are_those_of_pydicom(outcomes):
    others = {*TWINS, *TWELVE_BIT, *SUMS}
    images = {name: image for name, image in outcomes.items() if isinstance(image, Image) and name not in others}
    assert len(images) == 80
    for name, image in images.items():
        expected = by_pydicom(ROOT / name)
        assert image.values.shape == expected.shape, name
        np.testing.assert_allclose(image.values, expected, rtol=1e-6, atol=0, err_msg=name)


def test_syntaxes_that_pydicom_does_not_decode_give_the_same_picture(outcomes):
    for name, (twin, tolerance) in TWINS.items():
        difference = outcomes[name].values.astype(int) - outcomes[twin].values
        assert np.abs(difference).max() <= tolerance, name
    assert {name: int(outcomes[name].values.sum(dtype=np.int64)) for name in SUMS} == SUMS
