"""Code of a bundle is executed only if this user made it, trusts it, or the audit finds nothing to trust."""

from __future__ import annotations

import importlib.util
import json
import marshal
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medsynth.base.errors import InputError, RunError
from medsynth.bundle.format.manifest import MANIFEST, digest_of, list_files, read_manifest, sealed, write_listing
from medsynth.bundle.opening.opened import CLASSIFIER, TRANSLATOR, open_bundle
from medsynth.bundle.trust import memory as trust
from medsynth.bundle.trust.admission import admit
from medsynth.bundle.trust.granting import trust_bundle
from medsynth.bundle.trust.memory import pass_on, pass_on_through
from medsynth.bundle.trust.snapshot import Snapshot

ONE_THREAD = {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def made(make_bundle) -> Path:
    return make_bundle()


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A user who has not met any bundle yet."""
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def foreign(made, home, tmp_path) -> Path:
    """A bundle that somebody else made."""
    return Path(shutil.copytree(made, tmp_path / "foreign"))


@pytest.fixture
def picture(tmp_path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 36), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def spoiled(bundle: Path, name: str, text: str) -> None:
    """Change a file as an author would who writes a fitting manifest."""
    (bundle / name).write_text(text)
    list_files(bundle, [name])


def test_a_foreign_bundle_is_refused_before_its_code_is_imported(foreign):
    for role in (CLASSIFIER, TRANSLATOR):
        with pytest.raises(InputError, match=r"is not trusted here: medsynth_.*: code ") as caught:
            open_bundle(foreign, role).network()
        assert f"medsynth bundle trust {foreign}" in caught.value.hint


def test_trust_lets_it_run_and_distrust_ends_that(foreign, home):
    entry = trust_bundle(foreign)
    assert (entry.digest, entry.name, entry.origin) == (digest_of(foreign), "toy", trust.USER)
    assert [path.name for path in home.rglob("*.json")] == [f"{entry.digest}.json"]
    open_bundle(foreign, CLASSIFIER).network()
    assert trust.forget(entry.digest[:8]) == entry
    with pytest.raises(InputError, match="not trusted"):
        open_bundle(foreign, CLASSIFIER).network()


def test_trust_ends_when_the_manifest_changes(foreign):
    trust_bundle(foreign)
    spoiled(foreign, "docs/README.md", "another card")
    with pytest.raises(InputError, match="not trusted"):
        admit(foreign)


def test_trust_does_not_cover_files_that_are_not_as_listed(foreign):
    trust_bundle(foreign)
    code = next(foreign.glob("medsynth_*/__init__.py"))
    code.write_text("raise SystemExit('executed')")
    with pytest.raises(InputError, match=r"__init__.py was changed after the bundle was written"):
        open_bundle(foreign, CLASSIFIER).network()


def test_compiled_files_beside_the_sources_are_never_executed(foreign, medsynth, picture, tmp_path):
    """Python itself would take a cached file without looking at the source that was checked."""
    trust_bundle(foreign)
    code = compile(f"open({str(tmp_path / 'canary')!r}, 'w').close()", "network", "exec")
    unchecked = (1).to_bytes(4, "little") + b"\0" * 8
    for source in next(foreign.glob("medsynth_*")).rglob("*.py"):
        cached = Path(importlib.util.cache_from_source(str(source)))
        cached.parent.mkdir(exist_ok=True)
        cached.write_bytes(importlib.util.MAGIC_NUMBER + unchecked + marshal.dumps(code))
    before = sorted(foreign.rglob("*"))
    done = medsynth("predict", foreign, picture, "--json", env=ONE_THREAD)
    assert json.loads(done.stdout)["runtime"] == "pytorch"
    assert not (tmp_path / "canary").exists()
    assert sorted(foreign.rglob("*")) == before


def test_code_under_the_name_of_other_code_is_refused(foreign):
    package = next(foreign.glob("medsynth_*"))
    spoiled(foreign, f"{package.name}/__init__.py", "raise SystemExit('executed')")
    trust.remember(foreign, "toy", trust.USER)
    with pytest.raises(InputError, match="is not the name that medsynth gives to this code"):
        open_bundle(foreign, CLASSIFIER).network()


def test_a_damaged_bundle_cannot_be_trusted(foreign):
    (foreign / "LICENSE").write_text("mine now")
    (foreign / "docs/more.md").write_text("more")
    with pytest.raises(InputError, match="cannot be trusted: LICENSE changed and 1 more"):
        trust_bundle(foreign)


def test_what_the_audit_refuses_cannot_be_trusted(foreign, home):
    logging = (foreign / "configs/logging.conf").read_text()
    spoiled(foreign, "configs/logging.conf", logging.replace("(sys.stdout,)", "(__import__('os').system('id'),)"))
    with pytest.raises(InputError, match=r"cannot be trusted: configs/logging.conf"):
        trust_bundle(foreign)
    assert trust.all_trusted() == []


def test_own_bundles_are_not_foreign_and_those_of_others_stay_so_when_trusted(foreign):
    assert Snapshot(foreign).is_foreign
    trust_bundle(foreign)
    assert Snapshot(foreign).is_foreign
    trust.remember(foreign, "toy", trust.RUN)
    assert not Snapshot(foreign).is_foreign


def test_what_medsynth_itself_changes_stays_trusted_and_is_forgotten_with_all_it_was(foreign):
    trust.remember(foreign, "toy", trust.RUN)
    before = digest_of(foreign)
    spoiled(foreign, "models/exports.json", "{}")
    pass_on(before, digest_of(foreign))
    assert not Snapshot(foreign).is_foreign
    trust.forget(digest_of(foreign))
    assert trust.all_trusted() == []


def test_what_was_not_trusted_before_a_change_is_not_trusted_after_it(foreign):
    before = digest_of(foreign)
    spoiled(foreign, "models/exports.json", "{}")
    pass_on(before, digest_of(foreign))
    assert Snapshot(foreign).is_foreign


EXPORTS = "models/exports.json"


@pytest.mark.parametrize(
    ("change", "stays"),
    [
        (lambda root: spoiled(root, EXPORTS, "{}"), True),
        (lambda root: (spoiled(root, EXPORTS, "{}"), spoiled(root, "LICENSE", "other")), False),
        (lambda root: write_listing(root, read_manifest(root) | {"threshold": 0.9}, {}), False),
        (lambda root: (root / MANIFEST).write_text(json.dumps(read_manifest(root) | {"checksum": "0"})), False),
        (lambda root: (root / MANIFEST).write_text(sealed({"files": []})), False),
        (lambda root: (root / MANIFEST).write_text("{"), False),
        (lambda root: (root / MANIFEST).unlink(), False),
    ],
    ids=["an export", "and another file", "another threshold", "no seal", "no files", "no JSON", "nothing"],
)
def test_a_process_that_is_not_trusted_itself_may_add_an_export_to_a_trusted_bundle_and_no_more(foreign, change, stays):
    trusted = trust_bundle(foreign).digest
    with pass_on_through((foreign / MANIFEST).read_bytes(), foreign, [EXPORTS]):
        change(foreign)
    kept = {entry.digest for entry in trust.all_trusted()}
    assert kept == ({trusted, digest_of(foreign)} if stays else {trusted})


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"digest": "0"}', "\udcff"])
def test_an_unreadable_entry_is_no_trust(foreign, home, text):
    entry = trust_bundle(foreign)
    (home / f"trust/{entry.digest}.json").write_bytes(text.encode(errors="surrogateescape"))
    assert trust.find_trust(entry.digest) is None


def test_an_entry_renamed_for_another_bundle_is_no_trust(foreign, home):
    entry = trust_bundle(foreign)
    (home / f"trust/{entry.digest}.json").rename(home / f"trust/{'0' * 64}.json")
    assert trust.find_trust("0" * 64) is None


@pytest.mark.parametrize(("wanted", "message"), [("0" * 64, "no trusted bundle has"), ("", "no trusted bundle has")])
def test_only_a_known_hash_can_be_forgotten(foreign, wanted, message):
    trust_bundle(foreign)
    with pytest.raises(InputError, match=message):
        trust.forget(wanted)


def test_the_data_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path / "own"))
    assert trust.data_folder() == tmp_path / "own"
    monkeypatch.delenv("MEDSYNTH_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "shared"))
    assert trust.data_folder() == tmp_path / "shared/medsynth"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert trust.data_folder() == tmp_path / ".local/share/medsynth"


def test_a_data_folder_that_cannot_be_written_says_what_to_set(foreign, home):
    home.write_text("a file where a folder should be")
    with pytest.raises(RunError, match="could not be written"):
        trust_bundle(foreign)


def test_the_commands_refuse_trust_and_distrust(medsynth, foreign, picture, tmp_path):
    refused = medsynth("predict", foreign, picture, env=ONE_THREAD)
    assert refused.returncode == 2
    assert "is not trusted here" in refused.stderr
    assert not (tmp_path / "predictions.csv").exists()
    trusted = medsynth("bundle", "trust", foreign, "--json")
    (entry,) = json.loads(trusted.stdout)["trusted"]
    assert entry["digest"] == digest_of(foreign)
    assert medsynth("predict", foreign, picture, env=ONE_THREAD).returncode == 0
    assert entry["digest"] in medsynth("bundle", "trust", "--list").stdout.replace("\n", "")
    assert "no longer trusted: toy" in medsynth("bundle", "distrust", foreign).stdout
    assert medsynth("export", foreign, "--format", "torchscript", env=ONE_THREAD).returncode == 2
    assert medsynth("bundle", "trust").returncode == 2


def test_a_foreign_bundle_is_stopped_at_its_time_limit(medsynth, foreign, picture, tmp_path):
    late = medsynth("predict", foreign, picture, "--trust", "--time-limit", 0.01, env=ONE_THREAD)
    assert late.returncode == 1
    assert "was stopped after 0.01 minutes" in late.stderr
    assert not (tmp_path / "predictions.csv").exists()
