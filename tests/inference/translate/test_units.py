"""Physical values in, physical values out, where a bundle's domains have windows."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pydicom
import pytest

from medsynth.data.formats.windows import Window
from medsynth.reading import read

OBLIQUE = np.array([[0, -0.8, 0.05, 5], [0.7, 0, 0.1, -6], [0, 0.02, 3, 7], [0, 0, 0, 1.0]])
CT = Window(-160, 240, "HU")


@pytest.fixture
def in_units(translator):
    """A translator that changes nothing, between windows of Hounsfield units."""
    from dataclasses import replace

    def make(low=-160.0, high=240.0, target=CT, **config):
        return replace(translator(window=f"{low}:{high}", **config), window=target)

    return make


def hounsfield(shape, seed=0):
    return np.random.default_rng(seed).integers(-160, 241, shape).astype(np.int16)


def test_a_ct_volume_comes_back_in_hounsfield_units_at_its_place(tmp_path, synthesize, in_units, write_nifti):
    volume = hounsfield((40, 36, 5))
    volume[0, 0, 0], volume[-1, -1, -1] = -1000, 3000
    source = nib.load(write_nifti(tmp_path / "ct.nii.gz", volume, OBLIQUE))
    assert synthesize(tmp_path / "ct.nii.gz", translator=in_units(square=False)).failures == []
    result = nib.load(tmp_path / "out/ct.nii.gz")
    assert np.array_equal(result.affine, source.affine)
    assert result.get_data_dtype() == np.float32
    assert np.abs(result.get_fdata() - np.clip(volume, -160, 240)).max() < 1e-3
    asked = json.loads((tmp_path / "out/synthesis.json").read_text())
    assert asked["values"] == {"low": -160, "high": 240, "unit": "HU"}


def test_values_are_those_of_the_target_whatever_the_source_had(tmp_path, synthesize, in_units, write_nifti):
    volume = hounsfield((40, 36, 2))
    write_nifti(tmp_path / "ct.nii.gz", volume, OBLIQUE)
    chosen = in_units(target=Window(0, 1e-4), square=False)
    assert synthesize(tmp_path / "ct.nii.gz", translator=chosen).failures == []
    expected = (volume + 160) / 400 * 1e-4
    np.testing.assert_allclose(nib.load(tmp_path / "out/ct.nii.gz").get_fdata(), expected, atol=1e-10)


@pytest.mark.parametrize("target", [CT, Window(-1 / 3, 1e-3), Window(1e6, 1e6 + 1)], ids=str)
def test_dicom_says_how_its_stored_values_become_physical_ones(target, tmp_path, synthesize, in_units, write_dicom):
    pixels = np.random.default_rng(1).integers(0, 201, (40, 36)).astype(np.uint8)
    tags = {"RescaleSlope": 2, "RescaleIntercept": -160, "RescaleType": "HU"}
    write_dicom(tmp_path / "ct.dcm", pixels, tags)
    assert synthesize(tmp_path / "ct.dcm", translator=in_units(target=target)).failures == []
    (path,) = (tmp_path / "out").glob("*.dcm")
    data = pydicom.dcmread(path)
    assert data.RescaleType == (target.unit or "US")
    found = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
    expected = target.low + pixels / 200 * (target.high - target.low)
    step = (target.high - target.low) / 65535
    # beside a large intercept, single precision is coarser than a step
    assert np.abs(found - expected).max() < step + np.spacing(np.float32(abs(target.low)))
    assert (data.WindowCenter, data.WindowWidth) == pytest.approx(
        ((target.low + target.high) / 2, target.high - target.low)
    )
    again = read(path)
    assert again.header.unit == target.unit
    np.testing.assert_allclose(again.values[0], found, rtol=1e-6, atol=step)


def test_grey_files_and_colors_stay_levels_from_0_to_255(tmp_path, synthesize, in_units, write_nifti, texture):
    write_nifti(tmp_path / "v.nii.gz", hounsfield((40, 36, 2)), OBLIQUE)
    assert synthesize(tmp_path / "v.nii.gz", translator=in_units(channels=3)).failures == []
    assert np.asarray(nib.load(tmp_path / "out/v.nii.gz").dataobj).dtype.names == ("R", "G", "B")
    assert synthesize(tmp_path / "v.nii.gz", translator=in_units(), format="png", out=tmp_path / "png").failures == []
    assert len(list((tmp_path / "png/v").glob("*.png"))) == 2
