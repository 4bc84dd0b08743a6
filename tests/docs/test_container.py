"""The Dockerfile can do what its page says, as far as that shows without a container runtime."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.docs.commands import ROOT, shown_commands

FOLDER = ROOT / "docs/deployment"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PAGE = (ROOT / "docs/container.md").read_text(encoding="utf-8")


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile, each with its arguments on one line."""
    lines = [line for line in (FOLDER / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines()) if word]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, rest))
    return found


def environment(stage: list[tuple[str, str]]) -> dict[str, str]:
    pairs = " ".join(rest for word, rest in stage if word == "ENV")
    return dict(re.findall(r"(\w+)=(\S+)", pairs))


def copied() -> list[tuple[str, str]]:
    """Return what is copied from the repository, and where to."""
    found = []
    for word, rest in instructions():
        if word == "COPY" and not rest.startswith("--from"):
            *sources, target = rest.split()
            found += [(source, target) for source in sources]
    return found


def ignored(path: str) -> bool:
    """Tell whether a file is kept from the build; the last pattern that fits it or a folder of it decides."""
    decision = False
    for line in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines():
        pattern = line.strip().removeprefix("!")
        places = [path, *(parent.as_posix() for parent in Path(path).parents)]
        if line and not line.startswith("#") and any(fnmatch(place, pattern) for place in places):
            decision = not line.startswith("!")
    return decision


def test_what_is_copied_is_there_and_reaches_the_build_and_nothing_else_does():
    sources = [source for source, _ in copied()]
    assert len(sources) == len(set(sources)) == 7
    for source in sources:
        assert (ROOT / source).exists(), source
        assert not ignored(source), source
    assert not ignored("medsynth/base/version.py")
    for path in (".git/config", "runs/a/run.json", "docs/index.md", "tests/conftest.py", "medsynth/__pycache__/a.pyc"):
        assert ignored(path), path


def test_medsynth_is_built_from_what_is_copied_alone(tmp_path):
    for source, target in copied():
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, tmp_path / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / source, tmp_path / target / Path(source).name)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "out"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = (tmp_path / "out").iterdir()
    names = zipfile.ZipFile(wheel).namelist()
    for file in ("medsynth/__main__.py", "medsynth/plan/presets/quick.toml", "medsynth_lsnet/network.py"):
        assert file in names


def test_requirements_are_those_of_the_project_and_its_extras():
    required = runpy.run_path(str(FOLDER / "requirements.py"))["required"]
    default = dict(rest.partition("=")[::2] for word, rest in instructions() if word == "ARG")["EXTRAS"]
    extras = [line for name in default.split(",") for line in PROJECT["optional-dependencies"][name]]
    assert required(ROOT / "pyproject.toml", default) == PROJECT["dependencies"] + extras
    assert required(ROOT / "pyproject.toml", "") == PROJECT["dependencies"]


def test_the_command_runs_as_a_user_that_is_not_root():
    last = stages()[-1]
    (user,) = [rest for word, rest in last if word == "USER"]
    assert all(int(number) > 999 for number in user.split(":"))
    (entry,) = [json.loads(rest) for word, rest in last if word == "ENTRYPOINT"]
    assert (entry, "medsynth" in PROJECT["scripts"]) == (["medsynth"], True)
    assert [word for word, _ in last if word == "RUN"] == []  # nothing is added after the copy


def test_nothing_is_looked_for_outside_and_caches_go_where_a_read_only_image_can_be_written():
    variables = environment(stages()[-1])
    assert (variables["HF_HUB_OFFLINE"], variables["WANDB_MODE"]) == ("1", "offline")
    folders = {name: value for name, value in variables.items() if name.endswith(("HOME", "DIR"))}
    assert {"HOME", "MEDSYNTH_HOME", "MPLCONFIGDIR", "TORCH_HOME", "XDG_CACHE_HOME"} <= set(folders)
    assert all(Path(value).parts[:2] == ("/", "tmp") for value in folders.values())
    run = next(line for line in PAGE.splitlines() if "docker run" in line)
    assert "--network none --read-only --tmpfs /tmp" in run


def test_every_installation_keeps_to_the_constraints_and_torch_comes_from_its_own_index():
    installed = [rest for word, rest in instructions() if word == "RUN" and "pip install" in rest]
    assert len(installed) == 3
    assert all("constraints.txt" in text for text in installed)
    assert [("TORCH_INDEX" in text, "--no-deps" in text) for text in installed] == [
        (True, True),
        (False, False),
        (False, True),
    ]


@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no sh")
def test_its_shell_commands_can_be_parsed():
    commands = [rest for word, rest in instructions() if word == "RUN"]
    assert len(commands) == 4
    for command in commands:
        done = subprocess.run(["sh", "-n", "-c", command], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), command


def test_the_page_names_its_arguments_with_their_defaults():
    arguments = dict(rest.partition("=")[::2] for word, rest in instructions() if word == "ARG")
    assert set(re.findall(r"--build-arg (\w+)=", PAGE)) <= set(arguments)
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", PAGE, re.MULTILINE)) == set(arguments)
    assert arguments["PACKAGE_INDEX"] == ""
    for name in ("BASE", "EXTRAS"):
        assert f"| `{name}` | `{arguments[name]}` |" in PAGE
    shown = [command for command in shown_commands() if command.words[0] == "docker"]
    assert [command.words[1] for command in shown] == ["build", "build", "run", "run"]
    for command in shown[:2]:
        assert (ROOT / command.words[command.words.index("-f") + 1]).is_file()
