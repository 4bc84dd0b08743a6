"""MONAI's readers, which bundles carry, and `medsynth.reading` see the same pixels at the same places."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image

from medsynth.data.config import DataConfig
from medsynth.data.formats.chains import DomainInfo, FileDecoder, instantiate, preprocessing_config
from medsynth.data.formats.otherwise import READ_OTHERWISE
from medsynth.data.formats.probing import format_of
from medsynth.data.formats.windows import Window
from medsynth.reading import read, read_header, upright
from medsynth.reading.volumes.itk_volumes import import_itk

SHIPPED = Path(pydicom.__file__).parent / "data" / "test_files"
READERS = {"dicom": "ITKReader", "nifti": "NibabelReader", "raster": "PILReader"}
NAMED = {
    **dict.fromkeys(("detector.dcm", "film.dcm", "ratio.dcm", "region.dcm"), "shape of pixels"),
    "enhanced.dcm": "per-frame rescale",
    "padded.dcm": "padding",
    "short.dcm": "short pixel data",
    "tagged.dcm": "JPEG tagged RGB",
    "turned.jpg": "EXIF orientation",
    "white.tif": "16-bit MINISWHITE",
}
"""Which files of the zoo a bundle's card names."""
OBLIQUE = np.array([[0, -0.8, 0.05, 5], [0.7, 0, 0.1, -6], [0, 0.02, 3, 7], [0, 0, 0, 1.0]])


@pytest.fixture
def files(tmp_path, dicom, values):
    """One file of each kind that both read."""
    volume = values((3, 8, 6), np.int16)
    paths = [
        dicom(volume[:1], name="scaled.dcm", RescaleSlope=2, RescaleIntercept=-7),
        dicom(values((3, 8, 6, 3)), name="color.dcm", Modality="US"),
        dicom(values((3, 8, 6)), name="cine.dcm", Modality="US"),
        dicom(values((1, 8, 6), np.uint16), name="white.dcm", PhotometricInterpretation="MONOCHROME1"),
    ]
    for name, affine in (("oblique.nii", OBLIQUE), ("flipped.nii.gz", np.diag([-1, 1, -2, 1.0]))):
        nib.save(nib.Nifti1Image(volume, affine), tmp_path / name)
        paths.append(tmp_path / name)
    arrays = {"grey.png": values((8, 6)), "color.png": values((8, 6, 3)), "wide.png": values((8, 6), np.uint16)}
    for name, array in (arrays | {"grey.tif": values((8, 6)), "grey.bmp": values((8, 6))}).items():
        Image.fromarray(array).save(tmp_path / name)
        paths.append(tmp_path / name)
    names = ("CT_small.dcm", "examples_palette.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_ybr_full_422_uncompressed.dcm")
    return [*paths, *(SHIPPED / name for name in names), SHIPPED / "MR_small_jpeg_ls_lossless.dcm"]


@pytest.mark.filterwarnings("ignore")
def test_plain_monai_sees_the_same(files):
    from monai.transforms import LoadImage, Orientation

    import_itk()
    for path in files:
        image = read(path)
        by_monai = LoadImage(reader=READERS[image.header.kind], image_only=True, ensure_channel_first=True)(str(path))
        if image.header.kind == "nifti":
            image = upright(image)
            codes = "".join(nib.aff2axcodes(image.affine))
            by_monai = Orientation(codes, labels=[["L", "R"], ["P", "A"], ["I", "S"]])(by_monai)
            np.testing.assert_allclose(by_monai.affine, image.affine, atol=1e-5)
        expected = np.asarray(by_monai, np.float32)
        expected = expected if expected.ndim == 4 else expected[..., None]
        assert np.array_equal(image.channels_first(), expected), path.name


@pytest.mark.filterwarnings("ignore")
def test_a_bundle_shows_its_network_the_same_in_plain_monai_or_its_card_names_the_kind(zoo, unusable):
    assert set(NAMED.values()) == set(READ_OTHERWISE)
    assert otherwise(zoo, unusable, None) == NAMED.keys()


@pytest.mark.filterwarnings("ignore")
def test_a_window_shows_the_same_in_plain_monai_in_all_other_files(zoo, unusable):
    assert otherwise(zoo, unusable, Window(-500.5, 60000)) == NAMED.keys()


def otherwise(zoo, unusable, window):
    """Return the files that plain MONAI shows the network in another way."""
    config = DataConfig(size=16)
    differing = {"short.dcm"}
    for name in zoo.keys() - unusable.keys():
        header = read_header(zoo[name])
        info, index = DomainInfo(header.eight_bit, window), 1 if header.count > 1 else None
        chain = instantiate(preprocessing_config(info, config, format_of(header), index))
        plain = np.asarray(chain({"image": str(zoo[name])})["image"])
        if np.abs(plain - FileDecoder(info, config).read(zoo[name], [index])[0]).max() > 1e-6:  # sums of another order
            differing.add(name)
    return differing
