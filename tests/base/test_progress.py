"""What a terminal of a given width shows, asserted as text; time left that does not jump."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest
from rich.console import Console

from medsynth.base.progress import Lines, Terminal, TimeLeft, duration

VALUES = {"adversarial_ab": 0.51234, "cycle_a": 0.1, "identity_a": 0.25}


class Clock:
    """Time that passes when it is told to."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def silent_console(width: int) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None, _environ={})


def picture(width: int) -> list[str]:
    """Return the lines that a terminal shows in the middle of a training beside another that has just begun."""
    now, paper = Clock(), Console(file=io.StringIO(), width=width, color_system=None, _environ={})
    terminal = Terminal(silent_console(width), now)
    with (
        terminal.stage("[2/7] generator"),
        terminal.task("generator: train", 1600) as task,
        terminal.task("real-only: pretrain", 240, 100) as other,
    ):
        for done in range(1, 801):
            now.seconds += 0.25
            task.advance(done, VALUES)
        other.advance(120)
        with paper.capture() as shown:
            paper.print(*terminal._bars.get_renderables(), sep="")
    return [line.rstrip() for line in shown.get().splitlines() if line.strip()]


PICTURES = {
    40: [
        "[2/7] generator",
        "━━━━      800/1600  3:20 left  generato…",
        "━━━━       120/240             real-onl…",
    ],
    80: [
        "[2/7] generator",
        "━━━━━━━━          800/1600  3:20 left  generator: train     adversarial_ab 0.512",
        "━━━━━━━━           120/240             real-only: pretrain",
    ],
    120: [
        "[2/7] generator",
        "━━━━━━━━━━━━              800/1600  3:20 left  generator: train     adversarial_ab 0.512  cycle_a 0.100",
        "━━━━━━━━━━━━               120/240             real-only: pretrain",
    ],
}


@pytest.mark.parametrize("width", PICTURES)
def test_bar_count_and_time_left_come_first_and_losses_where_there_is_room(width):
    assert picture(width) == PICTURES[width]


WORK = """
from rich.console import Console
from medsynth.base.progress import watch
shown = watch(Console(stderr=True))
for name in ("[1/2] data", "[2/2] generator"):
    with shown.stage(name), shown.task("a name that is much longer than a narrow terminal is wide", 9) as task:
        for done in range(10):
            task.advance(done, {"loss": 0.5})
"""


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_terminal_keeps_one_line_a_stage_with_its_time(width):
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    size = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    done = subprocess.Popen(
        [sys.executable, "-c", WORK], stderr=follower, stdout=follower, stdin=follower, env={**size, "TERM": "xterm"}
    )
    os.close(follower)
    received = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        received += part
    os.close(leader)
    assert done.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", received.decode())
    drawn = [line for row in text.splitlines() for line in row.split("\r") if line.strip()]
    assert max(len(line) for line in drawn) <= width
    kept = [line.strip() for line in drawn if re.search(r"\d s$", line.strip())]
    assert [re.sub(r"\d+\.\d s$", "0.0 s", line) for line in kept] == ["[1/2] data  0.0 s", "[2/2] generator  0.0 s"]


def test_nothing_is_said_of_the_time_left_before_it_is_known():
    now = Clock()
    left = TimeLeft(100, now=now)
    assert left.seconds() is None
    now.seconds = 40.0  # setting up, which says nothing about the pace
    for done in (1, 2, 3):
        left.advance(done)
        assert left.seconds() is None
        now.seconds += 1.0
    left.advance(4)
    assert left.seconds() == pytest.approx(96.0)
    now.seconds += 0.5
    assert left.seconds() == pytest.approx(95.5)
    left.advance(100)
    assert left.seconds() == 0.0


def test_the_time_left_does_not_jump_when_one_step_is_slow_and_follows_when_all_become_slow():
    now = Clock()
    left = TimeLeft(1000, now=now)
    for done in range(1, 201):
        now.seconds += 0.5
        left.advance(done)
    known = left.seconds()
    assert known == pytest.approx(400.0)
    now.seconds += 2.0  # four times as long
    left.advance(201)
    assert left.seconds() < 1.1 * known
    for done in range(202, 301):
        now.seconds += 2.0
        left.advance(done)
    assert left.seconds() == pytest.approx(2.0 * 700, rel=0.05)


def test_a_resumed_task_counts_from_where_it_was():
    now = Clock()
    left = TimeLeft(100, 90, now)
    for done in range(91, 96):
        now.seconds += 1.0
        left.advance(done)
    assert left.seconds() == pytest.approx(5.0)


def test_a_log_gets_lines_without_a_guess_and_each_stage_with_its_time():
    now, console = Clock(), Console(file=io.StringIO(), width=40)
    lines = Lines(console, interval=10.0, now=now)
    with lines.stage("[1/7] data"), lines.task("reading", 4) as task:
        for done in (1, 2, 3, 4):
            now.seconds += 20.0
            task.advance(done)
    shown = console.file.getvalue().splitlines()
    assert shown == [
        "[1/7] data",
        "reading: 1/4 (25%), 0:20 elapsed",
        "reading: 2/4 (50%), 0:40 elapsed",
        "reading: 3/4 (75%), 1:00 elapsed",
        "reading: 4/4 (100%), 1:20 elapsed",
        "[1/7] data: 1 min 20 s",
    ]


def test_durations_are_said_as_people_say_them():
    assert [duration(seconds) for seconds in (4.0, 59.96, 200, 7260)] == [
        "4.0 s",
        "1 min 0 s",
        "3 min 20 s",
        "2 h 1 min",
    ]
