"""DICOM on both ends: what is read of a source's header, and the secondary capture that is written.

Nothing is copied from a source but where its pixels lie. Identifiers are replaced by keyed hashes: equal within one
output folder, so that the slices of a series stay together, and not to be found again without the key.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import uuid
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from medsynth.data.formats.windows import Window
from medsynth.reading import Header, Slice

_LARGEST = 2**16 - 1
_FINEST = 10_000


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What keeps the slices of one source together; for the keyed hashes only, never written.

    Args:
        patient, study, series, instance: identifiers of any kind.
        frame_of_reference: of the coordinates, if there are any.
        number: of the first slice within its series.
    """

    patient: str
    study: str
    series: str
    instance: str
    frame_of_reference: str = ""
    number: int = 1


def origin_of(header: Header) -> Origin:
    """Return the identifiers of a DICOM file. One with several frames is a series of its own."""
    folder, several = str(header.path.parent), header.count > 1
    instance = header.instance or str(header.path)
    study = header.study or header.series or folder
    return Origin(
        patient=header.patient or study,
        study=study,
        series=instance if several else header.series or folder,
        instance=instance,
        frame_of_reference=header.frame_of_reference or study,
        number=1 if several else header.number or 1,
    )


class Identities:
    """Pseudonyms and UIDs derived from a secret key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def _hash(self, kind: str, text: str) -> bytes:
        return hmac.new(self._key, f"{kind}\0{text}".encode(), hashlib.sha256).digest()

    def pseudonym(self, patient: str) -> str:
        """Return a stable name that does not show `patient`."""
        return "p" + self._hash("patient", patient).hex()[:12]

    def path(self, path: str) -> str:
        """Return a path below a folder whose parts do not show those of `path`; equal parts stay equal.

        Examples:
            >>> Identities(b"").path("Doe/1"), Identities(b"").path("Doe/2")
            ('4b3fe09feba67aa2/7a46c57970dd9bef', '4b3fe09feba67aa2/15d95fe22c14f953')
        """
        parts = path.split("/")
        return "/".join(self._hash("path", "/".join(parts[:end])).hex()[:16] for end in range(1, len(parts) + 1))

    def uid(self, kind: str, text: str) -> str:
        """Return a UID of the form 2.25.<UUID as a number> (DICOM PS3.5, annex B.2)."""
        return f"2.25.{uuid.UUID(bytes=self._hash(kind, text)[:16], version=4).int}"


@dataclass(frozen=True)
class Rescaling:
    """How 16-bit stored values stand for physical ones: stored x slope + intercept, as DICOM writes both numbers.

    Args:
        slope, intercept: decimal strings of at most 16 characters.
        window: the values that are shown.
    """

    slope: str
    intercept: str
    window: Window

    @classmethod
    def of(cls, window: Window) -> Rescaling:
        """Return the finest one that covers a window."""
        return cls(_decimal((window.high - window.low) / _LARGEST), _decimal(window.low), window)

    def stored(self, image: np.ndarray) -> np.ndarray:
        """Return the uint16 values that stand for an image in [-1, 1]."""
        values = self.window.values(image).astype(np.float64)
        steps = (values - float(self.intercept)) / float(self.slope)
        return np.clip(np.rint(steps), 0, _LARGEST).astype(np.uint16)


@dataclass(frozen=True, kw_only=True)
class Capture:
    """Writes secondary captures.

    Args:
        identities: for patients and UIDs.
        maker: what made the image: medsynth and the bundle, with versions.
    """

    identities: Identities
    maker: str

    def encode(
        self, pixels: np.ndarray, origin: Origin, plane: Slice, index: int, *, rescaling: Rescaling | None = None
    ) -> bytes:
        """Return a DICOM file of one slice.

        Args:
            pixels: (rows, columns) or (rows, columns, 3) uint8, or (rows, columns) uint16.
            origin: of the source; hashed.
            plane: where the slice lies.
            index: of the slice within its file, from 0.
            rescaling: what 16-bit values stand for.
        """
        import pydicom
        from pydicom.dataset import Dataset, FileMetaDataset
        from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = SecondaryCaptureImageStorage
        instance = UID(self.identities.uid("instance", f"{origin.instance}\0{index}"))
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = instance
        self._describe(data, origin)
        data.InstanceNumber = origin.number + index
        _place(data, plane)
        if plane.position is not None:
            data.FrameOfReferenceUID = self.identities.uid("frame", origin.frame_of_reference)
            data.PositionReferenceIndicator = ""
        _fill(data, pixels)
        if rescaling:
            _rescale(data, rescaling)
        buffer = io.BytesIO()
        pydicom.dcmwrite(buffer, data, enforce_file_format=True)
        return buffer.getvalue()

    def _describe(self, data: Any, origin: Origin) -> None:
        data.PatientName = data.PatientID = self.identities.pseudonym(origin.patient)
        data.PatientIdentityRemoved = "YES"
        data.DeidentificationMethod = "synthetic pixels; identifiers replaced, nothing else kept"
        data.StudyInstanceUID = self.identities.uid("study", origin.study)
        data.SeriesInstanceUID = self.identities.uid("series", origin.series)
        # These must be there and may be empty (type 2).
        for name in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber"):
            setattr(data, name, "")
        data.ReferringPhysicianName = data.SeriesNumber = None
        data.Modality, data.ConversionType = "OT", "SYN"
        data.Manufacturer = "medsynth"
        data.ImageType = ["DERIVED", "SECONDARY"]
        data.SyntheticData = "YES"
        data.SeriesDescription = "synthetic, not for diagnosis"
        data.DerivationDescription = f"Synthetic image made by {self.maker}. Research only, not for diagnosis."


def _place(data: Any, plane: Slice) -> None:
    if plane.spacing is not None:
        # a secondary capture states its pixels as those of a scanned film; most readers look for the first
        data.PixelSpacing = data.NominalScannedPixelSpacing = [_decimal(value) for value in plane.spacing]
    elif plane.aspect != 1:
        data.PixelAspectRatio = list(Fraction(plane.aspect).limit_denominator(_FINEST).as_integer_ratio())
    if plane.position is None or plane.orientation is None:
        return
    data.ImagePositionPatient = [_decimal(value) for value in plane.position]
    data.ImageOrientationPatient = [_decimal(value) for value in plane.orientation]
    if plane.thickness:
        data.SliceThickness = _decimal(plane.thickness)


def _decimal(value: float) -> str:
    """Return a number as DICOM's decimal string, which has at most 16 characters."""
    from pydicom.valuerep import format_number_as_ds

    return format_number_as_ds(float(value))


def _fill(data: Any, pixels: np.ndarray) -> None:
    data.Rows, data.Columns = pixels.shape[:2]
    data.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    data.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    if pixels.ndim == 3:
        data.PlanarConfiguration = 0
    bits = 8 * pixels.itemsize
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = bits, bits, bits - 1, 0
    content = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<")).tobytes()
    data.PixelData = content + b"\0" * (len(content) % 2)
    data["PixelData"].VR = "OB" if bits == 8 else "OW"


def _rescale(data: Any, rescaling: Rescaling) -> None:
    window = rescaling.window
    data.RescaleSlope, data.RescaleIntercept = rescaling.slope, rescaling.intercept
    data.RescaleType = window.unit or "US"  # which stands for unspecified
    data.WindowCenter, data.WindowWidth = _decimal((window.low + window.high) / 2), _decimal(window.high - window.low)
