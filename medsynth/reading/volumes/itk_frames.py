"""Code streams that pydicom's free decoders do not know, through the GDCM that is part of ITK.

JPEG lossless, JPEG-LS and 12-bit JPEG have two decoders for pydicom: one is under the GPL, which medsynth does not
impose on its users, the other ends the process on some damaged files. ITK is there anyway.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from medsynth.reading.volumes.itk_volumes import import_itk

_KEPT = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")


def decode_frame(stream: bytes, data: Any) -> np.ndarray:
    """Return the stored values of one frame, (rows, columns) or (rows, columns, 3).

    ITK reads files only, and applies what else their header says; so it is given one that has nothing but pixels.

    Args:
        stream: compressed.
        data: the data set that it is from.

    Raises:
        RuntimeError: ITK cannot decode it.
    """
    import pydicom

    itk = import_itk()
    with tempfile.TemporaryDirectory(prefix="medsynth-") as folder:
        path = Path(folder) / "frame.dcm"
        pydicom.dcmwrite(path, _bare(stream, data), enforce_file_format=True)
        values = np.asarray(itk.array_from_image(itk.imread(str(path))))
    frame: np.ndarray = values[0]
    return frame


def _bare(stream: bytes, data: Any) -> Any:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID, SecondaryCaptureImageStorage

    bare = Dataset()
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = data.file_meta.TransferSyntaxUID
    bare.SOPClassUID = bare.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    bare.SOPInstanceUID = bare.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    for name in _KEPT:
        setattr(bare, name, data[name].value)
    bare.SamplesPerPixel = int(data.get("SamplesPerPixel") or 1)
    bare.PhotometricInterpretation = "MONOCHROME2" if bare.SamplesPerPixel == 1 else "RGB"
    if bare.SamplesPerPixel > 1:
        bare.PlanarConfiguration = 0
    bare.PixelData = encapsulate([stream])
    bare["PixelData"].VR = "OB"
    bare["PixelData"].is_undefined_length = True
    return bare
