"""Volumes are turned to the usual display, and windows are those of the standard."""

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_windowing

from medsynth.reading import read, upright, windowed

SIGNS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}


@pytest.mark.parametrize(
    ("stored", "shown"),
    [("RAS", "LPS"), ("LPS", "LPS"), ("PSR", "PIR"), ("RSA", "LIA"), ("SPR", "PIR"), ("ALI", "LPI")],
)
def test_rows_and_columns_run_as_radiologists_expect_and_slices_stay(tmp_path, stored, shown):
    affine = np.eye(4)
    affine[:3, :3] = 0
    for column, letter in enumerate(stored):
        axis, sign = SIGNS[letter]
        affine[axis, column] = sign * (column + 1)
    array = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    nib.save(nib.Nifti1Image(array, affine), tmp_path / "a.nii")
    image = upright(read(tmp_path / "a.nii"))
    assert "".join(nib.aff2axcodes(image.affine)) == shown
    assert [set(part.ravel()) for part in image.values] == [set(array[..., k].ravel()) for k in range(5)]
    for index in np.ndindex(image.values.shape):
        voxel = np.linalg.inv(affine) @ image.affine @ [*index[::-1], 1]
        assert image.values[index] == array[tuple(np.rint(voxel[:3]).astype(int))]


@pytest.mark.parametrize("curve", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_are_those_of_the_standard(dicom, values, curve):
    tags = {"WindowCenter": 100, "WindowWidth": 900, "VOILUTFunction": curve, "RescaleSlope": 2, "RescaleIntercept": -9}
    path = dicom(values((1, 8, 8), np.int16) % 500, Modality="CT", **tags)
    image = read(path)
    data = pydicom.dcmread(path)
    by_pydicom = apply_windowing(image.values[0].astype(np.float64), data)
    low, high = (limit * 2.0 - 9 for limit in (-32768, 32767))
    np.testing.assert_allclose(windowed(image)[0], (by_pydicom - low) / (high - low), atol=2e-6)


def test_without_a_window_or_a_place_nothing_is_invented(dicom, values):
    image = read(dicom(values((1, 4, 4))))
    assert upright(image) is image
    with pytest.raises(ValueError, match="recommends no window"):
        windowed(image)
