"""One flipped bit, wherever it is in a run, is found by what reads it next; what is named then can be made again."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from medsynth.base import seals
from medsynth.base.errors import InputError, Interrupted, RunError
from medsynth.base.progress import Silent
from medsynth.base.stopping import Stop
from medsynth.bundle.checking.verification import verify_bundle
from medsynth.flow.engine import run as carry_out
from medsynth.flow.folder.choosing import choose_folder
from medsynth.flow.stages.finetuning import start_from
from medsynth.flow.start.footprint import needed_bytes
from medsynth.inference.bundle_classifier import load_classifier
from medsynth.inference.runtimes import load_runtime
from medsynth.inference.translate.translator import load_translator
from medsynth.plan.plan import Plan, make_plan
from medsynth.plugins import Registry
from medsynth.results.reading import read_run
from medsynth.results.run_record import read_record
from tests.base.test_files import file_size_limit

SETTINGS = ["data.size=32", "data.phantom_source=20", "data.phantom_negative=20", "data.phantom_positive=10"]
SETTINGS += ["data.phantom_test=10", "generator.width=4", "generator.blocks=1", "generator.discriminator_width=4"]
SETTINGS += ["generator.epochs=3", "generator.epoch_steps=2", "generator.batch_size=2", "training.validate_epochs=1"]
SETTINGS += [
    "classifier.batch_size=8",
    "classifier.pretrain_epochs=1",
    "classifier.finetune_epochs=1",
    "classifier.epoch_steps=2",
]
SETTINGS += ["evaluators.diagnostic.resamples=100", "training.tensorboard=false", "classifier.batch_size=8"]
WEIGHTS = ("generator", "classifier/real-only")
SHOWN = ("report.html", "figures/")
"""What every run writes anew, and nothing reads."""


class StopAfter(Silent):
    """Asks for a stop once the generator has done some steps."""

    def __init__(self, steps: int) -> None:
        self.steps, self.stop = steps, Stop()

    def advance(self, done: int, values: Mapping[str, float] | None = None) -> None:
        self.stop.requested |= values is not None and done >= self.steps


def asked(*more: str) -> Plan:
    names = {"generator": "cyclegan", "classifier": "efficientnet", "evaluators": ["diagnostic"]}
    overrides = [*SETTINGS, *more]
    return make_plan(Registry(), **names, preset="quick", seeds=[1], device="cpu", overrides=overrides)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return asked()


@pytest.fixture(scope="module")
def made(tmp_path_factory, plan: Plan) -> tuple[Path, Path]:
    """A run that was stopped amid the generator's training, and the finished run that it became."""
    begun, finished = (tmp_path_factory.mktemp("runs") / name for name in ("begun", "finished"))
    watch = StopAfter(5)
    with pytest.raises(Interrupted):
        carry_out(plan, Registry(), begun, watch=watch, stop=watch.stop)
    shutil.copytree(begun, finished)
    carry_out(plan, Registry(), finished)
    return begun, finished


@pytest.fixture
def run(made, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[1], tmp_path / "run"))


def files(folder: Path) -> list[str]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock")
    return [path.relative_to(folder).as_posix() for path in found]


@contextmanager
def flipped(path: Path, draw: np.random.Generator) -> Iterator[None]:
    """Change one bit of a file while the block runs."""
    before = path.read_bytes()
    changed = bytearray(before)
    changed[draw.integers(len(before))] ^= 1 << int(draw.integers(8))
    path.write_bytes(changed)
    try:
        yield
    finally:
        path.write_bytes(before)


def resume(folder: Path, plan: Plan) -> None:
    choose_folder(plan, folder, resume=True)
    carry_out(plan, Registry(), folder)


def objection(run: Path, name: str, plan: Plan) -> str:
    """Return what a resume says about a file before it uses it; empty if it has no objection."""
    path = run / name
    try:
        if name == "plan.toml":
            choose_folder(plan, run, resume=True)
        elif name == "run.json":
            read_record(run)
        elif name.startswith("bundle/"):
            return "; ".join(str(run / "bundle" / one.file) for one in verify_bundle(run / "bundle").deviations)
        elif path.parent == run:
            seals.check(run / "evaluation")
        else:
            seals.check(next(folder for folder in path.parents if seals.is_finished(folder)))
    except InputError as error:
        return error.message
    return ""


# ------------------------------------------------------------ every file


def test_a_flipped_bit_in_any_file_of_a_finished_run_is_found_and_named(run: Path, plan: Plan) -> None:
    draw = np.random.default_rng(1)
    names = [name for name in files(run) if not name.startswith(SHOWN)]
    assert len(names) > 250
    for name in names:
        with flipped(run / name, draw):
            assert str(run / name) in objection(run, name, plan), name
    assert [name for name in names if objection(run, name, plan)] == []


def test_a_flipped_bit_in_any_file_of_a_running_run_is_found_and_named(made, tmp_path: Path, plan: Plan) -> None:
    run, draw = Path(shutil.copytree(made[0], tmp_path / "run")), np.random.default_rng(2)
    names = files(run)
    own = [name for name in names if "/" in name and not any(map(seals.is_finished, (run / name).parents))]
    generator = [name for name in own if name.startswith("generator/")]
    assert generator == [
        f"generator/{name}" for name in ("checkpoint.pt", *(f"gallery/epoch-000{k}.png" for k in (1, 2)))
    ]
    for number, name in enumerate(names):
        if name in own:  # a helper of the run, which there is with two threads, may have begun a row as well
            copy = Path(shutil.copytree(made[0], tmp_path / f"copy-{number}"))
            with flipped(copy / name, draw), pytest.raises(InputError, match=Path(name).name):
                resume(copy, plan)
        else:
            with flipped(run / name, draw):
                assert str(run / name) in objection(run, name, plan), name
    resume(run, plan)
    for name in ("scores.json", "generator/networks.pt", "classifier/synthetic/networks.pt"):
        assert (run / name).read_bytes() == (made[1] / name).read_bytes(), name


def test_a_flipped_bit_in_what_a_bundles_commands_read_is_refused_and_elsewhere_verified(run: Path) -> None:
    bundle, draw = run / "bundle", np.random.default_rng(3)
    code = [name for name in files(bundle) if name.endswith(".py")]
    common = {"medsynth.json", "configs/metadata.json", *code}
    classify = common | {"configs/inference.json", "models/model.safetensors"}
    translate = common | {"configs/translate.json", "models/translator.safetensors"}
    readers = {
        "predict, evaluate": (lambda: load_runtime(load_classifier(run), "pytorch", threads=1), classify),
        "synthesize": (lambda: load_translator(run, "cpu"), translate),
    }
    for load, _ in readers.values():
        load()
    for name in files(bundle):
        with flipped(bundle / name, draw):
            for command, (load, read) in readers.items():
                if name in read:
                    with pytest.raises(InputError) as caught:
                        load()
                    assert Path(name).parts[0] in caught.value.message, (command, name)
            assert [one.file for one in verify_bundle(bundle).deviations] == [name]


def test_the_disk_that_a_run_needs_is_foreseen_within_a_factor_of_two(made, plan: Plan) -> None:
    size = sum((made[1] / name).stat().st_size for name in files(made[1]))
    assert size / 2 < needed_bytes(plan, Registry(), ()) < 2 * size


def test_a_limit_on_the_size_of_files_ends_a_run_clearly_and_leaves_nothing_half_written(
    tmp_path: Path, plan: Plan
) -> None:
    with (
        file_size_limit(100_000),
        pytest.raises(RunError, match=r"pixels-\w+\.partial could not be written.*too large"),
    ):
        carry_out(plan, Registry(), tmp_path / "run")
    left = files(tmp_path / "run/data")
    assert [name for name in left if not name.startswith("phantom/")] == ["preprocessing.json"]
    assert [name for name in files(tmp_path / "run") if name.endswith(".part")] == []


# ------------------------------------------------------------ a resume asks for what it reads


PLACES = {
    "run.json": "run.json",
    "plan.toml": "plan.toml",
    "data/phantom/manifest.csv": "data/phantom",
    "data/split.json": "data",
    "generator/history.json": "generator",
    "generator/gallery/epoch-0003.png": "generator",
    "synthetic/images/000001.png": "synthetic",
    "classifier/real-only/networks.pt": "classifier/real-only",
    "evaluation/translated/pixels.npy": "evaluation/translated",
    "evaluation/predictions-untranslated.csv": "evaluation",
    "scores.json": "evaluation",
    "measurements.json": "evaluation",
    "bundle/docs/README.md": "bundle",
}


@pytest.mark.parametrize("name", PLACES)
def test_a_resume_refuses_what_is_damaged_names_it_and_what_to_remove(made, name: str, plan: Plan) -> None:
    run = made[1]
    record, around = (run / "run.json").read_bytes(), files(run)
    with flipped(run / name, np.random.default_rng(len(name))), pytest.raises(InputError) as caught:
        resume(run, plan)
    assert f"{run / name} is" in caught.value.message
    removed = re.search(r"[Rr]emove (\S+) and continue", caught.value.hint)
    assert removed, caught.value.hint
    assert removed[1] in (str(run / PLACES[name]), "it" if PLACES[name] == name else "")
    assert (files(run), (run / "run.json").read_bytes()) == (around, record)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b"null", b'{"checksum": 1}'])
def test_truncated_and_foreign_files_are_refused_not_crashed_on(run: Path, content: bytes, plan: Plan) -> None:
    for name in ("run.json", "scores.json", "generator/history.json", "generator/seal.json"):
        before = (run / name).read_bytes()
        (run / name).write_bytes(content)
        assert f"{Path(name).name} is damaged" in objection(run, name, plan)
        (run / name).write_bytes(before)


def test_what_is_removed_as_the_errors_say_is_made_again_with_equal_scores(run: Path, plan: Plan) -> None:
    weights = {name: (run / name / "networks.pt").read_bytes() for name in WEIGHTS}
    scores, draw = (run / "scores.json").read_bytes(), np.random.default_rng(4)
    (run / "synthetic/pixels.npy").unlink()
    (run / "report.html").write_text("damaged")
    (run / "figures/roc.svg").unlink()
    damaged = ["data/manifest.csv", "generator/networks.pt", "classifier/real-only/networks.pt"]
    for name in [*damaged, "scores.json", "bundle/models/model.pt"]:
        content = bytearray((run / name).read_bytes())
        content[draw.integers(len(content))] ^= 1
        (run / name).write_bytes(content)
    removed = []
    for _ in range(9):
        try:
            resume(run, plan)
            break
        except InputError as error:
            folder = Path(error.hint.partition("remove ")[2].split()[0])
            removed.append(folder.relative_to(run).as_posix())
            shutil.rmtree(folder)
    places = ["data", "generator", "synthetic", "classifier/real-only", "evaluation", "bundle"]
    assert removed == places
    assert (run / "scores.json").read_bytes() == scores
    assert {name: (run / name / "networks.pt").read_bytes() for name in WEIGHTS} == weights
    assert (run / "figures/roc.svg").exists()
    assert "damaged" not in (run / "report.html").read_text()[:100]


def test_a_lost_file_is_named(run: Path, plan: Plan) -> None:
    (run / "generator/networks.pt").unlink()
    with pytest.raises(InputError, match=r"generator/networks\.pt is missing"):
        resume(run, plan)
    (run / "generator/seal.json").unlink()
    with pytest.raises(InputError, match=r"generator/seal\.json is missing"):
        resume(run, plan)


def test_comparing_refuses_damaged_scores_predictions_plan_and_record(run: Path) -> None:
    draw = np.random.default_rng(5)
    for name in ("scores.json", "measurements.json", "evaluation/predictions-synthetic.csv", "plan.toml", "run.json"):
        with flipped(run / name, draw), pytest.raises(InputError, match=f"{Path(name).name} is damaged"):
            read_run(run)
    assert len(read_run(run)) == 1


def test_a_run_of_an_earlier_version_is_compared_but_not_continued(run: Path, plan: Plan) -> None:
    text = (run / "run.json").read_text()
    (run / "run.json").write_text(re.sub(r',\n  "checksum": "\w+"', "", text))
    assert len(read_run(run)) == 1
    with pytest.raises(InputError, match=r"run\.json has no checksum, as in runs of earlier versions"):
        resume(run, plan)


def test_a_run_goes_on_without_its_record_and_without_its_plan(run: Path, plan: Plan) -> None:
    (run / "plan.toml").unlink()
    assert choose_folder(plan, run, resume=True) == run
    with pytest.raises(InputError, match=r"another plan: plan\.toml is missing"):
        choose_folder(asked("data.size=64"), run, resume=True)
    (run / "plan.toml").write_text(plan.to_toml())
    (run / "run.json").unlink()
    assert choose_folder(plan, run, resume=True) == run


def test_weights_that_a_run_starts_from_are_checked(tmp_path: Path) -> None:
    (tmp_path / "parent").mkdir()
    (tmp_path / "parent/generator.pt").write_bytes(b"weights")
    seals.finish(tmp_path / "parent")
    with (
        flipped(tmp_path / "parent/generator.pt", np.random.default_rng(6)),
        pytest.raises(InputError, match=r"generator\.pt is damaged"),
    ):
        start_from(tmp_path, "generator", None)  # type: ignore[arg-type]
