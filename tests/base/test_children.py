"""A child process does what its parent asks, and ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from medsynth.base.children import PARENT, ask_to_stop, environment, python
from tests.leftovers import left_after

SAVING = (
    "import time, sys\n"
    "from medsynth.base.stopping import Stop\n"
    "from medsynth.base.children import end_with_parent\n"
    "sys.platform = sys.argv[1]\n"
    "stop = Stop(); end_with_parent(stop)\n"
    "print('ready', flush=True)\n"
    "while not stop.requested: time.sleep(0.01)\n"
    "time.sleep(0.2); print('saved')"
)
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}


def test_a_child_that_is_asked_to_stop_saves_while_its_parent_lives() -> None:
    with subprocess.Popen(python("-c", SAVING, sys.platform), env=environment(), **PIPES) as child:
        assert child.stdout.readline() == "ready\n"
        ask_to_stop(child)
        ask_to_stop(child)
        assert child.stdout.read() == "saved\n"
        assert child.wait(30) == 0
        ask_to_stop(child)  # too late, and no harm


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("platform", [sys.platform, "darwin"], ids=["by the system", "by the pipe"])
def test_a_child_ends_with_a_parent_that_was_killed(platform, tmp_path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "from medsynth.base.children import environment, python\n"
        "child = subprocess.Popen(python('-c', *sys.argv[1:]), env=environment(), stdin=subprocess.PIPE)\n"
        "time.sleep(100)"
    )
    command = [sys.executable, "-c", code, SAVING, platform, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "ready\n"
        parent.kill()
    assert left_after(2, tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal")
def test_a_child_whose_parent_was_gone_before_it_could_ask_for_the_signal_ends_at_once() -> None:
    variables = environment() | {PARENT: "1"}
    with subprocess.Popen(python("-c", SAVING, "linux"), env=variables, **PIPES) as child:
        assert child.stdout.read() == ""
        assert child.wait(30) == -signal.SIGKILL


def test_the_working_folder_is_on_no_childs_path_nor_on_that_of_its_own_children(tmp_path) -> None:
    (tmp_path / "queue.py").write_text("print('imported')")
    code = "import queue, subprocess, sys; subprocess.run([sys.executable, '-c', 'import queue'])"
    variables = environment({name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, MORE="1")
    done = subprocess.run(python("-c", code), env=variables, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert (variables["MORE"], variables["PYTHONSAFEPATH"]) == ("1", "1")
