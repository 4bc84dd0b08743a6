"""What the documents show is done: notebooks, pictures, and every command that says nothing else."""

from __future__ import annotations

import importlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from medsynth.base.errors import RunError
from medsynth.cli import app
from medsynth.reading.quietness import quiet
from tests.docs.commands import DOCUMENTS, PROGRAMS, ROOT, WHY_NOT, shown_commands

COMMANDS = shown_commands()
TRAINING = ("run", "study")
"""Commands that would train for minutes: here they go on until their plan is made. The suite trains elsewhere."""


def test_the_notebook_of_the_main_job_translates_predicts_and_says_what_synthesis_was_worth(main_job):
    assert main_job["run"].verdict in main_job["printed"]
    assert main_job["synthetic"].shape == (1, 32, 32)
    assert len(main_job["predicted"]) == len(main_job["targets"]) > 0


def test_the_notebook_of_own_images_goes_from_a_folder_to_a_verdict(executed):
    own = executed("own-data")
    assert own["found"].errors == ()
    assert not any("nothing tells whose" in text for text in own["found"].warnings)
    assert own["run"].verdict in own["printed"]


def test_notebooks_are_stored_without_results():
    for path in (ROOT / "docs/notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert all(cell["outputs"] == [] for cell in cells if cell["cell_type"] == "code"), path.name


@pytest.fixture(scope="module")
def place(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What the words of the documents stand for: the tiny run, its bundle, images, folders of them, a study's file."""
    folder = tmp_path_factory.mktemp("place")
    bundle, samples = run_folder / "bundle", run_folder / "bundle/samples"
    shutil.copytree(run_folder, other := folder / "other")
    (folder / "mine.toml").write_text(_study())
    random = np.random.default_rng(3)
    for domain, numbers in (("mr", range(20)), ("us", range(20))):
        for number in numbers:
            path = folder / "plain" / domain / f"{number % 2}" / f"P{number}{domain}" / "1.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(random.integers(0, 256, (32, 32), dtype=np.uint8)).save(path)
    plain = [str(folder / "plain/mr"), "--target", str(folder / "plain/us")]
    done = CliRunner().invoke(app, ["data", "import", *plain, "--positive", "1", "--out", str(folder / "cases")])
    assert done.exit_code == 0, done.output
    return {
        "RUN": run_folder, "runs/phantom/sg-cyclegan--lsnet/1": run_folder, "runs/phantom/cyclegan--lsnet/1": other,
        "RUN/bundle": bundle, "BUNDLE": bundle, "PATH": bundle, "A": bundle, "B": other / "bundle",
        "FOLDER/NAME": bundle, "FOLDER/cyclegan-mobilevit": bundle, "plan.toml": run_folder / "plan.toml",
        "runs/phantom/sg-cyclegan--lsnet/1/plan.toml": run_folder / "plan.toml",
        "IMAGES": samples / "target", "scans": samples / "target", "DATA": run_folder / "data/manifest.csv",
        "my/manifest.csv": folder / "cases/manifest.csv",
        "SOURCE": folder / "plain/mr", "OTHER": folder / "plain/us", "FOLDER": folder / "cases",
        "cases": folder / "cases", "my-images": folder / "cases", "mine.toml": folder / "mine.toml",
        "mine-with-readers.toml": folder / "mine.toml", "readers.csv": _answers(folder / "readers.csv"),
    }  # fmt: skip


def _study() -> str:
    """Return the study that the tutorial shows."""
    page = (ROOT / "docs/tutorials/study.md").read_text(encoding="utf-8")
    return re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[0]


def _answers(path: Path) -> Path:
    path.write_text("reader,group,case,decision,confidence\nR01,junior,a.png,1,0.9\n")
    return path


def _given(words: list[str], place: dict[str, Path], new: Path) -> list[str]:
    """Put what the words stand for in their place; what a command writes goes into the folder `new`."""
    given, before = [], ""
    for word in words:
        kind, _, value = word.rpartition("=")
        if before in ("--out", "--html"):
            given.append(str(new / Path(word).name))
        elif before == "--reuse" or word == "--resume":  # there is no earlier study
            given = [one for one in given if one != "--reuse"]
        elif word.startswith("bundles/"):
            given.append(str(ROOT / word))
        else:
            given.append(str(place.get(word, word)) if not kind else f"{kind}={place.get(value, value)}")
        before = word
    if words[:2] in (["bundle", "list"], ["bundle", "index"]):
        shutil.copytree(place["BUNDLE"], new / "bundles/one")
        given[-1] = str(new / "bundles")
    return given


@pytest.fixture(scope="module")
def done_before() -> set[tuple[str, ...]]:
    """Commands that were done, but for what they call their results: none is done twice."""
    return set()


@pytest.mark.parametrize(
    "command", [one for one in COMMANDS if one.words[0] == "medsynth" and not one.reason], ids=lambda one: one.text
)
def test_a_command_of_the_documents_does_what_it_says_or_at_least_makes_its_plan(
    command, place, done_before, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new").mkdir()

    def planned(*_arguments, **_options):
        raise RunError("planned")

    monkeypatch.setattr("medsynth.door.one_run._do", planned)
    monkeypatch.setattr("medsynth.door.whole_study._prepared", planned)
    words = command.words[1:]
    given = _given(words, place, tmp_path / "new")
    key = tuple("" if str(tmp_path) in word else word for word in given)
    if key in done_before:
        return
    done_before.add(key)
    with quiet():
        done = CliRunner().invoke(app, given)
    if words[0] in TRAINING:
        assert (done.exit_code, "planned" in done.output) == (1, True), done.output
    else:
        wanted = 3 if words[:2] == ["bundle", "audit"] else 0  # a bundle with code needs trust, as the page says
        assert done.exit_code == wanted, done.output


def test_what_is_not_carried_out_says_why_and_every_reason_is_needed():
    for command in COMMANDS:
        assert command.words[0] == "medsynth" or command.reason, f"{command.document}: {command.text}"
    needless = [why for why in WHY_NOT if not any(re.fullmatch(why, command.text) for command in COMMANDS)]
    assert needless == []
    assert {command.text.split()[0] for command in COMMANDS} <= set(PROGRAMS)
    assert len(COMMANDS) > 80


def test_targets_programs_and_extras_of_the_documents_exist():
    makefile, project = ((ROOT / name).read_text() for name in ("Makefile", "pyproject.toml"))
    for command in COMMANDS:
        words = command.words
        if words[0] == "make":
            assert re.search(f"^{words[1]}:", makefile, re.MULTILINE), command.text
        if words[0] == "python" and words[1] != "-m":
            assert (ROOT / words[1]).is_file(), command.text
        for extra in re.findall(r"medsynth-monai\[(\w+)\]", command.text):
            assert re.search(rf"^{extra} = \[", project, re.MULTILINE), command.text


@pytest.fixture
def program(monkeypatch):
    """Return a function that imports a program of `benchmarks/`."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


def test_pictures_are_made_of_a_run(run_folder, program, tmp_path, monkeypatch):
    pictures = program("pictures")
    monkeypatch.setattr(pictures, "NAMES", ())  # a browser would take seconds, and so would a process
    monkeypatch.setattr(pictures, "predict", lambda arguments: CliRunner().invoke(app, ["predict", *arguments]))
    assert pictures.newest_run(run_folder.parent) == run_folder
    written = pictures.write_pictures(run_folder, tmp_path)
    for shade in ("light", "dark"):
        with Image.open(tmp_path / f"hero-{shade}.png") as picture:
            assert picture.width == 1260
    assert sorted(written) == sorted(path.name for path in tmp_path.iterdir())
    labels = [case["label"] for case in pictures.median_cases(run_folder)]
    assert labels == ["1", "0"]


def test_generators_stand_side_by_side_in_a_picture_of_a_study(run_folder, program, tmp_path):
    pictures = program("pictures")
    rows = [
        {"label": "SG-CycleGAN", "subject": "synthetic", "runs": {"7": str(run_folder)}},
        {"label": "real images only", "subject": "real-only", "runs": {"7": str(run_folder)}},
    ]
    (tmp_path / "study.json").write_text(json.dumps({"rows": rows}))
    strips = pictures.generators(tmp_path)
    assert [(strip.label, list(strip.images)) for strip in strips] == [
        (label, ["source", "SG-CycleGAN", "truth"]) for label in ("positive", "negative")
    ]
    written = pictures.write_generators(tmp_path, tmp_path / "pictures")
    assert sorted(written) == sorted(path.name for path in (tmp_path / "pictures").iterdir())


def test_stored_pictures_are_small_as_drawn_and_used(program):
    stored = {path.name: path for path in (ROOT / "docs/pictures").iterdir()}
    pages = "".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    for name, path in stored.items():
        assert path.stat().st_size < 150_000, name
        assert f"pictures/{name}" in pages, name
    for name, text in program("diagrams").drawn().items():
        assert stored[name].read_text(encoding="utf-8") == text, name
