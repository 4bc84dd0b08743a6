"""DICOM files that are written are valid secondary captures and tell nothing about the patient."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import SecondaryCaptureImageStorage

from medsynth.reading.dicom.dicom_tags import IDENTIFYING

PLANTED = "Xq7Secret"
TEXTS = (
    *(name for name in IDENTIFYING if name != "PatientBirthDate"),
    "PatientComments",
    "PatientMotherBirthName",
    "MilitaryRank",
    "EthnicGroup",
    "Occupation",
    "AdditionalPatientHistory",
    "OtherPatientNames",
    "InstitutionalDepartmentName",
    "StationName",
    "DeviceSerialNumber",
    "NameOfPhysiciansReadingStudy",
    "RequestingPhysician",
    "StudyDescription",
    "SeriesDescription",
    "ProtocolName",
    "StudyID",
    "ImageComments",
    "DerivationDescription",
)
DATES = ("PatientBirthDate", "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")


def identifying_tags(number: int) -> dict:
    inner = Dataset()
    inner.PatientID = f"{PLANTED} inside"
    tags = dict.fromkeys(TEXTS, PLANTED) | dict.fromkeys(DATES, "19570313") | {"StudyTime": "171819"}
    place = {"ImagePositionPatient": [1, 2, 3 + number], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
    uids = {name: f"1.2.840.99999.{k}" for k, name in enumerate(UIDS)}
    return (
        tags
        | place
        | uids
        | {
            "PixelSpacing": [0.5, 0.75],
            "SliceThickness": 4,
            "PatientAge": "066Y",
            "PatientSex": "F",
            "PatientWeight": 61.5,
            "RequestAttributesSequence": Sequence([inner]),
            "SOPInstanceUID": f"1.2.840.99999.8.{number}",
            "InstanceNumber": 5 + number,
        }
    )


@pytest.fixture
def series(tmp_path, write_dicom, texture):
    pixels = texture((2, 18, 21))
    for number in range(2):
        write_dicom(tmp_path / f"scan/{number}.dcm", pixels[number], identifying_tags(number))
        data = pydicom.dcmread(tmp_path / f"scan/{number}.dcm")
        data.private_block(0x0011, f"{PLANTED} maker", create=True).add_new(1, "LO", PLANTED)
        data.save_as(tmp_path / f"scan/{number}.dcm")
    return tmp_path / "scan", pixels


def written(out: Path) -> dict[str, Path]:
    """Return the translation of each source as the output's manifest lists it."""
    with (out / "manifest.csv").open() as stream:
        return {row["source"]: out / row["image"] for row in csv.DictReader(stream)}


def test_nothing_that_identifies_the_patient_is_written(series, tmp_path, synthesize):
    folder, _ = series
    source = (folder / "0.dcm").read_bytes()
    secrets = [PLANTED.encode(), b"19570313", b"171819", b"066Y", b"61.5", b"1.2.840.99999"]
    assert all(secret in source for secret in secrets)
    assert synthesize(folder).failures == []
    for path in (tmp_path / "out").rglob("*"):
        assert [secret for secret in secrets if secret in path.read_bytes()] == [], path.name
    for path in (tmp_path / "out").glob("*.dcm"):
        data = pydicom.dcmread(path)
        kept = {name: data.get(name) for name in IDENTIFYING if str(data.get(name) or "")}
        assert kept == {"PatientID": data.PatientID, "PatientName": data.PatientID}
        assert data.PatientIdentityRemoved == "YES"
        assert data.PatientSex == ""
        assert not [element for element in data if element.tag.is_private]


def test_names_of_files_and_folders_are_not_those_of_the_sources(series, tmp_path, synthesize):
    named = tmp_path / "in" / f"{PLANTED} Anna"
    named.parent.mkdir()
    for number, file in enumerate(sorted(series[0].rename(named).parent.rglob("*.dcm"))):
        file.rename(named / f"{PLANTED} {number}.dcm")
    assert synthesize(tmp_path / "in").failures == []
    first, second = written(tmp_path / "out").values()
    assert first.parent == second.parent != tmp_path / "out"
    assert not [path for path in (tmp_path / "out").rglob("*") if PLANTED in path.name]
    assert synthesize(tmp_path / "in", resume=True).skipped == 2
    assert synthesize(tmp_path / "in", out=tmp_path / "shown", show_names=True).failures == []
    assert (tmp_path / "shown" / f"{PLANTED} Anna/{PLANTED} 0.dcm").is_file()


def test_what_an_interrupted_translation_wrote_is_found_again_by_its_key(series, tmp_path, synthesize):
    (series[0] / "2.dcm").write_bytes(b"no DICOM")
    assert len(synthesize(series[0]).failures) == 1
    (tmp_path / "out/manifest.csv").unlink()
    assert synthesize(series[0], resume=True).skipped == 2


def test_slices_of_a_series_stay_together_under_new_uids(series, tmp_path, synthesize):
    assert synthesize(series[0]).failures == []
    first, second = map(pydicom.dcmread, written(tmp_path / "out").values())
    for name in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        assert first[name].value == second[name].value
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert (first.InstanceNumber, second.InstanceNumber) == (5, 6)
    for data in (first, second):
        assert data.file_meta.MediaStorageSOPInstanceUID == data.SOPInstanceUID
        for name in UIDS:
            assert data[name].value.is_valid
            assert data[name].value.startswith("2.25.")


def test_two_output_folders_share_no_identifier(series, tmp_path, synthesize):
    for name in "ab":
        assert synthesize(series[0], out=tmp_path / name).failures == []
    first, second = (pydicom.dcmread(written(tmp_path / name)["0.dcm"]) for name in "ab")
    for name in ("PatientID", *UIDS):
        assert first[name].value != second[name].value
    assert not list(tmp_path.glob("?/.key"))


def test_the_result_is_a_secondary_capture_that_says_what_it_is_and_where(series, tmp_path, synthesize, translator):
    folder, pixels = series
    assert synthesize(folder, translator=translator(square=False)).failures == []
    data = pydicom.dcmread(written(tmp_path / "out")["1.dcm"])
    assert data.SOPClassUID == data.file_meta.MediaStorageSOPClassUID == SecondaryCaptureImageStorage
    assert (data.ConversionType, data.Modality, list(data.ImageType)) == ("SYN", "OT", ["DERIVED", "SECONDARY"])
    assert "Research only, not for diagnosis" in data.DerivationDescription
    assert [float(v) for v in data.ImagePositionPatient] == [1, 2, 4]
    assert [float(v) for v in data.PixelSpacing] == [0.5, 0.75]
    assert float(data.SliceThickness) == 4
    assert np.array_equal(data.pixel_array, pixels[1])


def test_the_manifest_names_patients_by_the_pseudonyms_of_the_files(series, tmp_path, synthesize):
    assert synthesize(series[0]).failures == []
    with (tmp_path / "out/manifest.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["source"] for row in rows] == ["0.dcm", "1.dcm"]
    assert {row["patient"] for row in rows} == {str(pydicom.dcmread(tmp_path / "out" / rows[0]["image"]).PatientID)}
    assert all(row["domain"] == "target" for row in rows)


def test_resuming_keeps_pseudonyms_although_their_key_is_gone(series, tmp_path, synthesize):
    assert synthesize(series[0]).failures == []
    before = (tmp_path / "out/manifest.csv").read_text()
    assert synthesize(series[0], resume=True).skipped == 2
    assert (tmp_path / "out/manifest.csv").read_text() == before


def test_color_pictures_become_color_captures(tmp_path, write_dicom, texture, synthesize, translator):
    pixels = texture((18, 21, 3))
    write_dicom(tmp_path / "a.dcm", pixels)
    assert synthesize(tmp_path / "a.dcm", translator=translator(channels=3)).failures == []
    data = pydicom.dcmread(written(tmp_path / "out")["a.dcm"])
    assert data.PhotometricInterpretation == "RGB"
    assert np.array_equal(data.pixel_array, pixels)


def test_pictures_become_dicom_without_a_place(tmp_path, pictures, synthesize):
    assert synthesize(pictures(2), format="dicom").failures == []
    first, second = map(pydicom.dcmread, written(tmp_path / "out").values())
    assert "ImagePositionPatient" not in first
    assert first.PatientID != second.PatientID


def test_an_odd_number_of_bytes_is_padded_as_dicom_asks(tmp_path, write_dicom, texture, synthesize):
    pixels = texture((17, 21))
    write_dicom(tmp_path / "a.dcm", pixels)
    assert synthesize(tmp_path / "a.dcm").failures == []
    data = pydicom.dcmread(written(tmp_path / "out")["a.dcm"])
    assert len(data.PixelData) == 17 * 21 + 1
    assert np.array_equal(data.pixel_array, pixels)


def test_slices_that_make_no_volume_are_told_with_what_to_do(tmp_path, write_dicom, texture, synthesize):
    for number, height in enumerate((0, 1, 5)):
        place = {"ImagePositionPatient": [0, 0, height], "PixelSpacing": [1, 1]}
        tags = place | {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        write_dicom(tmp_path / f"scan/{number}.dcm", texture((18, 21)), tags)
    ((name, problem),) = synthesize(tmp_path / "scan", format="nifti").failures
    assert name == "scan"
    assert problem == "its slices are 1 to 4 mm apart: some are missing or overlap; translate it with --format dicom"
    assert synthesize(tmp_path / "scan", format="dicom", out=tmp_path / "slices").translated == 3
