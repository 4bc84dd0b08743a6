"""The medsynth command in a child process with limits behaves as it would alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medsynth import __version__, confinement
from medsynth.errors import RunError

LIMITED = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are enforced on Linux only")
MEMORY = 1 << 33


def test_output_and_exit_code_are_those_of_the_command(capfd):
    assert confinement.run_confined(["--version"], seconds=60, memory=MEMORY) == 0
    assert capfd.readouterr().out == f"medsynth {__version__}\n"
    assert confinement.run_confined(["no-such-command"], seconds=60, memory=MEMORY) == 2


def test_this_process_is_not_confined_itself():
    confinement.run_confined(["--version"], seconds=60, memory=MEMORY)
    assert not confinement.is_confined()


def replace_command(monkeypatch, tmp_path, body: str) -> None:
    """Make `body` the medsynth command of processes that are started from now on."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    (tmp_path / "sitecustomize.py").write_text(f"import medsynth.cli\ndef main():\n{lines}\nmedsynth.cli.main = main\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@LIMITED
def test_a_child_gets_no_more_memory_than_allowed(monkeypatch, tmp_path, capfd):
    body = "try:\n    bytearray(1 << 30)\nexcept MemoryError:\n    print('refused')\nelse:\n    print('given')"
    replace_command(monkeypatch, tmp_path, body)
    confinement.run_confined([], seconds=60, memory=1 << 29)
    confinement.run_confined([], seconds=60, memory=1 << 31)
    assert capfd.readouterr().out.split() == ["refused", "given"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_child_that_ignores_being_stopped_is_ended_with_its_own_children(monkeypatch, tmp_path):
    body = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '100'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n"
        "time.sleep(100)"
    )
    replace_command(monkeypatch, tmp_path, body)
    monkeypatch.setattr(confinement, "_GRACE", 0.2)
    with pytest.raises(RunError, match=r"was stopped after 0\.05 minutes"):
        confinement.run_confined([], seconds=3, memory=MEMORY)
    assert has_ended(int((tmp_path / "pid").read_text()))


def has_ended(pid: int) -> bool:
    for _ in range(100):
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
    parent = (
        "import sys; from medsynth.confinement import run_confined;"
        f"sys.exit(run_confined([], seconds=60, memory={MEMORY}))"
    )
    command = [sys.executable, "-c", parent]
    replace_command(monkeypatch, tmp_path, body)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.read() == "saved\n"
    assert process.returncode == 7
