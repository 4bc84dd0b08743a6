"""Logging configs: Python evaluates more of their fields with each release; only listed ones with plain values pass."""

import shutil
import subprocess
from pathlib import Path

import pytest

from medsynth.bundle.audit import Verdict

from .samples import files, write


def _verdicts(audit, file):
    return {finding.verdict for finding in audit.objections if finding.file == file}


FIELDS = {
    "defaults": "[formatter_a]\nformat=x\ndefaults=__import__('os').system('touch CANARY')",
    "defaults by interpolation": "[formatter_a]\nformat=x\ndefaults=%(x)s\nx=__import__('os').system('touch CANARY')",
    "defaults of every section": "[DEFAULT]\ndefaults=__import__('os').system('touch CANARY')\n[formatter_a]\nformat=x",
    "a class by interpolation": "[handler_a]\nclass=%(x)s\nx=os.system('touch CANARY')\nargs=()",
    "a formatter's class": "[formatter_a]\nclass=antigravity.Formatter",
    "a template with attributes": "[formatter_a]\nstyle={\nformat={0.__class__}",
    "a level": "[logger_root]\nlevel=__import__('os').system('touch CANARY')\nhandlers=a",
    "a later field": "[logger_root]\nhandlers=a\nfilters=__import__('os').system('touch CANARY')",
    "a continued line": "[handler_a]\nclass=StreamHandler\nargs=(1,\n  __import__('os').system('touch CANARY'))",
    "another name of a stream": "[handler_a]\nclass=StreamHandler\nargs=(sys.stdout if True else 1,)",
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_python_may_evaluate_is_refused_in_a_logging_file(audited, canary, name):
    text = f"[formatters]\nkeys=a\n{FIELDS[name]}\n".replace("CANARY", str(canary)).encode()
    assert Verdict.REFUSED in _verdicts(audited({**files(), "configs/logging.conf": text}), "configs/logging.conf")


def test_a_usual_logging_file_is_allowed_with_all_its_fields(audited):
    text = b"""[loggers]
keys=root,a
[handlers]
keys=h
[formatters]
keys=f
[logger_root]
level=INFO
handlers=h
[logger_a]
level=20
handlers=h
qualname=a.b
propagate=0
[handler_h]
class=StreamHandler
level=WARNING
formatter=f
args=(sys.stderr,)
kwargs={}
[formatter_f]
format=%(asctime)s - %(name)s - %(message)s
datefmt=%Y-%m-%d
class=logging.Formatter
style=%
[tool_of_somebody]
anything=1
"""
    assert audited({**files(), "configs/logging.conf": text}).objections == []


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_later_pythons_evaluate_a_formatters_defaults_and_audit_it_the_same_way(tmp_path, version):
    python = _interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version}")
    bird = tmp_path / "bird"
    text = f"[formatters]\nkeys=a\n[formatter_a]\ndefaults=__import__('pathlib').Path({str(bird)!r}).touch()\n"
    write(tmp_path / "bundle", {**files(), "configs/logging.conf": text.encode()})
    code = "import sys; from pathlib import Path; from medsynth.bundle.audit import audit_bundle; "
    code += "print(audit_bundle(Path(sys.argv[1])).verdict.value)"
    root = Path(__file__).parents[2]
    command = [python, "-c", code, str(tmp_path / "bundle")]
    judged = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(root)})
    assert judged.stdout == "refused\n"
    assert not bird.exists()
    code = "import sys; from logging.config import fileConfig; fileConfig(sys.argv[1])"
    subprocess.run([python, "-c", code, str(tmp_path / "bundle/configs/logging.conf")], capture_output=True)
    assert bird.exists()


def _interpreter(version: str) -> str | None:
    """Return an interpreter that starts, from the path or from those that pyenv keeps."""
    kept = sorted(str(path) for path in Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for python in [shutil.which(f"python{version}"), *kept]:
        if python and subprocess.run([python, "-c", ""], capture_output=True).returncode == 0:
            return python
    return None
