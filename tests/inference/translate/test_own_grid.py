"""Translations of files whose pixels are not square: true proportions for the network, the file's own grid for it."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pydicom
import pytest
import torch
from torch import nn

from medsynth.base.errors import InputError
from medsynth.data.config import DataConfig
from medsynth.door.given import take, translate_given
from medsynth.inference.inputs.fitting import LONGEST, NativeSize, NativeToNetwork, NetworkSize, make_fitting

OBLIQUE = np.array([[0, -2, 0.1, 5], [0.9, 0, 0.2, -6], [0.02, 0.05, 3, 7], [0, 0, 0, 1.0]])


class Keeper(nn.Module):
    """Changes nothing and keeps what it has seen."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, images):
        self.seen += list(images.numpy())
        return images


def hill(rows, columns, height, width, *, at=(0.0, 0.0)):
    """A round hill, 8 bits, of pixels of so many mm, so many mm beside the middle of the image."""
    y = (np.arange(rows) + 0.5 - rows / 2) * height - at[0]
    x = (np.arange(columns) + 0.5 - columns / 2) * width - at[1]
    return np.rint(255 * np.exp(-(y[:, None] ** 2 + x**2) / 72)).astype(np.uint8)


def widths(image):
    """Root mean square extent of what is bright, across and down, in pixels."""
    weights = np.clip((image + 1) / 2, 0, None)
    places = np.arange(weights.shape[0]), np.arange(weights.shape[1])
    return [
        float(np.sqrt(np.average((p - np.average(p, weights=w)) ** 2, weights=w)))
        for p, w in zip(places, (weights.sum(1), weights.sum(0)), strict=True)
    ]


@pytest.mark.parametrize("size", ["network", "native"])
def test_a_volume_returns_onto_its_grid_and_the_network_saw_round_what_is_round(
    size, tmp_path, synthesize, translator, write_nifti
):
    # axes are stored as no display shows them; the hill moves from slice to slice
    volume = np.stack([hill(50, 24, 0.9, 2.0, at=(k, 2 * k)) for k in range(3)], -1)
    source = nib.load(write_nifti(tmp_path / "v.nii.gz", volume, OBLIQUE))
    network = Keeper()
    chosen = translator(network, size=64, intensity="range")
    assert synthesize(tmp_path / "v.nii.gz", translator=chosen, size=size).failures == []
    assert {image.shape for image in network.seen} == {(1, 64, 64)}
    for image in network.seen:
        down, across = widths(image[0])
        assert down == pytest.approx(across, rel=0.05)
    result = nib.load(tmp_path / "out/v.nii.gz")
    assert result.shape == volume.shape
    assert np.array_equal(result.affine, source.affine)
    assert np.array_equal(result.header["pixdim"], source.header["pixdim"])
    difference = np.abs(result.get_fdata() - volume)
    assert difference.max() < 12
    assert difference.mean() < 1.5


@pytest.mark.parametrize("size", ["network", "native"])
@pytest.mark.parametrize(
    "tags", [{"PixelSpacing": [2, 0.9]}, {"PixelAspectRatio": [20, 9]}, {"ImagerPixelSpacing": [2, 0.9]}], ids=str
)
def test_a_dicom_file_keeps_its_grid_and_the_shape_of_its_pixels(
    size, tags, tmp_path, synthesize, translator, write_dicom
):
    pixels = hill(24, 50, 2.0, 0.9)
    network = Keeper()
    write_dicom(tmp_path / "a.dcm", pixels, tags)
    chosen = translator(network, size=64)
    assert synthesize(tmp_path / "a.dcm", translator=chosen, size=size, show_names=True).failures == []
    assert widths(network.seen[0][0])[0] == pytest.approx(widths(network.seen[0][0])[1], rel=0.03)
    found = pydicom.dcmread(tmp_path / "out/a.dcm")
    assert (found.Rows, found.Columns) == pixels.shape
    stated = found.PixelAspectRatio if "PixelAspectRatio" in tags else found.PixelSpacing
    assert [float(value) for value in stated] == list(*tags.values())
    assert np.abs(found.pixel_array.astype(float) - pixels).max() < 12


def test_a_shape_of_pixels_without_their_size_stands_in_the_affine(tmp_path, synthesize, write_dicom):
    write_dicom(tmp_path / "a.dcm", hill(24, 50, 2.0, 0.9), {"PixelAspectRatio": [20, 9]})
    assert synthesize(tmp_path / "a.dcm", format="nifti").failures == []
    assert nib.load(tmp_path / "out/a.nii.gz").header.get_zooms() == pytest.approx((1, 2.2222, 1))


def test_without_square_pixels_the_grid_of_the_file_is_that_of_the_network(
    tmp_path, synthesize, translator, write_dicom
):
    network = Keeper()
    write_dicom(tmp_path / "a.dcm", hill(32, 48, 2.0, 1.0), {"PixelSpacing": [2, 1]})
    synthesize(tmp_path / "a.dcm", translator=translator(network, square=False), size="native", show_names=True)
    assert network.seen[0].shape == (1, 32, 48)
    found = pydicom.dcmread(tmp_path / "out/a.dcm")
    assert np.array_equal(found.pixel_array, hill(32, 48, 2.0, 1.0))


def test_long_pixels_make_no_giant_images(tmp_path, synthesize, write_dicom):
    write_dicom(tmp_path / "in/a.dcm", hill(200, 20, 5.0, 0.1), {"PixelSpacing": [5, 0.1]})
    write_dicom(tmp_path / "in/b.dcm", hill(20, 20, 5.0, 0.3), {"PixelSpacing": [5, 0.3], "SeriesInstanceUID": "1.9"})
    ((source, problem),) = synthesize(tmp_path / "in").failures
    assert source == "a.dcm"
    assert "50 times as high as wide; square ones: 20 x 10000" in problem
    assert "--size network" in problem
    NativeSize().check("as long before", (2 * LONGEST, 10), [1.0])
    with pytest.raises(InputError, match="101 times"):
        NetworkSize(DataConfig()).check("slip", (8, 8), [1.0, 101.0])


def test_flags_judge_at_the_size_of_training_what_was_translated_at_its_own():
    plane = torch.from_numpy(hill(24, 50, 2.0, 0.9) / 127.5 - 1.0).float().T[None]
    config = DataConfig(size=48)
    seen = NativeSize().forward(plane, 2.2222)
    judged = NativeToNetwork(config)(seen, (50, 24), 2.2222)
    assert (judged - NetworkSize(config).forward(plane, 2.2222)).abs().max() < 0.05


def test_an_image_of_monai_is_seen_as_its_affine_says():
    from monai.data.meta_tensor import MetaTensor

    network, config = Keeper(), DataConfig(size=64)
    values = torch.from_numpy(hill(24, 50, 2.0, 0.9) / 127.5 - 1.0).float().T[None]
    image = MetaTensor(values, affine=torch.diag(torch.tensor([0.9, 2.0, 5.0, 1.0])))
    given = take(image, config, (-1.0, 1.0), "image")
    ((found,), _) = translate_given(
        [given], make_fitting("network", config), lambda x: network(torch.from_numpy(x)).numpy(), config, 4
    )
    down, across = widths(network.seen[0][0])
    assert down == pytest.approx(across, rel=0.05)
    assert found.shape == image.shape
    assert torch.equal(found.affine, image.affine)
    plain = take(image.as_tensor(), config, (-1.0, 1.0), "image")
    assert not plain.aspects
