"""The audit as a whole: verdicts, places, exit codes, and what it does not do."""

import json
import subprocess
import sys

import pytest

from medsynth.base.errors import InputError
from medsynth.bundle.audit import Verdict, audit_bundle

from .samples import files, write, zipped


def test_a_bundle_of_monais_components_without_code_is_allowed(tmp_path):
    audit = audit_bundle(write(tmp_path, files()))
    assert audit.objections == []
    assert audit.verdict is Verdict.ALLOWED
    assert audit.counts["target"] == 7


def test_the_zip_of_a_bundle_has_the_same_verdict_and_findings_as_its_folder(tmp_path):
    folder = audit_bundle(write(tmp_path / "bundle", files(a={"_target_": "os.system"})))
    archive = audit_bundle(zipped(tmp_path / "bundle.zip", files(a={"_target_": "os.system"})))
    assert folder.verdict is archive.verdict is Verdict.REFUSED
    assert {finding.what for finding in folder.objections} == {finding.what for finding in archive.objections}


def test_what_is_no_bundle_is_wrong_use(tmp_path, medsynth):
    with pytest.raises(InputError, match="neither a folder nor a readable zip"):
        audit_bundle(tmp_path / "missing")
    result = medsynth("bundle", "audit", "missing")
    assert result.returncode == 2
    assert "Give the bundle's folder or zip" in result.stderr


@pytest.mark.parametrize(
    ("entry", "code"), [({}, 0), ({"a": {"_target_": "scripts.Net"}}, 3), ({"a": {"_target_": "os.system"}}, 4)]
)
def test_the_exit_code_tells_the_verdict(tmp_path, medsynth, entry, code):
    write(tmp_path / "bundle", files(**entry))
    result = medsynth("bundle", "audit", "bundle", "--json")
    assert result.returncode == code
    assert json.loads(result.stdout)["verdict"] == {0: "allowed", 3: "needs trust", 4: "refused"}[code]


def test_each_finding_names_its_file_its_key_and_its_reason(tmp_path, medsynth):
    write(tmp_path / "bundle", files(handlers=[{"_target_": "os.system"}]))
    lines = medsynth("bundle", "audit", "bundle").stdout.splitlines()
    assert lines[0].startswith("refused: configs/inference.json, handlers::0: target os.system: 'system' runs programs")
    assert lines[-1] == "verdict: refused"


def test_auditing_imports_neither_torch_nor_monai(tmp_path):
    write(tmp_path, files())
    code = "import sys; from pathlib import Path; from medsynth.bundle.audit import audit_bundle; "
    code += "audit_bundle(Path(sys.argv[1])); print({'torch', 'monai', 'numpy', 'ignite'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"
