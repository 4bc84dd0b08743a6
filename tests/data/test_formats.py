import json

import numpy as np
import pytest
from monai.bundle import ConfigParser
from monai.transforms import Compose
from PIL import Image, ImageFile
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, RLELossless
from scipy import ndimage

from medsynth.data.formats import chains
from medsynth.data.formats.chains import _TO_PLAIN_MODE, DomainInfo, FileDecoder, instantiate, preprocessing_config
from medsynth.data.formats.probing import Facts, Format, examine, probe
from medsynth.reading import read as decode

EIGHT_BIT, WIDE = DomainInfo(True), DomainInfo(False)


def read(path, config, info=EIGHT_BIT, index=None):
    return FileDecoder(info, config).read(path, [index])[0]


def by_range(array):
    return np.asarray(array, np.float64) / 127.5 - 1


def by_percentile(array):
    low, high = np.percentile(array, (0.5, 99.5))
    return np.clip((array - low) / (high - low), 0, 1) * 2 - 1


def close(result, expected, atol=1e-5):
    np.testing.assert_allclose(result, expected, atol=atol)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff"])
def test_a_grey_image_keeps_rows_and_columns(tmp_path, values, config, suffix):
    array = values(0, (32, 32))
    Image.fromarray(array).save(tmp_path / f"a{suffix}")
    close(read(tmp_path / f"a{suffix}", config(size=32)), by_range(array)[None])


def test_a_jpeg_reads_like_pillow(tmp_path, values, config):
    Image.fromarray(values(0, (32, 32))).save(tmp_path / "a.jpg")
    close(read(tmp_path / "a.jpg", config(size=32)), by_range(Image.open(tmp_path / "a.jpg"))[None])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_scaled_by_percentiles(tmp_path, values, config, suffix):
    array = values(0, (32, 32), high=4000)
    Image.fromarray(array).save(tmp_path / f"a{suffix}")
    assert not examine(tmp_path / f"a{suffix}").eight_bit
    close(read(tmp_path / f"a{suffix}", config(size=32), WIDE), by_percentile(array)[None])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "CMYK", "1"])
def test_color_becomes_grey_by_the_mean_and_alpha_is_dropped(tmp_path, values, config, mode):
    image = Image.fromarray(values(0, (32, 32, 3))).convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image.save(path)
    array = np.asarray(image.convert("RGB") if mode in "PCMYK1" else image, dtype=np.float64)
    grey = array[..., :3].mean(-1) if array.shape[-1] >= 3 else array[..., 0]
    close(read(path, config(size=32)), by_range(grey)[None])


def test_three_channels_keep_color_and_repeat_grey(tmp_path, values, config):
    array = values(0, (32, 32, 3))
    Image.fromarray(array).save(tmp_path / "color.png")
    Image.fromarray(array[..., 0]).save(tmp_path / "grey.png")
    close(read(tmp_path / "color.png", config(size=32, channels=3)), by_range(array).transpose(2, 0, 1))
    close(read(tmp_path / "grey.png", config(size=32, channels=3)), by_range(array[..., [0, 0, 0]]).transpose(2, 0, 1))


def test_the_shipped_palette_rule_reads_what_is_examined(tmp_path, values):
    shipped = eval(_TO_PLAIN_MODE.removeprefix("$"))
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F"):
        path = tmp_path / f"{mode}.tif"
        Image.fromarray(values(0, (4, 4, 3))).convert("L").convert(mode).save(path)
        channels = np.asarray(shipped(Image.open(path)), np.float64).reshape(4, 4, -1)
        expected = decode(path).values[0].reshape(4, 4, -1)
        assert np.array_equal(channels[..., : 3 if channels.shape[2] > 2 else 1].mean(-1), expected.mean(-1)), mode


def test_padding_adds_the_darkest_value_and_keeps_the_aspect(tmp_path, values, config):
    array = values(0, (16, 32))
    Image.fromarray(array).save(tmp_path / "a.png")
    image = read(tmp_path / "a.png", config(size=32))[0]
    close(image[8:24], by_range(array))
    assert (image[:8] == -1).all()
    assert (image[24:] == -1).all()


def test_stretching_fills_the_square(tmp_path, values, config):
    array = values(0, (16, 32))
    Image.fromarray(array).save(tmp_path / "a.png")
    image = read(tmp_path / "a.png", config(size=32, fit="stretch"))[0]
    expected = ndimage.zoom(by_range(array), (2, 1), order=1, grid_mode=True, mode="nearest")
    close(image, expected)


def test_shrinking_smooths_first_and_enlarging_does_not(tmp_path, config):
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    Image.fromarray(stripes).save(tmp_path / "a.png")
    assert np.abs(read(tmp_path / "a.png", config(size=16))[0, :, 2:-2]).max() < 0.3
    assert read(tmp_path / "a.png", config(size=128)).max() > 0.9


@pytest.mark.filterwarnings("ignore:.*nvImageCodec")
@pytest.mark.parametrize("fit", ["pad", "stretch"])
def test_plain_monai_reads_the_same_to_a_millionth_with_the_saved_list(tmp_path, write, values, config, fit):
    write.png(tmp_path / "a.png")
    saved = json.loads(json.dumps(preprocessing_config(EIGHT_BIT, config(fit=fit))))
    assert all(entry["_target_"].startswith("monai.transforms.") for entry in saved)
    plain = Compose(ConfigParser({"x": saved}).get_parsed_content("x"))({"image": str(tmp_path / "a.png")})["image"]
    assert type(plain).__name__ == "Tensor"
    close(plain.numpy(), read(tmp_path / "a.png", config(fit=fit)), atol=1e-6)


def test_a_nifti_volume_is_scaled_as_a_whole_and_shown_as_radiologists_do(tmp_path, write, values, config):
    volume = values(0, (16, 16, 5), high=1000).astype(np.float32) * np.arange(1, 6)
    path = write.nifti(tmp_path / "v.nii.gz", volume, np.diag([0.7, 0.7, 3.0, 1.0]))
    # stored towards right and anterior; rows must run to posterior, columns to left
    expected = by_percentile(volume)[::-1, ::-1, 3].T
    close(read(path, config(), WIDE, index=3), expected[None], atol=1e-4)


@pytest.mark.parametrize(("codes", "axes"), [("RAS", "LPS"), ("LPS", "LPS"), ("PSR", "PIR"), ("RSA", "LIA")])
def test_the_stored_third_axis_stays_the_slice_axis(tmp_path, write, values, codes, axes):
    signs = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
    affine = np.eye(4)
    affine[:3, :3] = 0
    for column, letter in enumerate(codes):
        row, sign = signs[letter]
        affine[row, column] = sign
    assert probe(write.nifti(tmp_path / "v.nii", values(0, (4, 5, 6)), affine)) == Format("nifti", 6, axes)


def test_a_slice_has_the_affine_of_its_plane(tmp_path, write, values, config):
    path = write.nifti(tmp_path / "v.nii", values(0, (16, 16, 4), high=99), np.diag([-0.7, -0.8, 3.0, 1.0]))
    chain = preprocessing_config(WIDE, config(square=False), probe(path), index=2)
    names = [entry["_target_"].rsplit(".")[-1] for entry in chain]
    before_resize = instantiate(chain[: names.index("Resized")])({"image": str(path)})["image"]
    assert before_resize.shape == (1, 16, 16)
    close(before_resize.affine, np.diag([-0.7, -0.8, 1.0]))


def test_a_slice_with_square_pixels_lies_where_it_lay(tmp_path, write, values, config):
    stored = np.diag([-0.7, -1.4, 3.0, 1.0])
    path = write.nifti(tmp_path / "v.nii", values(0, (16, 16, 4), high=99), stored)
    chain = preprocessing_config(WIDE, config(), probe(path), index=2)
    names = [entry["_target_"].rsplit(".")[-1] for entry in chain]
    resized = instantiate(chain[: names.index("SpatialPadd")])({"image": str(path)})["image"]
    assert resized.shape == (1, 8, 16)
    for corner, before in (([-0.5, -0.5], [-0.5, -0.5]), ([7.5, 15.5], [15.5, 15.5])):
        close(np.asarray(resized.affine) @ [*corner, 0, 1], stored @ [*before, 2, 1])


def test_a_volume_is_decoded_once_for_all_its_slices(tmp_path, write, values, config, monkeypatch):
    path = write.nifti(tmp_path / "v.nii", values(0, (16, 16, 4), high=999))
    decoder, calls = FileDecoder(WIDE, config()), []
    monkeypatch.setattr(chains, "read_chosen", lambda path, _: calls.append(1) or decode(path))
    several = decoder.read(path, [0, 3])
    assert len(calls) == 1
    assert np.array_equal(several[1], decoder.read(path, [3])[0])
    assert not np.array_equal(several[0], several[1])


def test_padding_has_no_part_in_the_scale_and_is_darkest(tmp_path, write, values, config):
    array = values(0, (1, 16, 16), high=4000).astype(np.uint16)
    array[0, :, :5] = 63536
    path = write.dicom(tmp_path / "a.dcm", array, PixelPaddingValue=63536)
    found = read(path, config(), WIDE)[0]
    assert (found[:, :5] == -1).all()
    close(found[:, 5:], by_percentile(array[0, :, 5:].astype(float)), atol=1e-4)
    assert examine(path).high < 4000


@pytest.mark.parametrize("syntax", [None, RLELossless])
def test_a_dicom_file_is_rescaled_and_scaled_by_percentiles(tmp_path, write, values, config, syntax):
    array = values(0, (1, 16, 16), high=4000)
    options = {"syntax": syntax} if syntax else {}
    path = write.dicom(tmp_path / "a", array, RescaleSlope=2, RescaleIntercept=-500, **options)
    assert (examine(path).low, examine(path).high) == (array.min() * 2.0 - 500, array.max() * 2.0 - 500)
    close(read(path, config(), WIDE), by_percentile(array.astype(float)), atol=1e-4)


def test_jpeg_2000_in_dicom_is_lossless(tmp_path, write, values, config):
    array = values(0, (1, 16, 16))
    path = write.dicom(tmp_path / "a.dcm", array, syntax=JPEG2000Lossless)
    close(read(path, config()), by_range(array))


def test_a_color_cine_gives_one_image_per_frame(tmp_path, write, values, config):
    frames = values(0, (3, 16, 16, 3))
    path = write.dicom(tmp_path / "a.dcm", frames, Modality="US")
    assert probe(path) == Format("dicom", 3)
    assert examine(path).eight_bit
    close(read(path, config(), index=1)[0], by_range(frames[1].mean(-1)))


def test_a_jpeg_cine_in_ybr_is_close_to_what_was_compressed(tmp_path, write, config):
    ramp = np.add.outer(np.arange(16) * 8, np.arange(16) * 7).astype(np.uint8)
    frames = np.stack([np.stack([ramp, ramp // 2, 255 - ramp], -1), np.stack([ramp // 3, ramp, ramp], -1)])
    path = write.dicom(
        tmp_path / "a.dcm", frames, syntax=JPEGBaseline8Bit, PhotometricInterpretation="YBR_FULL_422", Modality="US"
    )
    image = read(path, config(channels=3), index=0)
    close(image, by_range(frames[0]).transpose(2, 0, 1), atol=0.15)


def test_a_palette_ultrasound_shows_colors(tmp_path, write, values, config):
    array = values(0, (1, 16, 16))
    table = (np.arange(256) * 257).astype(np.uint16)
    tags = {f"{c}PaletteColorLookupTableDescriptor": [256, 0, 16] for c in ("Red", "Green", "Blue")}
    tags |= {f"{c}PaletteColorLookupTableData": table.tobytes() for c in ("Red", "Blue")}
    tags["GreenPaletteColorLookupTableData"] = table[::-1].tobytes()
    path = write.dicom(tmp_path / "a.dcm", array, PhotometricInterpretation="PALETTE COLOR", **tags)
    red, green, blue = read(path, config(channels=3))
    close(red, by_range(array[0]), atol=0.01)
    close(green, -by_range(array[0]), atol=0.01)
    assert np.array_equal(red, blue)


def _damaged(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    return path


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp", ".nii", ".nii.gz", ".dcm"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_and_empty_files_are_named(tmp_path, write, values, suffix, share):
    path = tmp_path / f"a{suffix}"
    if suffix == ".dcm":
        write.dicom(path, values(0, (1, 64, 64)))
    elif suffix.startswith(".nii"):
        write.nifti(path, values(0, (16, 16, 4), high=999))
    else:
        Image.fromarray(values(0, (64, 64))).save(path)
    problem = examine(_damaged(path, int(share * path.stat().st_size)))
    assert not isinstance(problem, Facts)
    assert str(path) in problem.message
    assert ("is empty (0 bytes)" in problem.message) == (share == 0.0)


def test_a_library_that_allows_truncated_images_is_not_followed(tmp_path, write, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    path = write.png(tmp_path / "a.png")
    assert "cannot be decoded" in examine(_damaged(path, path.stat().st_size - 100)).message
    assert ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGBaseline8Bit])
def test_truncated_compressed_dicom_is_refused(tmp_path, write, values, syntax):
    path = write.dicom(tmp_path / "a.dcm", values(0, (1, 64, 64)), syntax=syntax)
    assert not isinstance(examine(_damaged(path, int(0.8 * path.stat().st_size))), Facts)


def test_constant_missing_foreign_and_unfit_files_say_so(tmp_path, write, values):
    Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "flat.png")
    (tmp_path / "notes.txt").write_text("hello")
    Image.fromarray(values(0)).save(tmp_path / "two.tif", save_all=True, append_images=[Image.fromarray(values(1))])
    write.nifti(tmp_path / "nan.nii", np.full((4, 4, 2), np.nan, np.float32))
    write.nifti(tmp_path / "time.nii", values(0, (4, 4, 2, 3)))
    expected = {
        "flat.png": "is constant: all its pixels are [1, 2, 3]",
        "gone.png": "does not exist",
        "notes.txt": "is no image of a known format",
        "two.tif": "holds 2 pages",
        "nan.nii": "contains NaN",
        "time.nii": "holds 3 volumes",
    }
    for name, text in expected.items():
        assert text in examine(tmp_path / name).message


def test_constant_slices_are_listed(tmp_path, write, values):
    volume = values(0, (8, 8, 4), high=99)
    volume[..., [0, 3]] = 0
    assert examine(write.nifti(tmp_path / "v.nii", volume)).empty_slices == (0, 3)
