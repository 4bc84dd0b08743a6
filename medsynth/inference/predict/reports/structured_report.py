"""A structured report of one series: Comprehensive SR after template TID 1500, written by highdicom.

Each image or frame is a measurement group (TID 1501) that names the image, the algorithm (TID 4019), the probability
and the threshold (TID 300), and the decision. Concepts that no public scheme has are those of `SCHEME`.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from medsynth.base.version import __version__
from medsynth.inference.predict.predicted_rows import PredictedRow
from medsynth.inference.predict.reports.dicom_sources import DicomSource
from medsynth.reading.quietness import quiet

SCHEME = "99MEDSYNTH"
"""Private coding scheme, as DICOM PS3.16, section 8 allows names that begin with 99."""
DESCRIPTION = "Classifier result, research only"
_NUMBER = 900
"""Of the report's series within the study; scanners count from 1."""
_LONGEST = 64
"""Characters of a code's meaning and of a long string."""


@dataclass(frozen=True, kw_only=True)
class Algorithm:
    """What decided.

    Args:
        name, version: of the bundle.
        digest: sha256 of its list of files.
        runtime: what computed.
        threshold: a probability at or above it is called positive.
        classes: names of the negative and the positive class.
    """

    name: str
    version: str
    digest: str
    runtime: str
    threshold: float
    classes: tuple[str, str]

    @property
    def observer(self) -> str:
        """UID of the bundle as a device that observes; the same for the same files."""
        return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, self.digest).int}"

    @property
    def parameters(self) -> list[str]:
        """What else tells this result from others."""
        return [
            f"bundle sha256 {self.digest}",
            f"medsynth {__version__}",
            f"runtime {self.runtime}",
            f"threshold {self.threshold!r}",
            f"positive class {self.classes[1]}",
        ]


@dataclass(frozen=True)
class ReportedImage:
    """A predicted image: where it is from, and its row of the table, which has a probability."""

    source: DicomSource
    row: PredictedRow


def new_uid() -> str:
    """Return a UID that nothing else has, of the form 2.25.<UUID as a number>."""
    return f"2.25.{uuid.uuid4().int}"


def structured_report(uid: str, algorithm: Algorithm, findings: Sequence[ReportedImage]) -> bytes:
    """Return a DICOM file with the report of one series.

    Patient and study are those of the images. The report is preliminary and not verified: no person has seen it.

    Args:
        uid: of the report.
        algorithm: that decided.
        findings: of one series, at least one.
    """
    import pydicom
    from highdicom.coding_schemes import CodingSchemeIdentificationItem
    from highdicom.sr import ComprehensiveSR
    from pydicom.uid import ExplicitVRLittleEndian

    scheme = CodingSchemeIdentificationItem(SCHEME, name="medsynth", responsible_organization="medsynth")
    buffer = io.BytesIO()
    with quiet():
        report = ComprehensiveSR(
            evidence=list({str(one.source.data.SOPInstanceUID): one.source.data for one in findings}.values()),
            content=_content(algorithm, findings),
            series_instance_uid=new_uid(),
            series_number=_NUMBER,
            series_description=DESCRIPTION,
            sop_instance_uid=uid,
            instance_number=1,
            manufacturer="medsynth",
            manufacturer_model_name=_long(algorithm.name),
            software_versions=__version__,
            is_complete=True,
            is_final=False,
            is_verified=False,
            coding_schemes=[scheme],
            specific_character_set="ISO_IR 192",
            transfer_syntax_uid=ExplicitVRLittleEndian,
        )
        pydicom.dcmwrite(buffer, report, enforce_file_format=True)
    return buffer.getvalue()


def _content(algorithm: Algorithm, findings: Sequence[ReportedImage]) -> Any:
    from highdicom import sr
    from pydicom.sr.codedict import codes

    device = sr.DeviceObserverIdentifyingAttributes(
        uid=algorithm.observer, name="medsynth", manufacturer_name="medsynth", model_name=algorithm.name
    )
    english = sr.CodedConcept("en", "RFC5646", "English")
    observer = sr.ObserverContext(codes.DCM.Device, device)
    return sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.SCT.ImagingProcedure,
        imaging_measurements=[_group(algorithm, one) for one in findings],
        title=codes.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=sr.LanguageOfContentItemAndDescendants(english),
    )


def _group(algorithm: Algorithm, finding: ReportedImage) -> Any:
    from highdicom import sr

    data, row = finding.source.data, finding.row
    assert row.probability is not None
    frames = None if row.index is None else [finding.source.frames[row.index]]
    decision = "NEGATIVE", "POSITIVE"
    called = int(row.probability >= algorithm.threshold)
    evaluations = [(_code("DECISION", "Decision at the threshold"), _code(decision[called], algorithm.classes[called]))]
    if row.judgment is not None:
        unusual = ("YES", "Yes") if row.judgment.reason else ("NO", "No")
        evaluations.append((_code("SUSPICIOUS", "Too far from images of training"), _code(*unusual)))
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=new_uid(), identifier=_label(finding)),
        algorithm_id=sr.AlgorithmIdentification(
            name=algorithm.name, version=algorithm.version, parameters=algorithm.parameters
        ),
        measurements=list(_measurements(algorithm, row)),
        qualitative_evaluations=[sr.QualitativeEvaluation(name, value) for name, value in evaluations],
        source_images=[sr.SourceImageForMeasurementGroup(data.SOPClassUID, data.SOPInstanceUID, frames)],
    )


def _label(finding: ReportedImage) -> str:
    """Return what a person calls the measurement group; no file name, which may hold the patient's."""
    index = finding.row.index
    return "image" if index is None else f"frame {finding.source.frames[index]}"


def _measurements(algorithm: Algorithm, row: PredictedRow) -> Iterator[Any]:
    from highdicom.sr import Measurement
    from pydicom.sr.codedict import codes

    numbers = {
        ("PROBABILITY", f"Probability of {algorithm.classes[1]}"): row.probability,
        ("THRESHOLD", "Decision threshold"): algorithm.threshold,
        ("LOW", "Low end, 95 % of changed copies"): row.low,
        ("HIGH", "High end, 95 % of changed copies"): row.high,
    }
    for (value, meaning), number in numbers.items():
        if number is not None:
            yield Measurement(_code(value, meaning), float(number), codes.UCUM.NoUnits)


def _code(value: str, meaning: str) -> Any:
    from highdicom.sr import CodedConcept

    return CodedConcept(value, SCHEME, _long(meaning))


def _long(text: str) -> str:
    """Return text as DICOM's long string, which has no backslash and at most 64 characters."""
    return text.replace("\\", "/")[:_LONGEST]
