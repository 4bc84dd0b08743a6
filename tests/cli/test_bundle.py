"""``medsynth bundle`` as a person meets it: what it prints, and its exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from medsynth.bundle.format.manifest import digest_of, list_files
from medsynth.cli import app
from medsynth.cli.common.shared import output
from medsynth.confinement.limits import held

ONE_THREAD = {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def made(make_bundle) -> Path:
    return make_bundle(samples=2)


@pytest.fixture
def bundle(made, tmp_path, monkeypatch) -> Path:
    """The copy of a bundle at a user's who has not met it yet, in the folder that a run would have."""
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(output, "_width", 400)  # so that no row is wrapped
    return Path(shutil.copytree(made, tmp_path / "run/bundle"))


def call(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["bundle", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_verify_names_the_hash_of_an_intact_bundle_and_the_changed_file_of_another(bundle):
    code, text, _ = call("verify", bundle)
    assert (code, f"sha256 {digest_of(bundle)}" in text) == (0, True)
    assert "a foreign bundle is confined here: ends with its parent, no secrets in its environment" in text
    weights = bundle / "models/translator.pt"
    content = bytearray(weights.read_bytes())
    content[1000] ^= 1
    weights.write_bytes(content)
    assert call("verify", bundle)[:2] == (1, "models/translator.pt: changed\n")
    found = json.loads(call("verify", bundle, "--json")[1])
    assert (found["intact"], found["reproduction"]) == (False, None)
    assert found["deviations"] == [{"file": "models/translator.pt", "problem": "changed", "detail": ""}]


def test_verify_finds_a_fitting_manifest_that_is_not_the_published_one(bundle):
    published = digest_of(bundle)
    assert call("verify", bundle, "--sha256", published.upper())[0] == 0
    (bundle / "LICENSE").write_text("mine now")
    list_files(bundle, ["LICENSE"])
    assert call("verify", bundle)[0] == 0
    code, text, _ = call("verify", bundle, "--sha256", published)
    assert (code, text) == (1, f"medsynth.json: changed (its sha256 is {digest_of(bundle)})\n")


def test_trust_is_given_only_after_the_hash_was_confirmed(bundle):
    assert call("verify", bundle, "--sha256", "0" * 64, "--trust")[0] == 1
    assert "trusted by: nobody here" in call("show", bundle)[1]
    assert call("verify", bundle, "--sha256", digest_of(bundle), "--trust")[0] == 0
    assert "trusted by: user" in call("show", bundle)[1]


def test_verify_warns_about_other_versions_with_the_line_that_installs_them(bundle):
    path = bundle / "configs/metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"monai_version": "0.9.1"}))
    list_files(bundle, ["configs/metadata.json"])
    code, _, told = call("verify", bundle)
    assert code == 0
    assert "made with other versions: monai 0.9.1 (here " in told
    assert told.endswith('Install them with: pip install "monai==0.9.1"\n')


def test_verify_reproduces_what_is_trusted_and_nothing_else(medsynth, bundle):
    refused = medsynth("bundle", "verify", bundle, "--reproduce", env=ONE_THREAD)
    assert refused.returncode == 2
    assert "is not trusted here" in refused.stderr
    done = medsynth("bundle", "verify", bundle, "--reproduce", "--trust", env=ONE_THREAD)
    assert done.returncode == 0, done.stderr
    assert "\nreproduced: 2 probabilities within" in done.stdout
    assert "2 translations within 0 grey levels (allowed 1)" in done.stdout


def test_verify_says_by_how_much_an_output_is_off(medsynth, bundle):
    path = bundle / "samples/expected.json"
    expected = json.loads(path.read_text())
    expected["probabilities"]["target-01.png"] += 0.25
    path.write_text(json.dumps(expected))
    list_files(bundle, ["samples/expected.json"])
    done = medsynth("bundle", "verify", bundle, "--reproduce", "--trust", "--json", env=ONE_THREAD)
    assert done.returncode == 1
    assert json.loads(done.stdout)["confinement"] == held()
    found = json.loads(done.stdout)["reproduction"]
    assert (found["succeeded"], round(found["difference"], 4)) == (False, 0.25)


def test_a_zip_is_verified_but_must_be_unpacked_to_be_trusted_on_its_own(bundle, tmp_path):
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", bundle)
    assert call("verify", packed)[0] == 0
    code, _, told = call("trust", packed)
    assert (code, "Unpack it first." in told) == (2, True)


def test_a_run_stands_for_its_bundle(bundle):
    run = bundle.parent
    assert call("verify", run)[0] == 0
    assert call("diff", run, bundle)[:2] == (0, "no difference\n")
    assert digest_of(bundle) in call("trust", run)[1].replace("\n", "")
    assert "trusted by: user" in call("show", run)[1]
    assert call("distrust", run)[0] == 0
    assert "trusted by: nobody here" in call("show", run)[1]


def test_list_show_and_index_agree(bundle, tmp_path):
    path = bundle / "configs/metadata.json"
    figures = {"synthetic/diagnostic/roc_auc": {"value": 0.9, "low": 0.8, "high": 0.95}}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"eval_metrics": figures}))
    list_files(bundle, ["configs/metadata.json"])
    code, text, _ = call("list", tmp_path)
    assert code == 0
    for part in ("run/bundle", "toy 0.1.0", "source", "0.9 (0.8 to 0.95)", digest_of(bundle)[:12]):
        assert part in text
    assert call("index", tmp_path)[1].startswith("1 bundles\n")
    assert call("list", tmp_path / "index.json")[1] == text
    shown = json.loads(call("show", bundle, "--json")[1])
    assert shown["figures"] == figures
    listed = json.loads(call("show", tmp_path / "index.json", "run/bundle", "--json")[1])
    assert listed.pop("path") == "run/bundle"
    assert listed == shown


def test_diff_shows_figures_and_shortened_hashes(bundle, tmp_path):
    other = Path(shutil.copytree(bundle, tmp_path / "other"))
    (other / "LICENSE").write_text("mine now")
    code, text, _ = call("diff", bundle, other)
    rows = [line.split() for line in text.splitlines()[1:]]
    assert code == 0
    assert [(row[0], row[1], len(row[2]), len(row[3])) for row in rows] == [("file", "LICENSE", 12, 12)]


@pytest.mark.parametrize("command", ["verify", "show", "list", "index", "trust", "distrust"])
def test_what_is_no_bundle_is_refused_by_every_command(command, tmp_path):
    assert call(command, tmp_path / "absent")[0] == 2
