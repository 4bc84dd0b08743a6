"""Images whose pixels are not square show what they show in its true proportions."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.base.errors import InputError
from medsynth.bundle.opening.preprocessing import config_of
from medsynth.data.check import OBLONG, check_data
from medsynth.data.checking.wording import file_sentences
from medsynth.data.formats.chains import DomainInfo, FileDecoder, instantiate, preprocessing_config, quiet
from medsynth.data.formats.probing import probe
from medsynth.data.formats.proportions import fitted_size
from medsynth.inference.inputs.decoding import InputDecoder

EIGHT_BIT = DomainInfo(True)
SIZE = 64
RADIUS = 20.0
TURNED = [[0, -1, 0, 0], [-2, 0, 0, 0], [0, 0, 5, 0], [0, 0, 0, 1.0]]
SAGITTAL = [[0, 0, 5, 0], [-2, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]]


def disk(rows, columns, height, width):
    """A bright disk of `RADIUS` mm in the middle of an image with pixels of so many mm, drawn 8 x 8 times as fine."""
    fine = 8
    y = (np.arange(rows * fine) + 0.5) * height / fine - rows * height / 2
    x = (np.arange(columns * fine) + 0.5) * width / fine - columns * width / 2
    inside = (y[:, None] ** 2 + x**2 < RADIUS**2).reshape(rows, fine, columns, fine).mean((1, 3))
    return np.rint(inside * 255).astype(np.uint8)


@pytest.fixture
def files(tmp_path, write):
    """The disk on grids of 1 : 2 and 2 : 1, as DICOM, as NIfTI stored in three directions, and as MetaImage."""
    tall, wide = disk(32, 64, 2.0, 1.0), disk(64, 32, 1.0, 2.0)
    found = [
        write.dicom(tmp_path / "tall.dcm", tall[None], PixelSpacing=[2, 1]),
        write.dicom(tmp_path / "wide.dcm", wide[None], PixelSpacing=[1, 2]),
        write.dicom(tmp_path / "ratio.dcm", wide[None], PixelSpacing=None, PixelAspectRatio=[1, 2]),
        write.nifti(tmp_path / "tra.nii", tall.T[..., None], np.diag([-1, -2, 5, 1.0])),
        write.nifti(tmp_path / "flat.nii", tall.T, np.diag([-1, -2, 5, 1.0])),
        # rows are stored along the first axis
        write.nifti(tmp_path / "turned.nii", tall[..., None], TURNED),
        write.nifti(tmp_path / "sag.nii", wide.T[..., None], SAGITTAL),
    ]
    meta = "NDims = 2\nDimSize = 64 32\nElementType = MET_UCHAR\nElementSpacing = 1 2\nElementDataFile = LOCAL\n"
    (tmp_path / "flat.mha").write_bytes(meta.encode() + tall.tobytes())
    return [*found, tmp_path / "flat.mha"]


def overlap(image):
    """Share of the disk, as drawn on square pixels, and of what is shown that both have in common."""
    shown, true = image > 0, disk(SIZE, SIZE, 1.0, 1.0) > 127
    return (shown & true).sum() / (shown | true).sum()


def test_a_circle_on_a_grid_of_one_to_two_is_a_circle(files, config):
    for path in files:
        index = 0 if probe(path).depth else None
        ((image,),) = FileDecoder(EIGHT_BIT, config(size=SIZE)).read(path, [index])
        assert overlap(image) > 0.97, path.name
        across, down = ((image > 0).any(axis).sum() for axis in (0, 1))
        assert abs(int(across) - int(down)) <= 1, path.name
        ((squeezed,),) = FileDecoder(EIGHT_BIT, config(size=SIZE, square=False)).read(path, [index])
        assert overlap(squeezed) < 0.7, path.name


def test_one_interpolation_gives_what_the_formula_gives(tmp_path, write, values, config):
    array = values(0, (1, 16, 64))
    path = write.dicom(tmp_path / "a.dcm", array, PixelSpacing=[2, 1])
    (image,) = FileDecoder(EIGHT_BIT, config(size=64)).read(path, [0])
    # columns stay; rows are doubled, each new center a quarter of a pixel from an old one
    places = np.clip((np.arange(32) + 0.5) / 2 - 0.5, 0, 15)
    below, share = np.floor(places).astype(int), (places % 1)[:, None]
    rows = array[0, below] * (1 - share) + array[0, np.minimum(below + 1, 15)] * share
    np.testing.assert_allclose(image[0, 16:48], rows / 127.5 - 1, atol=1e-5)
    assert (image[0, :16] == -1).all()
    assert (image[0, 48:] == -1).all()


def test_stretched_images_stay_as_they_are(tmp_path, write, values, config):
    path = write.dicom(tmp_path / "a.dcm", values(0, (1, 16, 20)), PixelSpacing=[2, 1])
    chains = [preprocessing_config(EIGHT_BIT, config(fit="stretch", square=square)) for square in (True, False)]
    assert chains[0] == chains[1]
    images = [
        FileDecoder(EIGHT_BIT, config(fit="stretch", square=square)).read(path, [0])[0] for square in (True, False)
    ]
    assert np.array_equal(*images)


@pytest.mark.filterwarnings("ignore:.*nvImageCodec")
def test_an_older_bundle_sees_the_pixels_that_it_always_saw(files, config):
    transform = "monai.transforms."
    chain = [
        {"_target_": f"{transform}LoadImaged", "keys": "image", "reader": "ITKReader", "image_only": True}
        | {"ensure_channel_first": True},
        {"_target_": f"{transform}Lambdad", "keys": "image"}
        | {"func": "$lambda x: x[:3].mean(0, keepdim=True) if x.shape[0] >= 3 else x[:1]"},
        {"_target_": f"{transform}ScaleIntensityRanged", "keys": "image", "a_min": 0.0, "a_max": 255.0}
        | {"b_min": -1.0, "b_max": 1.0, "clip": True},
        {
            "_target_": f"{transform}SpatialCropd",
            "keys": "image",
            "roi_start": [0, 0, 0],
            "roi_end": [1 << 30, 1 << 30, 1],
        },
        {"_target_": f"{transform}SqueezeDimd", "keys": "image", "dim": -1},
        {"_target_": f"{transform}Resized", "keys": "image", "spatial_size": 32, "size_mode": "longest"}
        | {"mode": "bilinear", "anti_aliasing": True},
        {
            "_target_": f"{transform}SpatialPadd",
            "keys": "image",
            "spatial_size": [32, 32],
            "mode": "constant",
            "value": -1.0,
        },
        {"_target_": f"{transform}Transposed", "keys": "image", "indices": [0, 2, 1]},
        {"_target_": f"{transform}EnsureTyped", "keys": "image", "track_meta": False},
    ]
    found = config_of(chain, {"intensity": "auto"}, None)
    assert found == config(square=False, intensity="auto", path=found.path, size=32)
    ((_, image),) = InputDecoder(found).read(files[0])
    with quiet():
        plain = instantiate(chain)({"image": str(files[0])})["image"]
    np.testing.assert_allclose(image, plain, atol=1e-5)
    assert image.shape[1:] == (32, 32)
    assert (image[0, :8] == -1).all()  # 64 x 32 pixels fill half of the square


@pytest.mark.parametrize("neighbors", [0, 2])
@pytest.mark.parametrize("depth", [0, 5])
def test_a_bundle_says_by_its_transforms_that_pixels_keep_their_shape(neighbors, depth, config):
    from medsynth.data.formats.probing import Format

    asked = config(size=48, neighbors=neighbors, square=True)
    chain = preprocessing_config(EIGHT_BIT, asked, Format("nifti", depth, "LPS" if depth else ""), 3 if depth else None)
    found = config_of(chain, {"neighbors": neighbors}, None)
    assert (found.square, found.size, found.fit, found.neighbors) == (True, 48, "pad", neighbors)


@pytest.mark.parametrize(("aspect", "expected"), [(1, (64, 32)), (2, (64, 64)), (4, (32, 64)), (0.05, (64, 2))])
def test_no_shape_of_pixels_makes_images_larger_than_the_networks(aspect, expected, config):
    assert fitted_size(200, 100, aspect, config(size=64)) == expected


def test_unlikely_pixels_and_strips_are_refused_with_what_to_do(tmp_path, write, values, config):
    slip = write.dicom(tmp_path / "slip.dcm", values(0, (1, 16, 20)), PixelSpacing=[0.01, 2])
    strip = write.dicom(tmp_path / "strip.dcm", values(0, (1, 16, 80)), PixelSpacing=[0.1, 2])
    for path, words in ((slip, r"0\.005 times as high as wide"), (strip, r"80 x 16 pixels 0\.05 times .* too narrow")):
        with pytest.raises(InputError, match=words) as caught:
            next(InputDecoder(config(size=32)).read(path))
        assert "--set data." in caught.value.hint
        assert next(InputDecoder(config(size=32, square=False)).read(path))


def test_data_check_counts_oblong_pixels_and_says_what_becomes_of_them(tmp_path, write, values, config):
    for domain, spacing in (("source", [2, 1]), ("target/a", [1, 1]), ("target/b", [1, 1])):
        for k in range(3):
            path = tmp_path / domain / f"p{k}" / "a.dcm"
            path.parent.mkdir(parents=True)
            array = values(len(domain) + k, (1, 32, 40))
            write.dicom(path, array, PixelSpacing=spacing, SeriesInstanceUID=f"1.{len(domain)}{ord(domain[-1])}.{k}")
    for options, words in (
        ({}, "3, shown in true proportions"),
        ({"square": False}, "3, shown as if square (data.square=false)"),
        ({"fit": "stretch"}, "3, stretched as all are (data.fit=stretch)"),
    ):
        found = check_data(config(path=str(tmp_path), positive="b", source_label="0", **options), 1)
        assert found.counts["source"][OBLONG] == words
        assert OBLONG not in found.counts["target"]
        assert f"{OBLONG}: {words}" in dict(file_sentences(found))["source"]
