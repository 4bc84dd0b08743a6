"""PNG, JPEG, TIFF, BMP and WebP are read upright, whole, and with the values that were written."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from medsynth.base.errors import InputError
from medsynth.reading import read, read_header


def saved(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def write_tiff(path, array, *, photometric=1, sample_format=1):
    """A TIFF of one strip, written by hand: (rows, columns) of any type."""
    rows, columns = array.shape
    content = array.astype(array.dtype.newbyteorder("<")).tobytes()
    tags = [(256, 4, columns), (257, 4, rows), (258, 3, array.dtype.itemsize * 8), (259, 3, 1), (262, 3, photometric)]
    tags += [(273, 4, 8), (277, 3, 1), (278, 4, rows), (279, 4, len(content)), (339, 3, sample_format)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    head = b"II*\0" + struct.pack("<I", 8 + len(content))
    path.write_bytes(head + content + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0")
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".webp"])
@pytest.mark.parametrize("shape", [(6, 9), (6, 9, 3)])
def test_lossless_files_are_exact(tmp_path, values, suffix, shape):
    if suffix == ".webp" and len(shape) == 2:
        shape = (*shape, 3)
    array = values(shape)
    image = read(saved(tmp_path / f"a{suffix}", array, **({"lossless": True} if suffix == ".webp" else {})))
    assert np.array_equal(image.values, array[None])
    assert image.header.eight_bit
    assert (image.header.shape, image.header.channels) == ((1, 6, 9), shape[2] if len(shape) == 3 else 1)
    assert image.affine is None


def test_a_jpeg_is_close_to_what_was_written_and_the_suffix_does_not_matter(tmp_path):
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 3, (64, 1))
    assert np.abs(read(saved(tmp_path / "a.jpg", ramp, quality=100)).values.astype(int) - ramp).max() <= 2
    (tmp_path / "really.png").write_bytes((tmp_path / "a.jpg").read_bytes())
    assert np.array_equal(read(tmp_path / "really.png").values, read(tmp_path / "a.jpg").values)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_exif_orientation_is_obeyed(tmp_path, turn, suffix):
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :16], upright[16:, 32:] = (250, 0, 0), (0, 0, 250)
    # how the camera held it: the operation that undoes each orientation (EXIF 2.3, 4.6.4)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[turn]
    exif = Image.Exif()
    exif[274] = turn
    path = saved(
        tmp_path / f"a.{suffix}",
        np.ascontiguousarray(stored),
        exif=exif,
        **({"quality": 95} if suffix != "tif" else {}),
    )
    image = read(path)
    assert image.header.shape == (1, 32, 48)
    assert np.abs(image.values[0].astype(int) - upright)[4:12, 4:12].max() < 40
    assert np.abs(image.values[0].astype(int) - upright)[20:28, 36:44].max() < 40


def test_the_first_picture_of_an_mpo_is_taken(tmp_path):
    first, second = (np.full((16, 16, 3), value, np.uint8) for value in (40, 200))
    Image.fromarray(first).save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[Image.fromarray(second)])
    image = read(tmp_path / "a.jpg")
    assert abs(int(image.values.mean()) - 40) <= 2
    assert "the first of its 2 pictures" in image.notes


def test_wide_values_are_exact(tmp_path, values):
    array = values((5, 7), np.uint16)
    for suffix in ("png", "tif"):
        image = read(saved(tmp_path / f"a.{suffix}", array))
        assert image.values.dtype == np.uint16
        assert np.array_equal(image.values[0], array)
        assert not image.header.eight_bit
    wide = values((5, 7), np.uint32)
    assert np.array_equal(read(write_tiff(tmp_path / "w.tif", wide)).values[0], wide)
    signed = values((5, 7), np.int32)
    assert np.array_equal(read(write_tiff(tmp_path / "s.tif", signed, sample_format=2)).values[0], signed)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_with_white_zeros_is_turned(tmp_path, values, dtype):
    array = values((5, 7), dtype)
    path = write_tiff(tmp_path / "a.tif", array, photometric=0)
    assert np.array_equal(read(path).values[0], np.iinfo(dtype).max - array)


def test_floating_point_tiff_states_its_range(tmp_path):
    array = np.array([[-1.5, 0, 2.25]], np.float32)
    image = read(saved(tmp_path / "a.tif", array))
    assert np.array_equal(image.values[0], array)
    assert "floating point values from -1.5 to 2.25" in image.notes
    with pytest.raises(InputError, match=r"n\.tif contains NaN"):
        read(saved(tmp_path / "n.tif", np.array([[np.nan, 1]], np.float32)))


@pytest.mark.parametrize("mode", ["1", "P", "PA", "LA", "RGBA", "CMYK"])
def test_palettes_and_alpha_and_rare_modes_become_grey_or_rgb(tmp_path, values, mode):
    source = Image.fromarray(values((8, 8, 3))).convert("L" if mode == "PA" else "RGB").convert(mode)
    path = tmp_path / ("a.tif" if mode in ("CMYK", "PA") else "a.png")
    try:
        source.save(path)
    except OSError:
        path = tmp_path / "a.png"
        source.convert("LA").save(path)
    image = read(path)
    grey = mode in ("1", "LA", "PA")
    expected = np.asarray(source.convert("L" if grey and mode != "PA" else "LA" if mode == "PA" else "RGB"))
    expected = expected[..., 0] if mode == "PA" else expected
    found = image.values[0]
    assert np.array_equal(found if found.ndim == expected.ndim else found[..., 0], expected)


def test_transparency_is_told_only_where_there_is_any(tmp_path, values):
    array = values((4, 4, 4))
    array[..., 3] = 255
    assert read(saved(tmp_path / "opaque.png", array)).notes == ()
    array[0, 0, 3] = 9
    image = read(saved(tmp_path / "clear.png", array))
    assert image.notes == ("transparency is ignored",)
    assert np.array_equal(image.values[0], array[..., :3])


def test_sixteen_bit_color_says_that_eight_are_read(tmp_path, values):
    array = values((3, 4, 3), np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 3, 16, 2, 0, 0, 0)), chunk(b"IDAT", zlib.compress(rows))]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b""))
    image = read(tmp_path / "a.png")
    assert np.array_equal(image.values[0], array >> 8)
    assert "16 bits per color are read as 8" in image.notes


def png_of_size(columns, rows):
    head = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


@pytest.mark.parametrize(("columns", "rows"), [(16_000, 12_000), (60_000, 60_000)])
def test_too_many_pixels_are_one_error(tmp_path, columns, rows):
    (tmp_path / "big.png").write_bytes(png_of_size(columns, rows))
    for call in (read, read_header):
        with pytest.raises(InputError, match=rf"big\.png has {columns * rows} pixels; more than 178956970"):
            call(tmp_path / "big.png")


def test_a_strip_and_a_large_image_below_the_limit_are_read(tmp_path):
    assert read(saved(tmp_path / "strip.png", np.eye(10, 2000, dtype=np.uint8))).header.shape == (1, 10, 2000)
    (tmp_path / "large.png").write_bytes(png_of_size(12_000, 10_000))
    assert read_header(tmp_path / "large.png").shape == (1, 10_000, 12_000)


def test_pages_and_damage_are_refused(tmp_path, values, monkeypatch):
    pages = [Image.fromarray(values((4, 4), seed=k)) for k in range(2)]
    pages[0].save(tmp_path / "two.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match=r"two\.tif holds 2 pages"):
        read(tmp_path / "two.tif")
    buffer = io.BytesIO()
    Image.fromarray(values((64, 64))).save(buffer, "PNG")
    for lenient in (False, True):
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
        for keep in (20, 2000):
            (tmp_path / "cut.png").write_bytes(buffer.getvalue()[:keep])
            with pytest.raises(InputError, match=r"cut\.png cannot be decoded"):
                read(tmp_path / "cut.png")
        assert ImageFile.LOAD_TRUNCATED_IMAGES is lenient
