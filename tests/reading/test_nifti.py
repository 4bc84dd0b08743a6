"""NIfTI files give the voxels, the affine and the values that nibabel wrote."""

import nibabel as nib
import numpy as np
import pytest

from medsynth.base.errors import InputError
from medsynth.reading import iterate, read, read_header

AFFINE = np.array([[0, -0.8, 0, 5], [0.7, 0, 0.1, -6], [0, 0, 3, 7], [0, 0, 0, 1.0]])


@pytest.fixture
def nifti(tmp_path):
    def write(array, name="a.nii.gz", affine=AFFINE, kind=nib.Nifti1Image, **header):
        image = kind(array, affine)
        for key, value in header.items():
            image.header[key] = value
        nib.save(image, tmp_path / name)
        return tmp_path / name

    return write


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_voxel_stays_where_its_affine_puts_it(nifti, dtype, name):
    array = np.arange(60).reshape(3, 4, 5).astype(dtype)
    image = read(nifti(array, name))
    assert image.values.shape == (5, 4, 3)
    assert image.values.dtype == (np.float32 if dtype.startswith("float") else np.dtype(dtype))
    assert image.values[4, 3, 2] == array[2, 3, 4]
    assert np.array_equal(image.channels_first()[0], array)
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-6)
    np.testing.assert_allclose(image.spacing, (0.7, 0.8, np.hypot(0.1, 3)), atol=1e-6)
    assert image.header.eight_bit == (dtype == "uint8")


def test_stored_integers_are_scaled_where_the_file_says_so(tmp_path):
    array = np.array([[[0, 10]], [[20, 30]]], np.int16)
    image = nib.Nifti1Image(array, AFFINE)
    image.header.set_slope_inter(0.5, -1024)
    nib.save(image, tmp_path / "a.nii")
    expected = np.asarray(nib.load(tmp_path / "a.nii").dataobj)
    found = read(tmp_path / "a.nii")
    assert found.values.dtype == np.float32
    np.testing.assert_allclose(found.channels_first()[0], expected)


def test_nifti_2_and_big_endian_files_are_read(nifti, tmp_path):
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    assert np.array_equal(read(nifti(array, kind=nib.Nifti2Image)).channels_first()[0], array)
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    nib.save(nib.Nifti1Image(array.astype(">i2"), AFFINE, header), tmp_path / "big.nii")
    found = read(tmp_path / "big.nii")
    assert found.values.dtype == np.int16
    assert np.array_equal(found.channels_first()[0], array)


@pytest.mark.parametrize("shape", [(3, 4, 5, 1), (3, 4, 5, 1, 1), (3, 4, 5)])
def test_axes_of_length_one_at_the_end_are_dropped(nifti, shape):
    array = np.arange(60, dtype=np.int16).reshape(shape)
    header = read_header(nifti(array))
    assert (header.shape, header.volumes) == ((5, 4, 3), 1)
    assert np.array_equal(read(header.path).channels_first()[0], array.reshape(3, 4, 5))


def test_two_axes_are_one_image(nifti):
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert np.array_equal(read(nifti(array)).values, array.T[None])


def test_of_several_volumes_one_is_chosen(nifti):
    array = np.arange(120, dtype=np.int16).reshape(3, 4, 5, 2)
    path = nifti(array)
    assert read_header(path).volumes == 2
    assert np.array_equal(read(path, volume=1).channels_first()[0], array[..., 1])
    assert [int(one.values[0, 0, 0]) for one in iterate(path, [4, 0], volume=1)] == [
        array[0, 0, 4, 1],
        array[0, 0, 0, 1],
    ]
    with pytest.raises(InputError, match=r"a\.nii\.gz holds 2 volumes") as caught:
        read(path)
    assert "Choose one of 0 to 1: --set data.volume=0" in caught.value.hint
    with pytest.raises(InputError, match="no volume 2"):
        read(path, volume=2)


def test_a_slice_keeps_its_place(nifti):
    path = nifti(np.arange(60, dtype=np.int16).reshape(3, 4, 5))
    image = read(path, index=3)
    assert (len(image), image.index) == (1, 3)
    np.testing.assert_allclose(image.affine @ [0, 0, 0, 1], AFFINE @ [0, 0, 3, 1], atol=1e-5)


def test_colors_are_read(nifti):
    colors = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), np.uint8)
    stored = np.ascontiguousarray(colors).view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    image = read(nifti(stored))
    assert image.header.channels == 3
    assert np.array_equal(image.values, colors.transpose(2, 1, 0, 3))


def test_complex_numbers_nan_and_many_axes_are_refused(nifti):
    cases = {
        "complex numbers": np.ones((2, 2, 2), np.complex64),
        "contains NaN": np.full((2, 2, 2), np.nan, np.float32),
        "has shape": np.ones((2, 2, 2, 2, 2), np.uint8),
    }
    for text, array in cases.items():
        with pytest.raises(InputError, match=text) as caught:
            read(nifti(array))
        assert caught.value.hint


def test_unknown_orientation_and_other_units_are_said(tmp_path):
    image = nib.Nifti1Image(np.ones((2, 3, 4), np.uint8), None)
    image.header.set_xyzt_units("meter")
    image.header["pixdim"][1:4] = 0.001, 0.002, 0.003
    nib.save(image, tmp_path / "a.nii")
    found = read_header(tmp_path / "a.nii")
    np.testing.assert_allclose(found.spacing, (1, 2, 3), rtol=1e-6)
    assert any("in meters" in note for note in found.notes)
    assert any("does not say where" in note for note in found.notes)


@pytest.mark.parametrize("keep", [100, 400])
def test_damaged_files_are_named(nifti, keep):
    path = nifti(np.random.default_rng(0).normal(size=(8, 8, 8)), "a.nii")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"a\.nii"):
        read(path)
