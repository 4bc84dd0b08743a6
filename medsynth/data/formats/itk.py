"""DICOM pixels, decoded by ITK."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np


def load_dicom(path: Path) -> np.ndarray:
    """Decode a DICOM file with ITK: (C, columns, rows, frames) float32, rescaled, palettes and YBR resolved."""
    import numpy as np

    with quiet():
        from monai.transforms import LoadImage

        import_itk()
        return np.asarray(LoadImage(reader="ITKReader", image_only=True, ensure_channel_first=True)(str(path)))


def import_itk() -> None:
    """Import ITK, which takes seconds and whose wrapping warns hundreds of times, and silence its console."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import itk

        itk.Object.SetGlobalWarningDisplay(False)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what MONAI says about optional readers on every load: they are not used here."""
    logging.getLogger("monai.data.nvimgcodec_pydicom_plugin").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*nvImageCodec.*")
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
        yield
