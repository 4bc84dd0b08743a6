"""The medsynth command in a child process with limits behaves as it would alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medsynth import __version__
from medsynth.base.errors import RunError
from medsynth.cli.common.foreign import ENTRY
from medsynth.confinement import running as confinement
from medsynth.confinement.confined import is_confined
from medsynth.confinement.limits import LIMITS, held
from medsynth.confinement.surroundings import HOME

LIMITED = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are enforced on Linux only")
MEMORY = 1 << 33


def test_output_and_exit_code_are_those_of_the_command(capfd):
    assert confinement.run_confined(ENTRY, ["--version"], seconds=60, memory=MEMORY) == 0
    assert capfd.readouterr().out == f"medsynth {__version__}\n"
    assert confinement.run_confined(ENTRY, ["no-such-command"], seconds=60, memory=MEMORY) == 2


def test_this_process_is_not_confined_itself():
    confinement.run_confined(ENTRY, ["--version"], seconds=60, memory=MEMORY)
    assert not is_confined()


def replace_command(monkeypatch, tmp_path, body: str) -> None:
    """Make `body` the medsynth command of processes that are started from now on."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    (tmp_path / "sitecustomize.py").write_text(f"import medsynth.cli\ndef main():\n{lines}\nmedsynth.cli.main = main\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@LIMITED
def test_a_child_gets_no_more_memory_than_allowed(monkeypatch, tmp_path, capfd):
    body = "try:\n    bytearray(1 << 30)\nexcept MemoryError:\n    print('refused')\nelse:\n    print('given')"
    replace_command(monkeypatch, tmp_path, body)
    confinement.run_confined(ENTRY, [], seconds=60, memory=1 << 29)
    confinement.run_confined(ENTRY, [], seconds=60, memory=1 << 31)
    assert capfd.readouterr().out.split() == ["refused", "given"]


STUBBORN = (
    "import os, signal, time\n"
    "for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)\n"
    "print(os.getpid(), flush=True)\n"
    "time.sleep(100)"
)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_child_that_ignores_being_stopped_is_ended(monkeypatch, tmp_path, capfd):
    replace_command(monkeypatch, tmp_path, STUBBORN)
    monkeypatch.setattr(confinement, "_GRACE", 0.2)
    with pytest.raises(RunError, match=r"was stopped after 0\.05 minutes"):
        confinement.run_confined(ENTRY, [], seconds=3, memory=MEMORY)
    assert has_ended(int(capfd.readouterr().out))


def parent(**more: object) -> list[str]:
    """Return the command of a process that runs the replaced medsynth command confined, as without nohup."""
    keywords = "".join(f", {name}={value!r}" for name, value in more.items())
    code = "import signal, sys; from medsynth.cli.common.foreign import ENTRY; "
    code += "signal.signal(signal.SIGHUP, signal.SIG_DFL) if hasattr(signal, 'SIGHUP') else None; "
    code += "from medsynth.confinement import running as confinement; confinement._GRACE = 0.2;"
    return [sys.executable, "-c", f"{code} sys.exit(confinement.run_confined(ENTRY, [], memory={MEMORY}{keywords}))"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGHUP, 129)])
def test_a_child_that_ignores_everything_does_not_outlive_its_parent(monkeypatch, tmp_path, number, code):
    replace_command(monkeypatch, tmp_path, STUBBORN)
    with subprocess.Popen(parent(seconds=60), stdout=subprocess.PIPE, text=True) as process:
        child = int(process.stdout.readline())
        process.send_signal(number)
        assert process.wait(30) == code
        assert has_ended(child)


FACTS = """
import json, os, pathlib, socket, threading
from medsynth.base.files import write_text
def tried(attempt):
    try:
        return attempt() and None
    except OSError as error:
        return type(error).__name__
here = pathlib.Path.cwd()
thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
write_text(pathlib.Path("table.csv"), "new")
write_text(here / "made/deep/a.txt", "in a folder")
home = pathlib.Path.home()
(home / "notes").write_text("x")
print(json.dumps({
    "environment": sorted(os.environ),
    "home": str(home),
    "beside the table": tried(lambda: (here / "other.csv").write_text("")),
    "the table itself": tried(lambda: (here / "table.csv").write_text("")),
    "real home": tried(lambda: (pathlib.Path(HOME) / ".profile").write_text("")),
    "rights": tried(lambda: (here / "table.csv").chmod(0o777)),
    "inet": tried(socket.socket),
    "unix": tried(lambda: socket.socket(socket.AF_UNIX)),
    "program": tried(lambda: os.posix_spawn("/bin/true", ["true"], {})),
    "copy": tried(os.fork),
}))
"""
DENIED = ("beside the table", "the table itself", "real home", "rights", "inet", "unix", "program", "copy")


@pytest.fixture
def facts(monkeypatch, tmp_path, capfd):
    """What a confined child could do, and the folder that it worked in."""
    home, work = tmp_path / "user", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    (work / "table.csv").write_text("old")
    replace_command(monkeypatch, tmp_path, FACTS.replace("HOME", repr(str(home))))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("MEDSYNTH_KEY_PASSWORD", "hunter2")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.chdir(work)
    folders, tables = [Path("made/deep"), Path("unused/deep")], [Path("table.csv")]
    assert confinement.run_confined(ENTRY, [], seconds=60, memory=MEMORY, folders=folders, tables=tables) == 0
    return json.loads(capfd.readouterr().out), work


@pytest.mark.skipif(sys.platform != "linux" or not all(held().values()), reason="this system has no such limits")
def test_a_child_reaches_nothing_but_its_output(facts):
    found, work = facts
    assert [name for name in DENIED if found[name] != "PermissionError"] == []
    assert (work / "table.csv").read_text() == "new"
    assert (work / "made/deep/a.txt").read_text() == "in a folder"
    assert sorted(path.name for path in work.iterdir()) == ["made", "table.csv"]


def test_a_child_knows_no_secrets_and_has_a_home_for_the_time_it_lives(facts):
    found, _ = facts
    assert not {"MEDSYNTH_KEY_PASSWORD", "AWS_SECRET_ACCESS_KEY"} & set(found["environment"])
    assert {"PATH", "PYTHONSAFEPATH", "MEDSYNTH_HOME"} <= set(found["environment"])
    assert Path(found["home"]).name.startswith(HOME)
    assert not Path(found["home"]).exists()


def test_a_link_in_place_of_a_table_is_not_taken_over(monkeypatch, tmp_path):
    (tmp_path / "secret").write_text("mine")
    body = "from medsynth.base import files\n[place] = files._instead.values()\n"
    body += f"place.symlink_to({str(tmp_path / 'secret')!r})"
    replace_command(monkeypatch, tmp_path, body)
    assert confinement.run_confined(ENTRY, [], seconds=60, memory=MEMORY, tables=[tmp_path / "table.csv"]) == 0
    assert not (tmp_path / "table.csv").exists()
    assert not list(tmp_path.glob(".medsynth-*"))


def test_limits_that_the_system_does_not_offer_are_said_not_to_hold(monkeypatch, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import medsynth.confinement.restrictions as r, resource\n"
        "r.restrict = lambda _: None\nresource.setrlimit = lambda *_: None"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = held()
    assert {name for name in found if not found[name]} == {"network", "programs", "writing", "memory"}
    assert list(found) == list(LIMITS)


def has_ended(pid: int) -> bool:
    for _ in range(40):  # two seconds
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if b") Z " in Path(f"/proc/{pid}/stat").read_bytes():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_child_which_may_save_and_choose_the_exit_code(monkeypatch, tmp_path, number):
    body = (
        "import signal, sys, time\n"
        f"signal.signal({int(number)}, lambda *_: (print('saved'), sys.exit(7)))\n"
        "print('ready', flush=True)\n"
        "time.sleep(100)"
    )
    replace_command(monkeypatch, tmp_path, body)
    with subprocess.Popen(parent(seconds=60), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.read() == "saved\n"
    assert process.returncode == 7
