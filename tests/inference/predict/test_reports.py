"""Structured reports say what the table says, of the images that they name; read back without what wrote them."""

from __future__ import annotations

import csv
import importlib.util
import json
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from PIL import Image

from medsynth.base.errors import InputError, Interrupted, RunError
from medsynth.base.progress import Silent
from medsynth.base.stopping import Stop
from medsynth.base.version import __version__
from medsynth.inference import predicted_formats
from medsynth.inference.bundle_classifier import load_classifier
from medsynth.inference.predict.asked_prediction import AskedPrediction
from medsynth.inference.predict.prediction import PredictionJob, predict_files
from medsynth.inference.predict.reports import report_series
from medsynth.reading.quietness import quiet
from tests.reading.conftest import make_dataset, save

HAS_HIGHDICOM = importlib.util.find_spec("highdicom") is not None
needs_highdicom = pytest.mark.skipif(not HAS_HIGHDICOM, reason="highdicom is not installed")
COMPREHENSIVE = "1.2.840.10008.5.1.4.1.1.88.33"
MR, CINE = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.3.1"
PATIENT = {"PatientName": "Müller^Åsa", "PatientID": "P7", "PatientSex": "F", "PatientBirthDate": "19610204"}
STUDY = {"StudyInstanceUID": "1.2.7", "StudyDate": "20260102", "StudyTime": "101112", "AccessionNumber": "A9"}


@pytest.fixture
def scans(tmp_path):
    """A series of two slices of one patient, and a cine of three frames of one that the file does not name."""
    draw = np.random.default_rng(0).integers
    for k in range(2):
        tags = {**PATIENT, **STUDY, "SeriesInstanceUID": "1.2.7.1", "SOPInstanceUID": f"1.2.7.1.{k}"}
        tags |= {"SpecificCharacterSet": "ISO_IR 100", "ImagePositionPatient": [0, 0, k], "InstanceNumber": k}
        save(make_dataset(draw(0, 999, (1, 24, 36), dtype=np.uint16), **tags), tmp_path / f"in/a/{k}.dcm")
    tags = {"SOPClassUID": CINE, "StudyInstanceUID": "1.2.8", "SeriesInstanceUID": "1.2.8.1", "PatientID": None}
    tags |= {"SOPInstanceUID": "1.2.8.1.1", "PatientSex": "female", "PatientBirthDate": "in 1961"}
    frames = draw(0, 256, (3, 24, 36), dtype=np.uint8)
    frames[1] = 7  # constant: no probability
    with quiet():  # about values that break the rules of DICOM
        save(make_dataset(frames, ImagePositionPatient=None, **tags), tmp_path / "in/b.dcm")
    return tmp_path / "in"


@pytest.fixture
def report(bundle, scans, tmp_path):
    """Predict files with reports, with class names and a threshold that part them; return (rows, summary)."""

    def call(*images, **changes):
        asked = AskedPrediction(bundle=load_classifier(bundle).bundle, images=[], out=tmp_path / "p.csv")
        asked = replace(asked, format="dicom-sr")
        vars(asked)["classifier"] = replace(asked.classifier, threshold=0.5, classes=("none", "Tiefe ≥ 50 %"))
        values = {"classifier": asked.classifier, "runtime": one_pixel, "images": images or [scans]}
        values |= {"out": asked.out, "reports": asked.reports, "watch": Silent(), "stop": Stop()}
        summary = predict_files(PredictionJob(**(values | changes)))
        with asked.out.open(newline="", encoding="utf-8") as stream:
            return sorted(csv.DictReader(stream), key=lambda row: row["file"]), summary

    return call


def one_pixel(images):
    """A classifier of noise that finds both classes in it."""
    margin = images[:, 0, 16, 16] * 3
    return np.stack([np.zeros_like(margin), margin], axis=1)


def named(item):
    return item.ConceptNameCodeSequence[0].CodeMeaning


def content_of(container):
    """Return what an item contains by the meaning of its concept, read by hand."""
    found = {}
    for item in container.ContentSequence:
        value = {
            "NUM": lambda item: float(item.MeasuredValueSequence[0].NumericValue),
            "CODE": lambda item: item.ConceptCodeSequence[0].CodeMeaning,
            "TEXT": lambda item: item.TextValue,
            "UIDREF": lambda item: item.UID,
            "IMAGE": lambda item: item.ReferencedSOPSequence[0],
            "CONTAINER": lambda item: item,
        }[item.ValueType](item)
        name = named(item) if "ConceptNameCodeSequence" in item else item.ValueType
        found.setdefault(name, []).append(value)
    return found


def groups_of(data):
    (measurements,) = content_of(data)["Imaging Measurements"]
    return [content_of(group) for group in content_of(measurements)["Measurement Group"]]


@needs_highdicom
def test_a_series_has_one_report_that_names_its_images_and_says_what_the_table_says(report, bundle, tmp_path):
    rows, summary = report()
    assert (summary.reports, summary.predicted) == (2, 4)
    assert [bool(row["report"]) for row in rows] == [not row["error"] for row in rows]
    assert {path.name for path in (tmp_path / "p-sr").iterdir()} == {row["report"] for row in rows} - {""}
    of_series = [row for row in rows if "/a/" in row["file"]]
    assert len({row["report"] for row in of_series}) == 1
    data = pydicom.dcmread(tmp_path / "p-sr" / of_series[0]["report"])
    assert (data.SOPClassUID, data.Modality, data.SOPInstanceUID + ".dcm") == (COMPREHENSIVE, "SR", rows[0]["report"])
    assert data.file_meta.MediaStorageSOPInstanceUID == data.SOPInstanceUID
    for row, group, k in zip(of_series, groups_of(data), range(2), strict=True):
        assert group["Probability of Tiefe ≥ 50 %"][0] == pytest.approx(float(row["probability"]), abs=1e-6)
        assert group["Decision threshold"] == [0.5]
        assert group["Decision at the threshold"] == [row["class"]]
        image = group["Source of Measurement"][0]
        assert (image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID) == (MR, f"1.2.7.1.{k}")
    assert {row["class"] for row in rows if row["class"]} == {"none", "Tiefe ≥ 50 %"}
    origin = load_classifier(bundle).bundle
    assert group["Algorithm Name"] == [origin.metadata["name"]]
    assert group["Algorithm Version"] == [origin.metadata["version"]]
    assert {f"bundle sha256 {origin.digest}", f"medsynth {__version__}"} <= set(group["Algorithm Parameters"])


@needs_highdicom
def test_patient_and_study_are_those_of_the_images_and_nothing_else_of_their_header(report, tmp_path):
    rows, _ = report()
    first, second = (pydicom.dcmread(tmp_path / "p-sr" / rows[k]["report"]) for k in (0, 2))
    for name, value in (PATIENT | STUDY).items():
        assert str(first[name].value) == value, name
    (study,) = first.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    assert (study.StudyInstanceUID, series.SeriesInstanceUID) == ("1.2.7", "1.2.7.1")
    assert [one.ReferencedSOPInstanceUID for one in series.ReferencedSOPSequence] == ["1.2.7.1.0", "1.2.7.1.1"]
    assert first.SeriesInstanceUID not in ("1.2.7.1", second.SeriesInstanceUID)
    assert "PixelSpacing" not in first
    # what is no sex and no date stays out
    assert [str(second[name].value or "") for name in ("PatientID", "PatientSex", "PatientBirthDate")] == [""] * 3
    assert (first.PreliminaryFlag, first.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
    assert "research only" in first.SeriesDescription


@needs_highdicom
def test_frames_are_named_by_their_number_and_one_without_probability_is_left_out(report, tmp_path):
    rows, _ = report()
    data = pydicom.dcmread(tmp_path / "p-sr" / rows[2]["report"])
    frames = [group["Source of Measurement"][0].ReferencedFrameNumber for group in groups_of(data)]
    assert ([row["file"].rpartition("#")[2] for row in rows[2:] if row["report"]], frames) == (["0", "2"], [1, 3])


@needs_highdicom
def test_another_reader_understands_the_report(report, tmp_path):
    from highdicom.sr import srread

    rows, _ = report(intervals=lambda images, p: (p * 0.9, p * 0.5 + 0.5))
    found = srread(tmp_path / "p-sr" / rows[0]["report"]).content.get_image_measurement_groups()
    assert len(found) == 2
    for group, row in zip(found, rows, strict=False):
        numbers = {one.name.value: (one.value, one.unit.value) for one in group.get_measurements()}
        assert {name: unit for name, (_, unit) in numbers.items()} == dict.fromkeys(numbers, "1")
        ends = [numbers[name][0] for name in ("LOW", "PROBABILITY", "HIGH")]
        assert ends == pytest.approx([float(row[name]) for name in ("low", "probability", "high")], abs=1e-6)
        (decision,) = group.get_qualitative_evaluations()
        assert (decision.value.value == "POSITIVE") == (row["decision"] == "1")


@needs_highdicom
def test_images_that_are_not_dicom_are_refused_before_anything_is_written(report, scans, tmp_path):
    Image.new("L", (8, 8)).save(scans / "x.png")
    with pytest.raises(InputError, match=r"1 of 4 images are not DICOM: .*in/x\.png"):
        report()
    (scans / "x.png").unlink()
    save(make_dataset(np.zeros((1, 8, 8), np.uint8), StudyInstanceUID=None), scans / "c.dcm")
    with pytest.raises(InputError, match=r"c\.dcm has no StudyInstanceUID, which a report must name"):
        report()
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@needs_highdicom
def test_a_dicom_file_that_cannot_be_read_is_a_row_without_a_report(report, scans):
    path = save(make_dataset(np.zeros((1, 24, 36), np.uint8)), scans / "c.dcm")
    path.write_bytes(path.read_bytes()[:-100])
    rows, summary = report()
    assert [bool(row["error"]) for row in rows if row["file"].endswith("c.dcm")] == [True]
    assert (summary.reports, len(summary.failures)) == (2, 2)


@needs_highdicom
def test_where_one_report_fails_neither_reports_nor_table_are_left(report, scans, tmp_path, monkeypatch):
    (tmp_path / "p.csv").write_text("before")
    whole, written = report_series.write_bytes, []

    def full(path, content):
        if written:
            raise RunError("the disk is full")
        written.append(path)
        whole(path, content)

    monkeypatch.setattr(report_series, "write_bytes", full)
    with pytest.raises(RunError, match="full"):
        report()
    assert (len(written), list((tmp_path / "p-sr").iterdir()), (tmp_path / "p.csv").read_text()) == (1, [], "before")


@needs_highdicom
def test_an_interrupted_prediction_leaves_no_reports(report, tmp_path):
    stop = Stop()

    def interrupt(images):
        stop.requested = True
        return one_pixel(images)

    with pytest.raises(Interrupted):
        report(runtime=interrupt, batch=1, stop=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@needs_highdicom
def test_earlier_reports_are_never_replaced(report, tmp_path):
    report()
    before = sorted(path.name for path in (tmp_path / "p-sr").iterdir())
    with pytest.raises(InputError, match=r"p-sr exists"):
        report()
    assert sorted(path.name for path in (tmp_path / "p-sr").iterdir()) == before


@needs_highdicom
def test_the_command_says_where_the_reports_are(medsynth, bundle, scans, tmp_path):
    done = medsynth("predict", bundle, "in", "--format", "dicom-sr", "--json", env={"OMP_NUM_THREADS": "1"})
    assert done.returncode == 1, done.stderr  # for the constant frame
    content = json.loads(done.stdout)
    assert (content["reports"], content["reports_in"]) == (2, "predictions-sr")
    assert len(list((tmp_path / "predictions-sr").glob("*.dcm"))) == 2


def test_without_highdicom_the_command_that_installs_it_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(predicted_formats, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'needs highdicom(.|\n)*pip install "medsynth-monai\[sr\]"'):
        predicted_formats.check_reports(tmp_path / "p.csv")


def test_reports_need_a_table_beside_which_they_can_lie(monkeypatch):
    monkeypatch.setattr(predicted_formats, "find_spec", lambda name: True)
    with pytest.raises(InputError, match="--out /dev/null is no file"):
        predicted_formats.check_reports(predicted_formats.Path("/dev/null"))
