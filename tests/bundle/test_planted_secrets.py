"""A bundle of a run on data full of names, places and numbers of people tells none of them, wherever one looks."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

import medsynth
from medsynth.bundle.publishing.identities import known_names

PATIENT, BIRTH, NUMBER = "Mueller^Anna", "19430217", "KH-4711-0815"
UID, CENTER, DEVICE = "1.2.826.0.1.3680043.8.4711", "St-Elsewhere", "Voluson-SN-99812"
USER, HOST, READER = "jane.doe", "ward7-workstation", "Dr-Watanabe"
FOLDER = "Frauenklinik-Nord"
SECRETS = (PATIENT, "Mueller", BIRTH, NUMBER, UID, CENTER, DEVICE, USER, HOST, READER, FOLDER)

MACHINE = f"""
import getpass, os, platform, socket
uname = os.uname()
os.uname = lambda: os.uname_result((uname[0], {HOST!r}, *uname[2:]))
socket.gethostname = socket.getfqdn = lambda *_: {HOST!r}
platform.node = lambda: {HOST!r}
getpass.getuser = lambda: {USER!r}
os.getlogin = lambda: {USER!r}
"""
SETS = (
    "data.size=32",
    "generator.epochs=1",
    "generator.epoch_steps=2",
    "generator.batch_size=2",
    "generator.width=4",
    "generator.blocks=1",
    "generator.discriminator_width=4",
    "classifier.batch_size=8",
    "classifier.pretrain_epochs=1",
    "classifier.finetune_epochs=1",
    "classifier.epoch_steps=2",
    "evaluators.diagnostic.resamples=100",
    "evaluators.diagnostic.group_minimum=1",
)


def write_dicom(path: Path, pixels: np.ndarray, number: int) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    meta.MediaStorageSOPInstanceUID = f"{UID}.{number}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.SeriesInstanceUID, data.StudyInstanceUID = f"{UID}.{number}.1", f"{UID}.2"
    data.PatientName, data.PatientID, data.PatientBirthDate = PATIENT, NUMBER, BIRTH
    data.InstitutionName, data.StationName, data.Modality = CENTER, DEVICE, "MR"
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelSpacing = [1.0, 1.0]
    data.PixelData = pixels.astype(np.uint16).tobytes()
    pydicom.dcmwrite(path, data, enforce_file_format=True)


def write_data(folder: Path) -> Path:
    """24 target PNG and 8 source DICOM files, in whose names, headers and table people and places are named."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(0)
    splits = ["train"] * 3 + ["val"] * 2 + ["test"] * 3
    lines, readings = ["image,domain,label,patient,split,pair,center,device"], ["case,reader,decision"]
    for number in range(24):
        note = PngInfo()
        note.add_text("Patient", PATIENT)
        note.add_text("Comment", f"{CENTER} {NUMBER}", zip=True)
        name = f"{PATIENT} {NUMBER}-{number:02}.png"
        Image.fromarray(draw.integers(0, 255, (40, 40), dtype=np.uint8)).save(folder / name, pnginfo=note)
        place = f"{CENTER}-{number % 3}"
        split = splits[number // 3]
        lines.append(f"{name},target,{number % 2},{NUMBER}-{number},{split},,{place},{DEVICE}-{number // 2 % 2}")
        if split == "test":
            readings.append(f"{name},{READER},{number // 2 % 2}")
    for number in range(8):
        name = f"{PATIENT} {number}.dcm"
        write_dicom(folder / name, draw.integers(0, 4000, (40, 40)), number)
        lines.append(f"{name},source,{number % 2},MR-{NUMBER}-{number},{'test' if number > 5 else 'train'},,,")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    (folder / "readings.csv").write_text("\n".join(readings) + "\n")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run by a user, on a machine and in folders with telling names, with a TorchScript export in its bundle."""
    home = tmp_path_factory.mktemp("machine") / USER
    data = write_data(home / FOLDER / "data")
    (home / "patch").mkdir()
    (home / "patch/sitecustomize.py").write_text(MACHINE)
    names = {"USER": USER, "LOGNAME": USER, "USERNAME": USER, "HOSTNAME": HOST}
    environment = {**os.environ, **names, "PYTHONPATH": str(home / "patch"), "OMP_NUM_THREADS": "1"}
    out = home / FOLDER / "run"
    arguments = ["--data", str(data), "--generator", "cyclegan", "--classifier", "mobilenet-v2", "--out", str(out)]
    arguments += ["--evaluators", "diagnostic,readers", "--preset", "quick", "--device", "cpu"]
    sets = [*SETS, f"evaluators.readers.path={data / 'readings.csv'}"]
    calls = (
        ["run", *arguments, *(part for item in sets for part in ("--set", item))],
        ["export", str(out), "--format", "torchscript"],
    )
    for call in calls:
        done = subprocess.run(
            [sys.executable, "-m", "medsynth", *call], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    return out


def contents(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a file, and whatever is packed into it: members of zips, gzip, compressed texts of PNG."""
    yield name, content
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                yield from contents(f"{name}!{member.filename}", archive.read(member))
    elif content.startswith(b"\x1f\x8b"):
        yield from contents(f"{name}!", gzip.decompress(content))
    elif content.startswith(b"\x89PNG"):
        with Image.open(io.BytesIO(content)) as image:
            yield f"{name}!text", repr(image.info).encode()


def tellings(folder: Path, secrets: tuple[str, ...]) -> set[tuple[str, str]]:
    """Return every (file, secret) with the secret in the file's name or content, in any case and usual encoding."""
    coded = [(secret, secret.lower().encode(code)) for secret in secrets for code in ("utf-8", "utf-16-le")]
    return {
        (name, secret)
        for path in folder.rglob("*")
        if path.is_file()
        for name, content in contents(path.relative_to(folder).as_posix(), path.read_bytes())
        for secret, wanted in coded
        if wanted in content.lower() or wanted in name.encode().lower()
    }


def secrets_of(run: Path) -> tuple[str, ...]:
    """Return what was planted, and what is true of this machine, without words so short that weights hold them."""
    real = (os.uname().nodename, str(Path(medsynth.__file__).parents[1]), sys.prefix, str(run.parents[1]))
    return (*SECRETS, *(text for text in real if len(text) > 7))


def test_the_search_sees_into_archives_pickles_and_pictures(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.pkl", pickle.dumps({"who": PATIENT}))
        archive.writestr(f"{USER}.txt", "nothing")
    with zipfile.ZipFile(tmp_path / "outer.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.ts", inner.getvalue())
    (tmp_path / "wide.bin").write_bytes(b"\x01" + HOST.upper().encode("utf-16-le"))
    (tmp_path / "log.gz").write_bytes(gzip.compress(CENTER.encode()))
    note = PngInfo()
    note.add_text("Comment", NUMBER, zip=True)
    Image.new("L", (4, 4)).save(tmp_path / "picture.png", pnginfo=note)
    assert tellings(tmp_path, SECRETS) == {
        ("outer.zip!inner.ts!data.pkl", PATIENT),
        ("outer.zip!inner.ts!data.pkl", "Mueller"),
        ("outer.zip!inner.ts", USER),
        (f"outer.zip!inner.ts!{USER}.txt", USER),
        ("wide.bin", HOST),
        ("log.gz!", CENTER),
        ("picture.png!text", NUMBER),
    }


def test_the_runs_own_files_hold_what_its_bundle_must_not(run: Path) -> None:
    """Else the next test would look for what was never there."""
    found = {secret for _, secret in tellings(run.parent / "data", SECRETS) | tellings(run, SECRETS)}
    assert found >= set(SECRETS)
    subjects = {score["subject"] for score in json.loads((run / "scores.json").read_text())["scores"]}
    assert {"reader A", "synthetic, center A", "synthetic, device A"} <= subjects


def test_no_file_of_the_bundle_tells_about_people_places_or_machines(run: Path) -> None:
    assert (run / "bundle/models/model.ts").is_file()
    assert tellings(run / "bundle", secrets_of(run)) == set()


def test_nor_does_its_zip_or_an_index_of_it(run: Path, tmp_path: Path, medsynth) -> None:
    shutil.make_archive(str(tmp_path / "shelf/bundle"), "zip", run, "bundle")
    assert medsynth("bundle", "index", tmp_path / "shelf").returncode == 0
    assert (tmp_path / "shelf/index.json").is_file()
    assert tellings(tmp_path / "shelf", secrets_of(run)) == set()


def test_nor_does_what_is_pushed_which_is_compared_with_the_names_of_the_run(
    run: Path, tmp_path: Path, medsynth
) -> None:
    done = medsynth("bundle", "push", run, "pushed")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "pushed/README.md").is_file()
    assert tellings(tmp_path / "pushed", secrets_of(run)) == set()
    names = known_names(run / "data/manifest.csv")
    assert PATIENT in " ".join(names.names_in(f"{PATIENT} {NUMBER}-07.png"))
    assert names.names_in(f"at {CENTER}-1, by {NUMBER}-3") == [f"{NUMBER}-3", f"{CENTER}-1"]


def test_nor_do_report_and_scores_whose_pseudonyms_a_key_resolves(run: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shutil.copytree(run / "figures", shared / "figures")
    for name in ("report.html", "scores.json"):
        shutil.copy(run / name, shared)
    assert tellings(shared, secrets_of(run)) == set()
    with (run / "key.csv").open(newline="", encoding="utf-8") as stream:
        names = {(row["kind"], row["pseudonym"]): row["name"] for row in csv.DictReader(stream)}
    assert names["center", "A"] == f"{CENTER}-0"
    assert names["reader", "A"] == READER
    shown = set(re.findall(r"image-\d+", (shared / "report.html").read_text()))
    assert len(shown) >= 4
    assert all(PATIENT in names["image", number] for number in shown)


def test_nor_do_translations_that_say_that_identities_were_removed(run: Path, tmp_path: Path, medsynth) -> None:
    data = run.parent / "data"
    done = medsynth("synthesize", run, data, "--out", "out", "--device", "cpu", env={"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    files = list((tmp_path / "out").glob("*.dcm"))
    assert len(files) == 8
    assert all(pydicom.dcmread(file).PatientIdentityRemoved == "YES" for file in files)
    (tmp_path / "shared").mkdir()
    for file in files:
        shutil.move(file, tmp_path / "shared" / file.name)
    assert tellings(tmp_path / "shared", secrets_of(run)) == set()


def test_with_show_names_the_report_has_them(run: Path, tmp_path: Path, medsynth) -> None:
    data = run.parent / "data"
    arguments = ["--data", data, "--generator", "cyclegan", "--classifier", "mobilenet-v2", "--out", "run"]
    arguments += ["--evaluators", "diagnostic,readers", "--preset", "quick", "--device", "cpu", "--show-names"]
    sets = [*SETS, "training.baselines=", f"evaluators.readers.path={data / 'readings.csv'}"]
    more = [part for item in sets for part in ("--set", item)]
    done = medsynth("run", *arguments, *more, env={"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    for name in ("report.html", "scores.json"):
        (tmp_path / "shared").mkdir(exist_ok=True)
        shutil.copy(tmp_path / "run" / name, tmp_path / "shared")
    found = {secret for _, secret in tellings(tmp_path / "shared", SECRETS)}
    assert {PATIENT, CENTER, DEVICE, READER, FOLDER} <= found
    assert not (tmp_path / "run/key.csv").exists()
    assert tellings(tmp_path / "run/bundle", secrets_of(run)) == set()


def test_the_bundle_of_such_a_run_has_figures_is_as_listed_and_is_reproduced(run: Path, medsynth) -> None:
    metrics = json.loads((run / "bundle/configs/metadata.json").read_text())["eval_metrics"]
    assert {name.partition("/")[0] for name in metrics} == {"synthetic", "real-only", "untranslated", "model"}
    done = medsynth("bundle", "verify", run, "--reproduce", env={"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 probabilities within" in done.stdout
