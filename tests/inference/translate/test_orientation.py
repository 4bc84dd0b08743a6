"""Where translations lie: voxels keep their places in space, and networks see images as they are displayed."""

from __future__ import annotations

import itertools

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image

SHAPE = (21, 18, 20)


def rotation(degrees: float, axis: int) -> np.ndarray:
    angle = np.radians(degrees)
    c, s = np.cos(angle), np.sin(angle)
    turned = np.eye(3)
    i, j = [k for k in range(3) if k != axis]
    turned[i, i], turned[i, j], turned[j, i], turned[j, j] = c, -s, s, c
    return turned


def affine(axes: np.ndarray, zooms: tuple[float, float, float] = (0.8, 0.8, 3.0)) -> np.ndarray:
    """Return an affine with the given directions of the array's axes."""
    result = np.eye(4)
    result[:3, :3] = axes * np.array(zooms)
    result[:3, 3] = -31.25, 12.5, -70.0
    return result


FLIPS = {
    f"{'flipped' if -1 in signs else 'straight'} {signs} permuted {order}": affine(
        np.eye(3)[:, list(order)] * np.array(signs)
    )
    for order in ((0, 1, 2), (1, 2, 0), (0, 2, 1))
    for signs in ((1, 1, 1), (-1, 1, -1))
}
OBLIQUE = {
    "oblique": affine(rotation(20, 0) @ rotation(-15, 2)),
    "oblique, flipped and permuted": affine((rotation(25, 1) @ rotation(10, 0))[:, [1, 2, 0]] * np.array([-1, 1, -1])),
}
AFFINES = FLIPS | OBLIQUE


@pytest.mark.parametrize("place", AFFINES.values(), ids=AFFINES)
def test_a_volume_keeps_its_affine_and_every_voxel_its_place(place, tmp_path, synthesize, texture, write_nifti):
    volume = texture(SHAPE)
    assert len({int(volume[corner]) for corner in itertools.product((0, -1), repeat=3)}) == 8
    source = nib.load(write_nifti(tmp_path / "v.nii.gz", volume, place))
    assert synthesize(tmp_path / "v.nii.gz").failures == []
    result = nib.load(tmp_path / "out/v.nii.gz")
    assert np.array_equal(result.affine, source.affine)
    for field in ("sform_code", "qform_code", "pixdim", "xyzt_units"):
        assert np.array_equal(result.header[field], source.header[field])
    assert result.shape == SHAPE
    assert np.abs(result.get_fdata() - volume).max() < 1e-3


@pytest.mark.parametrize("place", AFFINES.values(), ids=AFFINES)
def test_the_network_sees_slices_as_they_are_displayed(
    place, tmp_path, synthesize, texture, write_nifti, translator, mark_corner
):
    volume = np.minimum(texture(SHAPE), 250)
    volume[0, 0, 0], volume[1, 1, 1] = 0, 1
    write_nifti(tmp_path / "v.nii", volume, place)
    assert synthesize(tmp_path / "v.nii", translator=translator(mark_corner, intensity="range")).failures == []
    changed = np.abs(nib.load(tmp_path / "out/v.nii.gz").get_fdata() - volume) > 1
    assert changed.sum() == SHAPE[2]
    # the first pixel of a display lies most to the right and front of a slice, or to the top where slices are upright
    directions = place[:3, :3] / np.linalg.norm(place[:3, :3], axis=0)
    normal = np.abs(directions[:, 2]).argmax()
    corner = {2: np.array([1.0, 1.0, 0.0]), 0: np.array([0.0, 1.0, 1.0]), 1: np.array([1.0, 0.0, 1.0])}[int(normal)]
    for k in range(SHAPE[2]):
        ((i, j),) = np.argwhere(changed[..., k])
        heights = {
            (a, b): corner @ (place[:3, :3] @ np.array([a, b, k]))
            for a, b in itertools.product((0, SHAPE[0] - 1), (0, SHAPE[1] - 1))
        }
        assert heights[i, j] == max(heights.values())


def test_a_volume_becomes_pictures_as_they_are_displayed(tmp_path, synthesize, texture, write_nifti):
    volume = texture(SHAPE)
    write_nifti(tmp_path / "v.nii.gz", volume, affine(np.eye(3)))
    assert synthesize(tmp_path / "v.nii.gz", format="png").failures == []
    files = sorted((tmp_path / "out/v").iterdir())
    assert [file.name for file in files] == [f"{k:04}.png" for k in range(SHAPE[2])]
    for k, file in enumerate(files):
        # axes towards right and anterior: a display has its first row in front and its first column at the right
        assert np.array_equal(np.asarray(Image.open(file)), volume[::-1, ::-1, k].T)


@pytest.mark.parametrize("place", AFFINES.values(), ids=AFFINES)
def test_pixels_of_dicom_slices_lie_where_the_voxels_did(place, tmp_path, synthesize, texture, write_nifti):
    volume = texture(SHAPE)
    write_nifti(tmp_path / "v.nii.gz", volume, place)
    assert synthesize(tmp_path / "v.nii.gz", format="dicom").failures == []
    [folder] = (path for path in (tmp_path / "out").iterdir() if path.is_dir())
    files = sorted(folder.iterdir())
    assert len(files) == SHAPE[2]
    inverse = np.linalg.inv(nib.load(tmp_path / "v.nii.gz").affine)
    for file in files[::5]:
        data = pydicom.dcmread(file)
        along_row, along_column = np.array(data.ImageOrientationPatient, dtype=float).reshape(2, 3)
        down, right = map(float, data.PixelSpacing)
        for row, column in itertools.product((0, 3, data.Rows - 1), (0, 5, data.Columns - 1)):
            lps = np.array(data.ImagePositionPatient, dtype=float)
            lps = lps + along_row * right * column + along_column * down * row
            voxel = (inverse @ [-lps[0], -lps[1], lps[2], 1.0])[:3]
            assert np.abs(voxel - voxel.round()).max() < 1e-3
            assert data.pixel_array[row, column] == volume[tuple(voxel.round().astype(int))]


DIRECTIONS = {
    "axial": np.eye(3),
    "from feet to head backwards": np.eye(3) * [1, 1, -1],
    "sagittal": np.eye(3)[:, [1, 2, 0]] * [1, -1, 1],
    "oblique": rotation(20, 0) @ rotation(-15, 2),
}


@pytest.mark.parametrize("directions", DIRECTIONS.values(), ids=DIRECTIONS)
def test_a_dicom_series_becomes_a_volume_at_its_place(
    directions, tmp_path, synthesize, texture, write_dicom, translator
):
    slices = texture((5, 18, 21))
    first, down, right, apart = np.array([10.0, -20.0, 30.0]), 0.5, 0.75, 4.0
    row, column, normal = directions.T
    for k in range(5):
        tags = {
            "ImagePositionPatient": np.round(first + normal * apart * k, 6).tolist(),
            "ImageOrientationPatient": np.round([*row, *column], 8).tolist(),
            "PixelSpacing": [down, right],
            "InstanceNumber": k + 1,
        }
        write_dicom(tmp_path / f"scan/{(k * 3) % 5}.dcm", slices[k], tags)
    as_stored = translator(square=False)
    assert synthesize(tmp_path / "scan", format="nifti", translator=as_stored).failures == []
    result = nib.load(tmp_path / "out/scan.nii.gz")
    values = result.get_fdata()
    for k, r, c in itertools.product((0, 1, 4), (0, 17), (0, 20)):
        lps = first + normal * apart * k + row * right * c + column * down * r
        voxel = np.linalg.inv(result.affine) @ [-lps[0], -lps[1], lps[2], 1.0]
        assert np.abs(voxel - voxel.round()).max() < 1e-3
        assert values[tuple(voxel[:3].round().astype(int))] == pytest.approx(slices[k, r, c], abs=1e-3)


@pytest.mark.parametrize("codes", [(0, 0), (1, 0), (0, 2), (3, 1)], ids="sform {0[0]}, qform {0[1]}".format)
def test_the_kind_of_an_affine_is_kept(codes, tmp_path, synthesize, texture):
    image = nib.Nifti1Image(texture(SHAPE), affine(rotation(30, 2)))
    image.set_sform(None if codes[0] == 0 else image.affine, code=codes[0])
    image.set_qform(None if codes[1] == 0 else image.affine, code=codes[1])
    image.header.set_zooms((0.8, 0.8, 3.0))
    nib.save(image, tmp_path / "v.nii.gz")
    assert synthesize(tmp_path / "v.nii.gz").failures == []
    source, result = nib.load(tmp_path / "v.nii.gz"), nib.load(tmp_path / "out/v.nii.gz")
    assert np.array_equal(result.affine, source.affine)
    assert (result.header["sform_code"], result.header["qform_code"]) == codes
    assert np.abs(result.get_fdata() - source.get_fdata()).max() < 1e-3


def test_a_flat_nifti_image_and_a_single_slice_keep_their_shapes(tmp_path, synthesize, texture, write_nifti):
    (tmp_path / "in").mkdir()
    flat, single = texture((21, 18)), texture((21, 18, 1))
    write_nifti(tmp_path / "in/flat.nii", flat, affine(np.eye(3)))
    write_nifti(tmp_path / "in/single.nii", single, affine(np.eye(3)))
    assert synthesize(tmp_path / "in").failures == []
    for name, array in (("flat", flat), ("single", single)):
        result = nib.load(tmp_path / f"out/{name}.nii.gz")
        assert result.shape == array.shape
        assert np.array_equal(result.affine, affine(np.eye(3)).astype(np.float32))
        assert np.abs(result.get_fdata() - array).max() < 1e-3
