"""Volumes through networks that take each slice between its neighbors."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pydicom
import pytest
import torch

from medsynth.data.config import DataConfig
from medsynth.data.formats.chains import DomainInfo, preprocessing_config
from medsynth.data.formats.probing import Format
from medsynth.data.formats.stacks import Stacks
from medsynth.inference.inputs.fitting import NativeSize
from medsynth.inference.translate.translator import load_translator
from medsynth.inference.translate.volumes import translate_volumes
from medsynth.statistics import flicker


class Below(torch.nn.Module):
    """Answers with the stacks moved by one: in the middle stands the slice below."""

    def forward(self, stacks):
        return stacks.roll(1, dims=1)


def test_a_network_sees_the_slices_around_the_one_that_it_translates(
    tmp_path, synthesize, translator, texture, write_nifti
):
    volume = texture((40, 36, 4))
    write_nifti(tmp_path / "v.nii.gz", volume, np.diag([-1.0, -1, 2, 1]))
    assert synthesize(tmp_path / "v.nii.gz", translator=translator(Below(), neighbors=1), batch=3).failures == []
    found = nib.load(tmp_path / "out/v.nii.gz").get_fdata()
    assert np.abs(found - volume[..., [0, 0, 1, 2]]).max() < 1e-3


def test_overlapping_stacks_are_averaged_and_nothing_else_changes(
    tmp_path, synthesize, translator, texture, write_nifti
):
    volume = texture((40, 36, 4))
    write_nifti(tmp_path / "v.nii.gz", volume, np.diag([-1.0, -1, 2, 1]))
    asked = translator(Below(), neighbors=1, smooth=True)
    assert synthesize(tmp_path / "v.nii.gz", translator=asked, batch=3).failures == []
    stacks = np.stack([np.roll(volume[..., [max(k - 1, 0), k, min(k + 1, 3)]], 1, axis=2) for k in range(4)])
    expected = [
        np.mean([stacks[j][..., 1 + k - j] for j in range(max(k - 1, 0), min(k + 2, 4))], axis=0) for k in range(4)
    ]
    assert np.abs(nib.load(tmp_path / "out/v.nii.gz").get_fdata() - np.stack(expected, -1)).max() < 1e-3


def test_averaging_overlapping_stacks_lowers_flicker():
    rng = np.random.default_rng(0)
    ramp = np.linspace(-0.5, 0.5, 12)
    volume = torch.from_numpy((ramp + rng.normal(0, 0.02, (1, 32, 32, 12))).astype(np.float32))
    noise = torch.Generator().manual_seed(1)

    def restless(stacks):
        return stacks + 0.2 * torch.randn(stacks.shape, generator=noise)

    found = {}
    for name, stacks in {"alone": Stacks(), "stacks": Stacks(1), "smooth": Stacks(1, smooth=True)}.items():
        (slices,) = translate_volumes([volume], [[1.0] * 12], NativeSize(), restless, stacks=stacks, batch=4)
        source = volume.permute(3, 0, 2, 1).numpy()
        found[name] = flicker(source, torch.stack(slices).numpy(), [range(12)])[0]
    assert found["smooth"] < 0.7 * found["stacks"]
    assert found["stacks"] == pytest.approx(found["alone"], rel=0.05)


def test_the_files_of_a_dicom_series_are_translated_together(tmp_path, synthesize, translator, texture, write_dicom):
    frames = texture((3, 40, 36))
    for k in range(3):
        tags = {"ImagePositionPatient": [0, 0, 2 * k], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        write_dicom(tmp_path / f"in/{2 - k}.dcm", frames[k], tags | {"PixelSpacing": [1, 1], "InstanceNumber": k + 1})
    assert synthesize(tmp_path / "in", translator=translator(Below(), neighbors=1)).failures == []
    written = sorted(map(pydicom.dcmread, (tmp_path / "out").rglob("*.dcm")), key=lambda data: data.InstanceNumber)
    assert [data.ImagePositionPatient[2] for data in written] == [0, 2, 4]
    assert np.array_equal([data.pixel_array for data in written], frames[[0, 0, 1]])


def test_a_bundle_translates_stacks_and_tells_so(make_bundle, tmp_path, synthesize, write_nifti):
    config = DataConfig(size=32, neighbors=1)
    for index, depth in ((0, 3), (2, 3), (None, 7), (None, 0)):
        chain = preprocessing_config(DomainInfo(False), config, Format("nifti", depth), index)
        path = make_bundle(source_chain=chain, eight_bit=False, neighbors=1, smooth=True)
        translator = load_translator(path, "cpu")
        assert (translator.config.neighbors, translator.config.smooth) == (1, True)
    content = json.loads((path / "configs/metadata.json").read_text())
    assert content["translator_data_format"]["outputs"]["pred"]["num_channels"] == 3
    assert content["network_data_format"]["inputs"]["image"]["num_channels"] == 1
    assert "stacks of 3 slices" in (path / "docs/README.md").read_text()
    volume = np.random.default_rng(0).normal(size=(32, 32, 3)).astype(np.float32)
    write_nifti(tmp_path / "v.nii", volume, np.eye(4))
    assert synthesize(tmp_path / "v.nii", translator=translator, size="network").failures == []
    assert nib.load(tmp_path / "out/v.nii.gz").shape == (32, 32, 3)
