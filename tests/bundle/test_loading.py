"""What is loaded is, byte for byte, what was judged: weights and programs, from folders and from zip files."""

from __future__ import annotations

import importlib
import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from medsynth.base.errors import InputError
from medsynth.base.files import sha256
from medsynth.bundle.format.manifest import list_files, read_manifest, write_listing
from medsynth.bundle.format.zips import write_zip
from medsynth.bundle.opening.loading import judged_archive, load_program, load_state, torch_members
from medsynth.bundle.opening.opened import CLASSIFIER, TRANSLATOR, open_bundle
from medsynth.bundle.trust import admission, granting
from medsynth.bundle.trust import memory as trust
from medsynth.inference.bundle_classifier import load_classifier
from medsynth.inference.export.forms import export_bundle
from medsynth.inference.runtimes import load_runtime

from .archives import Layout, Part, parts_of, two_directories

IMAGES = torch.linspace(-1, 1, 2 * 32 * 32).reshape(2, 1, 32, 32)


@pytest.fixture(scope="module")
def source(make_bundle) -> Path:
    from medsynth_mobilenet_v2.network import MobileNetV2

    return make_bundle(classifier=MobileNetV2(channels=1, width=0.1), samples=1)


@pytest.fixture(scope="module")
def portable(source, tmp_path_factory) -> Path:
    return export_bundle(source, tmp_path_factory.mktemp("portable"), form="portable")


@pytest.fixture
def stranger(monkeypatch, tmp_path) -> None:
    """A user who trusts nothing."""
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path / "home"))


@pytest.fixture
def foreign(portable, stranger, tmp_path) -> Path:
    """A bundle of somebody else that needs no trust."""
    return Path(shutil.copytree(portable, tmp_path / "toy"))


class _Writes(torch.nn.Module):
    """A program that writes a file as it computes."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = str(path)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.from_file(self.path, shared=True, size=8).sum() + image.flatten(1)[:, :2]


def program(module: torch.nn.Module) -> dict[bytes, bytes]:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(module), buffer)
    return {part.name: part.content for part in parts_of(buffer.getvalue())}


def ambiguous(harmless: Path, canary: Path) -> bytes:
    """Return an archive in which Python's reader finds a harmless program, and torch's one that writes a file."""
    shown = {part.name: part.content for part in parts_of(harmless.read_bytes())}
    hidden = program(_Writes(canary))
    names = sorted(shown.keys() | hidden.keys())
    return two_directories({n: shown.get(n, b"") for n in names}, {n: hidden.get(n, b"") for n in names})


def replace_program(bundle: Path, content: bytes) -> None:
    """Change a program as an author would who writes a fitting manifest."""
    (bundle / "models/model.ts").write_bytes(content)
    list_files(bundle, ["models/model.ts"])


def test_a_hidden_program_would_run_if_torch_loaded_the_file(foreign, tmp_path):
    content = ambiguous(foreign / "models/model.ts", tmp_path / "canary")
    torch.jit.load(io.BytesIO(content))(IMAGES)
    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize("trusted", [False, True])
def test_a_hidden_program_never_runs_whether_its_bundle_is_trusted_or_not(foreign, tmp_path, trusted):
    replace_program(foreign, ambiguous(foreign / "models/model.ts", tmp_path / "canary"))
    if trusted:
        trust.remember(foreign, "toy", trust.USER)
    with pytest.raises(InputError, match="directly before its end record"):
        open_bundle(foreign, CLASSIFIER).network()(IMAGES)
    assert not (tmp_path / "canary").exists()


@pytest.fixture
def judged(monkeypatch) -> dict[str, dict[str, bytes]]:
    """What the audit was given, by file: names of members and contents."""
    found: dict[str, dict[str, bytes]] = {}
    audit = admission.audit_bundle

    def spy(bundle: Path):
        for path in [*bundle.rglob("*.ts"), *bundle.rglob("*.pt")]:
            with zipfile.ZipFile(path) as archive:
                found[path.name] = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
        return audit(bundle)

    for module in (admission, granting):
        monkeypatch.setattr(module, "audit_bundle", spy)
    return found


@pytest.fixture
def loaded(monkeypatch) -> list[dict[str, bytes]]:
    """What torch's own reader finds in all that torch was given to load."""
    found: list[dict[str, bytes]] = []

    def spy(load: Callable) -> Callable:
        def wrapped(stream, **options):
            found.append(dict(torch_members(stream)))
            stream.seek(0)
            return load(stream, **options)

        return wrapped

    monkeypatch.setattr(torch.jit, "load", spy(torch.jit.load))
    monkeypatch.setattr(torch, "load", spy(torch.load))
    return found


def packed(bundle: Path, *, as_zip: bool) -> Path:
    if as_zip:
        write_zip(bundle, bundle.with_suffix(".zip"))
    return bundle.with_suffix(".zip") if as_zip else bundle


@pytest.mark.parametrize("as_zip", [False, True])
def test_torch_loads_the_bytes_of_a_program_that_were_judged(foreign, judged, loaded, as_zip):
    open_bundle(packed(foreign, as_zip=as_zip), CLASSIFIER).network()
    assert loaded == [judged["model.ts"]]


def without_safetensors(bundle: Path) -> None:
    content = read_manifest(bundle)
    for path in bundle.rglob("*.safetensors"):
        path.unlink()
    content["files"] = {name: value for name, value in content["files"].items() if "safetensors" not in name}
    write_listing(bundle, content, {})


@pytest.mark.parametrize("as_zip", [False, True])
def test_torch_loads_the_bytes_of_weights_that_were_judged(source, stranger, judged, loaded, tmp_path, as_zip):
    bundle = Path(shutil.copytree(source, tmp_path / "toy"))
    without_safetensors(bundle)
    granting.trust_bundle(bundle)
    open_bundle(packed(bundle, as_zip=as_zip), CLASSIFIER).network()
    assert loaded == [judged["model.pt"]]


def test_weights_are_read_without_pickles_where_the_bundle_has_both(source, loaded, tmp_path):
    bundle = Path(shutil.copytree(source, tmp_path / "toy"))
    expected = open_bundle(source, TRANSLATOR).network()(IMAGES)
    (bundle / "models/translator.pt").write_bytes(b"no weights")
    list_files(bundle, ["models/translator.pt"])
    trust.remember(bundle, "toy", trust.USER)
    assert torch.equal(open_bundle(bundle, TRANSLATOR).network()(IMAGES), expected)
    assert loaded == []


@pytest.mark.parametrize("as_zip", [False, True])
def test_a_file_that_is_swapped_after_the_audit_is_not_loaded(foreign, monkeypatch, tmp_path, as_zip):
    """Somebody who may change the bundle puts another program there, with a fitting manifest, once it was judged."""
    expected = open_bundle(foreign, CLASSIFIER).network()(IMAGES)
    bundle, audit = packed(foreign, as_zip=as_zip), admission.audit_bundle

    def swapping(root: Path):
        result = audit(root)
        replace_program(foreign, ambiguous(foreign / "models/model.ts", tmp_path / "canary"))
        packed(foreign, as_zip=as_zip)
        return result

    monkeypatch.setattr(admission, "audit_bundle", swapping)
    before = sha256(bundle / "models/model.ts" if not as_zip else bundle)
    assert torch.equal(open_bundle(bundle, CLASSIFIER).network()(IMAGES), expected)
    assert sha256(bundle / "models/model.ts" if not as_zip else bundle) != before
    assert not (tmp_path / "canary").exists()


def test_code_that_is_swapped_after_its_hash_was_compared_is_not_executed(source, monkeypatch, tmp_path):
    bundle = Path(shutil.copytree(source, tmp_path / "toy"))
    opened = open_bundle(bundle, CLASSIFIER)
    opened.data_config()
    code = next(bundle.glob("medsynth_*/__init__.py"))
    code.write_text("raise SystemExit('executed')")
    importlib.invalidate_caches()
    for name in [name for name in importlib.sys.modules if name.startswith(code.parent.name)]:
        monkeypatch.delitem(importlib.sys.modules, name)
    assert opened.network()(IMAGES).shape == (2, 2)


def test_an_export_that_is_swapped_after_it_was_checked_is_not_loaded(source, tmp_path, monkeypatch):
    from medsynth.inference import runtimes
    from medsynth.inference.export.exporting import export_classifier

    bundle = Path(shutil.copytree(source, tmp_path / "toy"))
    export_classifier(load_classifier(bundle), "torchscript")
    check = runtimes.exported_file

    def swapping(*arguments):
        path = check(*arguments)
        (bundle / "models/model.ts").write_bytes(ambiguous(bundle / "models/model.ts", tmp_path / "canary"))
        return path

    monkeypatch.setattr(runtimes, "exported_file", swapping)
    load_runtime(load_classifier(bundle), "torchscript", threads=1)(IMAGES.numpy())
    assert not (tmp_path / "canary").exists()


def test_judging_is_paid_once(foreign, monkeypatch):
    audits = []
    audit = admission.audit_bundle
    monkeypatch.setattr(admission, "audit_bundle", lambda root: audits.append(root) or audit(root))
    classifier = load_classifier(foreign)
    classifier.bundle.network()
    classifier.bundle.in_role(TRANSLATOR).network()
    assert len(audits) == 1


def test_an_archive_that_torch_reads_otherwise_than_the_audit_is_not_loaded(tmp_path, monkeypatch):
    torch.save({"a": torch.zeros(3)}, tmp_path / "a.pt")
    judged_archive(tmp_path / "a.pt")
    monkeypatch.setattr("medsynth.bundle.opening.loading.torch_members", lambda _: iter([("data.pkl", b"other")]))
    with pytest.raises(ValueError, match=r"a\.pt is not what torch would read"):
        load_state(tmp_path / "a.pt")


def test_weights_and_programs_in_no_clear_archive_are_not_loaded(tmp_path):
    torch.save({"a": torch.zeros(3)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "cased.pt").write_bytes(Layout(parts=[Part(b"a/b", b""), Part(b"a/B", b"")]).build())
    (tmp_path / "a.safetensors").write_bytes(b"x" * 20)
    for name in ("old.pt", "cased.pt", "a.safetensors"):
        with pytest.raises(ValueError, match=f"{name}|no directory"):
            load_state(tmp_path / name)
    with pytest.raises(ValueError, match="no directory"):
        load_program(tmp_path / "old.pt")
