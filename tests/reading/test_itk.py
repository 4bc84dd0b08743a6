"""NRRD, MetaImage and ANALYZE are read by ITK; wherever ITK and pydicom or nibabel can both read, they agree."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from medsynth.base.errors import InputError
from medsynth.reading import read, read_header, recognize
from medsynth.reading.geometry import RAS_FROM_LPS
from medsynth.reading.volumes.itk_volumes import import_itk

SHIPPED = Path(pydicom.__file__).parent / "data" / "test_files"
AFFINE_LPS = np.array([[0, -0.8, 0, 5], [0.7, 0, 0, -6], [0, 0, 3, 7], [0, 0, 0, 1.0]])
# not compared: RGB is one array less, ITK reads palettes and YBR in its own way, and it turns nothing upside down
COMPARED = (
    *("693_J2KI.dcm", "CT_small.dcm", "J2K_pixelrep_mismatch.dcm", "JPEG-lossy.dcm", "JPEG2000.dcm"),
    *("JPGExtended.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_expb.dcm"),
    *("MR_small_implicit.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_padded.dcm"),
    *("JPEGLSNearLossless_08.dcm", "JPEGLSNearLossless_16.dcm", "SC_rgb_rle.dcm", "SC_rgb_small_odd.dcm"),
    *("SC_rgb_jpeg_gdcm.dcm", "SC_rgb_jls_lossy_line.dcm", "SC_rgb_gdcm_KY.dcm", "examples_rgb_color.dcm"),
)


def write_nrrd(path, array, *, compressed=False):
    """NRRD by hand, in LPS: (columns, rows, slices) values."""
    vectors = " ".join(f"({','.join(str(v) for v in AFFINE_LPS[:3, k])})" for k in range(3))
    lines = [
        "NRRD0004",
        f"type: {array.dtype.name}",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {' '.join(str(n) for n in array.shape)}",
        f"space directions: {vectors}",
        "endian: little",
        f"encoding: {'gzip' if compressed else 'raw'}",
        f"space origin: ({','.join(str(v) for v in AFFINE_LPS[:3, 3])})",
    ]
    content = array.tobytes(order="F")
    path.write_bytes("\n".join(lines).encode() + b"\n\n" + (gzip.compress(content) if compressed else content))
    return path


def write_meta(path, array, data="LOCAL"):
    directions = AFFINE_LPS[:3, :3] / np.linalg.norm(AFFINE_LPS[:3, :3], axis=0)
    kinds = {"uint8": "MET_UCHAR", "int16": "MET_SHORT", "float32": "MET_FLOAT"}
    text = f"""ObjectType = Image
NDims = {array.ndim}
BinaryData = True
BinaryDataByteOrderMSB = False
TransformMatrix = {" ".join(str(v) for v in directions.T.ravel())}
Offset = 5 -6 7
ElementSpacing = 0.7 0.8 3
DimSize = {" ".join(str(n) for n in array.shape)}
ElementType = {kinds[array.dtype.name]}
ElementDataFile = {data}
"""
    content = array.tobytes(order="F")
    path.write_bytes(text.encode() + (content if data == "LOCAL" else b""))
    if data != "LOCAL":
        (path.parent / data).write_bytes(content)
    return path


@pytest.mark.parametrize("kind", ["nrrd", "nrrd.gz", "mha", "mhd"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_voxels_values_and_affines_are_those_written(tmp_path, kind, dtype):
    array = np.arange(60).reshape(3, 4, 5).astype(dtype)
    if kind.startswith("nrrd"):
        dtype_names = {"float32": "float"}
        path = write_nrrd(tmp_path / "a.nrrd", array, compressed=kind == "nrrd.gz")
        path.write_bytes(
            path.read_bytes().replace(f"type: {dtype}".encode(), f"type: {dtype_names.get(dtype, dtype)}".encode())
        )
    else:
        path = write_meta(tmp_path / f"a.{kind}", array, "LOCAL" if kind == "mha" else "a.raw")
    image = read(path)
    assert image.values.dtype == array.dtype
    assert np.array_equal(image.channels_first()[0], array)
    np.testing.assert_allclose(image.affine, RAS_FROM_LPS @ AFFINE_LPS, atol=1e-9)
    np.testing.assert_allclose(image.spacing, (0.7, 0.8, 3))
    assert image.header.eight_bit == (dtype == "uint8")
    if kind == "mhd":
        assert recognize(tmp_path / "a.raw").reason == "pixels of .mhd files"


def test_analyze_is_read_and_says_that_its_place_is_unknown(tmp_path):
    array = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    nib.save(nib.AnalyzeImage(array, np.diag([0.7, 0.8, 3, 1])), tmp_path / "a.hdr")
    image = read(tmp_path / "a.hdr")
    assert np.array_equal(image.channels_first()[0], array)
    np.testing.assert_allclose(image.spacing, (0.7, 0.8, 3), rtol=1e-6)
    assert any("ANALYZE" in note for note in image.notes)
    assert recognize(tmp_path / "a.img").reason == "pixels of .hdr files"


def test_damaged_files_are_named(tmp_path):
    path = write_nrrd(tmp_path / "a.nrrd", np.ones((3, 4, 5), np.int16))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"a\.nrrd cannot be decoded"):
        read(path)
    (tmp_path / "b.mha").write_text("nonsense")
    with pytest.raises(InputError, match=r"b\.mha cannot be read"):
        read_header(tmp_path / "b.mha")


@pytest.mark.parametrize("name", COMPARED)
def test_itk_and_pydicom_agree_on_pixels(name):
    itk = import_itk()
    expected = itk.array_from_image(itk.imread(str(SHIPPED / name)))
    np.testing.assert_allclose(read(SHIPPED / name).values, expected, atol=1e-3 if name == "CT_small.dcm" else 0)


def test_itk_and_pydicom_agree_on_the_geometry_of_a_file(dicom, values):
    itk = import_itk()
    tags = {"ImagePositionPatient": [3, -4, 5], "ImageOrientationPatient": [0, 1, 0, 0, 0, -1], "SliceThickness": 2}
    path = dicom(
        values((1, 4, 6), np.int16), PixelSpacing=[0.5, 0.75], RescaleSlope="1.5", RescaleIntercept="-7", **tags
    )
    image = itk.imread(str(path))
    found = read(path)
    np.testing.assert_allclose(found.values, itk.array_from_image(image))
    np.testing.assert_allclose(found.spacing[:2], list(image.GetSpacing())[:2])
    directions = itk.array_from_matrix(image.GetDirection()) @ np.diag(list(image.GetSpacing()))
    np.testing.assert_allclose((RAS_FROM_LPS @ found.affine)[:3, :2], directions[:, :2], atol=1e-9)
    np.testing.assert_allclose((RAS_FROM_LPS @ found.affine)[:3, 3], list(image.GetOrigin()))


def test_itk_and_nibabel_agree(tmp_path):
    itk = import_itk()
    affine = RAS_FROM_LPS @ AFFINE_LPS
    array = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    nib.save(nib.Nifti1Image(array, affine), tmp_path / "a.nii.gz")
    image = itk.imread(str(tmp_path / "a.nii.gz"))
    found = read(tmp_path / "a.nii.gz")
    assert np.array_equal(found.values, itk.array_from_image(image))
    np.testing.assert_allclose((RAS_FROM_LPS @ found.affine)[:3, 3], list(image.GetOrigin()), atol=1e-5)
