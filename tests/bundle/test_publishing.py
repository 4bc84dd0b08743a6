"""What is pushed is intact, names nobody, and lies as the Hugging Face hub has it, with a card that the hub reads."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from typer.testing import CliRunner

from medsynth.bundle.checking.verification import verify_bundle
from medsynth.bundle.format.hub_card import hub_card
from medsynth.bundle.format.manifest import MANIFEST, digest_of, list_files, sealed
from medsynth.bundle.publishing.hub_folder import card_of
from medsynth.bundle.trust.memory import RUN, find_trust, remember
from medsynth.cli import app

from .samples import files, write
from .serving import Host, serving, without_accounts

REFERENCE = Path(__file__).parents[2] / "bundles/sg-cyclegan-lsnet"
FIGURES = {
    "synthetic/diagnostic/roc_auc": {"value": 0.123456789, "low": 0.1, "high": 0.2, "n": 40.0},
    "synthetic/diagnostic/threshold": {"value": 0.5},
    "synthetic/image-quality/kid": {"value": 1e-7},
    "real-only/diagnostic/roc_auc": {"value": 0.5},
}


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch) -> None:
    without_accounts(monkeypatch, tmp_path / "home")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def bundle(tmp_path) -> Path:
    """A harmless bundle as an earlier version wrote it, without README.md."""
    contents = {**files(), "samples/target/target-01.png": b""}
    folder = write(tmp_path / "toy", contents)
    Image.new("L", (4, 4)).save(folder / "samples/target/target-01.png")
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in contents}
    plan = {"data": {"path": "(removed)", "positive": "invasion"}}
    plugins = [{"kind": "generator", "name": "cyclegan"}, {"kind": "evaluator", "name": "diagnostic"}]
    (folder / MANIFEST).write_text(sealed({"form": "portable", "plan": plan, "plugins": plugins, "files": hashes}))
    return folder


def push(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["bundle", "push", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, " ".join(done.stderr.split())


def refused(*arguments: object) -> str:
    code, text, told = push(*arguments, "pushed")
    assert (code, text, Path("pushed").exists()) == (2, "", False), told
    return told


def head_of(text: str) -> dict[str, object]:
    """Return the YAML of a card, read by a reader of its own."""
    empty, head, _ = text.split("---\n", 2)
    assert empty == ""
    return yaml.safe_load(head)


# ------------------------------------------------------------ the card


def test_the_cards_head_is_what_the_hub_reads():
    text = hub_card(
        "# toy\n", name='to"y: é', figures=FIGURES, plugins=["unit", "no"], phantom=False, license_text="Mine."
    )
    assert text.endswith("\n---\n\n# toy\n")
    dataset = {"type": "unpublished", "name": "held-out test images of the authors", "split": "test"}
    auc = {"type": "roc_auc", "value": 0.123457, "name": "roc_auc (0.1 to 0.2, n = 40)"}
    kid = {"type": "kid", "value": 1e-7, "name": "kid"}
    assert head_of(text) == {
        "license": "other",
        "license_name": "see-license",
        "license_link": "LICENSE",
        "library_name": "monai",
        "pipeline_tag": "image-classification",
        "tags": ["monai", "medical", "medsynth", "image-classification", "image-to-image", "unit", "no"],
        "metrics": ["roc_auc", "kid"],
        "model-index": [
            {
                "name": 'to"y: é',
                "results": [
                    {"task": {"type": "image-classification"}, "dataset": dataset, "metrics": [auc]},
                    {"task": {"type": "image-to-image"}, "dataset": dataset, "metrics": [kid]},
                ],
            }
        ],
    }
    without = hub_card("", name="toy", figures={}, plugins=[], phantom=True, license_text="Apache License\nVersion 2.0")
    assert head_of(without)["license"] == "apache-2.0"
    assert not {"metrics", "model-index"} & head_of(without).keys()


def test_the_card_of_a_bundle_is_made_of_what_it_states():
    card = card_of(REFERENCE)
    head = head_of(card)
    (index,) = head["model-index"]
    assert (head["license"], index["name"]) == ("apache-2.0", "sg-cyclegan-lsnet")
    assert {"sg-cyclegan", "lsnet"} <= set(head["tags"])
    stated = json.loads((REFERENCE / "configs/metadata.json").read_text())["eval_metrics"]
    first = index["results"][0]
    assert first["dataset"]["type"] == "phantom"
    found = {metric["type"]: metric["value"] for metric in first["metrics"]}
    assert found["roc_auc"] == pytest.approx(stated["synthetic/diagnostic/roc_auc"]["value"], rel=1e-5)
    assert card.endswith((REFERENCE / "docs/README.md").read_text())


@pytest.mark.skipif(importlib.util.find_spec("huggingface_hub") is None, reason="the extra hub is not installed")
def test_the_hubs_own_package_reads_the_card():
    from huggingface_hub import ModelCard

    results = ModelCard(card_of(REFERENCE)).data.eval_results
    assert {(one.task_type, one.metric_type) for one in results} >= {("image-classification", "roc_auc")}


# ------------------------------------------------------------ a folder


def test_a_folder_is_laid_out_as_the_hub_has_it_and_can_be_fetched_from_any_web_server(bundle):
    (bundle / "eval").mkdir()
    (bundle / "eval/predictions.csv").write_text("image,probability\nAnna.png,1\n")
    code, text, told = push(bundle, "pushed")
    assert code == 0, told
    pushed = Path("pushed")
    assert text.startswith(f"sha256  {digest_of(pushed)}\n")
    assert verify_bundle(pushed).deviations == ()
    assert not (pushed / "eval").exists()
    assert head_of((pushed / "README.md").read_text())["tags"][-1] == "cyclegan"
    assert find_trust(digest_of(pushed)) is None
    with serving() as host:
        host.files |= {f"/x/{path.relative_to(pushed).as_posix()}": path.read_bytes() for path in pushed.rglob("*.*")}
        host.files["/x/LICENSE"] = (pushed / "LICENSE").read_bytes()
        arguments = ["bundle", "get", f"{host.url}/x/", "--sha256", digest_of(pushed), "--out", "fetched"]
        assert CliRunner().invoke(app, arguments).exit_code == 0
    assert digest_of(Path("fetched/x")) == digest_of(pushed)


def test_a_bundle_with_a_card_stays_what_it_is_and_keeps_its_signature(bundle):
    (bundle / "model.sig").write_text("{}")
    remember(bundle, "toy", RUN)
    assert push(bundle, "once")[0] == 0
    assert not Path("once/model.sig").exists()  # it would not fit the new manifest
    entry = find_trust(digest_of(Path("once")))
    assert (entry.origin, entry.before) == (RUN, digest_of(bundle))
    (Path("once") / "model.sig").write_text("{}")
    assert push("once", "twice")[0] == 0
    assert Path("twice/model.sig").is_file()
    assert digest_of(Path("twice")) == digest_of(Path("once"))
    assert push("once", "twice")[0] == 2


# ------------------------------------------------------------ what is refused


def test_what_is_not_as_listed_or_refused_by_the_audit_is_not_pushed(bundle):
    (bundle / "LICENSE").write_text("mine")
    assert "toy cannot be pushed: LICENSE changed" in refused(bundle)
    (bundle / "LICENSE").write_bytes(b"Apache")
    (bundle / "configs/evil.json").write_text('{"run": {"_target_": "os.system", "command": "ls"}}')
    list_files(bundle, ["configs/evil.json"])
    assert "toy cannot be pushed, the audit refuses it: configs/evil.json" in refused(bundle)


def as_run(bundle: Path, rows: str) -> Path:
    """Put a bundle into a run on images of people."""
    run = bundle.parent / "run"
    (run / "data").mkdir(parents=True)
    (run / "run.json").write_text("{}")
    (run / "data/manifest.csv").write_text(f"image,domain,label,patient,split,center\n{rows}\n")
    shutil.move(bundle, run / "bundle")
    return run


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("../x/a.png,target,1,INVASION,train,", "'INVASION'"),
        ("../x/a.png,target,1,12,train,Invasion", "'Invasion'"),
        ("../x/example.org,target,1,12,train,", "'example.org'"),
        ("../x/target-01.png,target,1,invasions,train,Research", ""),
    ],
)
def test_a_runs_bundle_that_names_one_of_its_patients_centers_or_images_is_not_pushed(bundle, row, named):
    run = as_run(bundle, row)
    if named:
        told = refused(run)
        assert "may tell about people" in told
        assert f"names {named}" in told
    else:
        assert push(run, "pushed")[0] == 0


def test_names_are_looked_for_elsewhere_if_a_table_is_given(bundle):
    table = Path("people.csv")
    table.write_text("image,patient\nx/a.png,Invasion\n")
    assert "medsynth.json: names 'Invasion'" in refused(bundle, "--data", table)
    table.write_text("image,person\nx/a.png,Invasion\n")
    assert "has no column 'patient'" in refused(bundle, "--data", table)
    assert "cannot be read" in refused(bundle, "--data", "absent.csv")


def test_texts_in_pictures_headers_and_locations_are_not_pushed(bundle, monkeypatch):
    note = PngInfo()
    note.add_text("Patient", "Mueller", zip=True)
    picture = bundle / "samples/target/target-01.png"
    plain = picture.read_bytes()
    Image.new("L", (4, 4)).save(picture, pnginfo=note)
    list_files(bundle, ["samples/target/target-01.png"])
    assert "samples/target/target-01.png: holds a text beside its pixels" in refused(bundle)
    picture.write_bytes(plain)
    scan = bundle / "samples/scan.dcm"
    scan.write_bytes(bytes(128) + b"DICM" + bytes(100))
    (bundle / "docs/README.md").write_text(f"Made in {Path('/home/jane/cases')}.")
    list_files(bundle, ["samples/target/target-01.png", "samples/scan.dcm", "docs/README.md"])
    monkeypatch.setattr(Path, "home", lambda: Path("/home/jane"))
    told = refused(bundle)
    assert "samples/scan.dcm: is of a kind that can name a person in its header" in told
    assert "docs/README.md: names the folder /home/jane" in told
    content = json.loads((bundle / MANIFEST).read_text())
    content["plan"]["data"]["path"] = "/data/clinic"
    content.pop("checksum", None)
    (bundle / MANIFEST).write_text(sealed(content))
    assert "medsynth.json: its plan holds a location or an identifying value" in refused(bundle)


# ------------------------------------------------------------ the hub


class FakeHub(ModuleType):
    """Stands for huggingface_hub at its boundary."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__("huggingface_hub")
        self.calls: list[tuple[str, dict[str, object]]] = []
        self.files: set[str] = set()
        self.error = error

    def HfApi(self, **options: object) -> FakeHub:  # noqa: N802 - its name there
        self.calls.append(("HfApi", options))
        return self

    def create_repo(self, repository: str, **options: object) -> None:
        self.calls.append((repository, options))

    def upload_folder(self, *, folder_path: Path, **options: object) -> object:
        if self.error is not None:
            raise self.error
        self.calls.append(("upload_folder", options))
        self.files = {path.relative_to(folder_path).as_posix() for path in folder_path.rglob("*") if path.is_file()}
        return SimpleNamespace(commit_url="https://hub.example/commit/1")


def test_a_push_to_the_hub_makes_a_repository_hold_the_folder_and_nothing_else(bundle, monkeypatch):
    hub = FakeHub()
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    code, text, told = push(bundle, "hf:maker/toy", "--endpoint", "https://hub.example", "--json")
    assert code == 0, told
    answer = json.loads(text)
    assert answer["commit"] == "https://hub.example/commit/1"
    (_, asked), (repository, made), (_, sent) = hub.calls
    assert (asked["endpoint"], repository) == ("https://hub.example", "maker/toy")
    assert (made["private"], made["exist_ok"], sent["delete_patterns"]) == (True, True, "*")
    assert answer["sha256"] in sent["commit_message"]
    assert hub.files == {*files(), "samples/target/target-01.png", "README.md", MANIFEST}
    push(bundle, "hf:maker/toy", "--public")
    assert hub.calls[-2][1]["private"] is False


def test_a_hub_that_refuses_or_fails_is_quoted(bundle, monkeypatch):
    denied = OSError("401 Unauthorized\nmore")
    denied.response = SimpleNamespace(status_code=401)  # type: ignore[attr-defined]
    for error, code, hint in (
        (denied, 2, "hf auth login"),
        (ValueError("no name"), 2, "Give hf:OWNER/NAME."),
        (OSError("gone"), 1, "holds what it held"),
    ):
        monkeypatch.setitem(sys.modules, "huggingface_hub", FakeHub(error))
        found, text, told = push(bundle, "hf:maker/toy")
        assert (found, text, hint in told) == (code, "", True), told
        assert "hf:maker/toy could not be pushed to https://huggingface.co: " in told


def test_without_the_package_the_command_that_installs_it_is_named(bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    code, _, told = push(bundle, "hf:maker/toy")
    assert (code, 'pip install "medsynth-monai[hub]"' in told) == (2, True)


def offer_hub(host: Host) -> None:
    """Answer as the hub does to whoever makes a repository and commits to it."""
    repository = "/api/models/maker/toy"

    def modes(content: bytes) -> object:
        named = [entry["path"] for entry in json.loads(content)["files"]]
        return {"files": [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in named]}

    host.files[repository] = host.files[f"{repository}/revision/main"] = json.dumps(
        {"id": "maker/toy", "sha": "0" * 40, "siblings": [{"rfilename": "stale.py"}], "private": True}
    ).encode()
    tree = [{"type": "file", "path": "stale.py", "size": 1, "oid": "1" * 40}]
    host.files[f"{repository}/tree/main?recursive=true&expand=false"] = json.dumps(tree).encode()
    host.answers |= {
        "/api/repos/create": lambda _: {"url": f"{host.url}/maker/toy", "name": "maker/toy", "id": "1"},
        "/api/validate-yaml": lambda _: {"errors": [], "warnings": []},
        f"{repository}/preupload/main": modes,
        f"{repository}/preupload/{'0' * 40}": modes,
        f"{repository}/commit/main": lambda _: {"commitUrl": f"{host.url}/maker/toy/commit/1", "commitOid": "1" * 40},
    }


@pytest.mark.skipif(importlib.util.find_spec("huggingface_hub") is None, reason="the extra hub is not installed")
def test_the_hubs_own_package_sends_all_files_and_deletes_others(bundle, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with serving() as host:
        offer_hub(host)
        code, text, told = push(bundle, "hf:maker/toy", "--endpoint", host.url, "--json")
        assert code == 0, f"{told} {host.paths}"
    sent = dict(host.sent)
    made = json.loads(sent["/api/repos/create"])
    assert made.get("private", made.get("visibility") == "private") is True
    lines = [json.loads(line) for line in sent["/api/models/maker/toy/commit/main"].splitlines()]
    pushed = {line["value"]["path"]: line["value"] for line in lines if line["key"] == "file"}
    assert pushed.keys() == {*files(), "samples/target/target-01.png", "README.md", MANIFEST}
    manifest = base64.b64decode(pushed[MANIFEST]["content"])
    assert hashlib.sha256(manifest).hexdigest() == json.loads(text)["sha256"]
    assert [line["value"]["path"] for line in lines if line["key"] == "deletedFile"] == ["stale.py"]
