"""Progress in a notebook, and tables."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from medsynth.door.frame import Frame, html_pictures
from medsynth.door.watching import Notebook, watch_if


@pytest.fixture
def cell(monkeypatch) -> list[str]:
    """What a notebook's cell shows: a stand-in for the part of IPython that is used."""
    shown: list[str] = []

    class Handle:
        def __init__(self, place: int) -> None:
            self.place = place

        def update(self, content: str) -> None:
            shown[self.place] = content

    def display(content: str, display_id: bool = False) -> Handle | None:
        shown.append(content)
        return Handle(len(shown) - 1) if display_id else None

    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display, HTML=str))
    return shown


def test_a_notebook_shows_one_bar_a_task_that_ends_full_and_escapes_text(cell):
    watch = Notebook()
    watch.say("<data>")
    with watch.task("train", 3) as task:
        for done in (1, 2, 3):
            task.advance(done, {"loss": 0.25})
    assert len(cell) == 2
    assert "&lt;data&gt;" in cell[0]
    assert 'value="3" max="3"' in cell[1]
    assert "loss 0.250" in cell[1]


def test_a_notebook_is_recognized_and_silence_is_kept(cell, monkeypatch):
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert isinstance(watch_if(True), Notebook)
    watch_if(False).say("nothing")
    assert cell == []


def test_a_frame_prints_as_a_table_and_escapes_in_html():
    frame = Frame([{"name": "<b>", "value": 0.123456}, {"name": "x", "value": None}])
    assert repr(frame).splitlines() == ["name  value", "<b>   0.1235", "x"]
    assert "&lt;b&gt;" in frame._repr_html_()
    assert repr(Frame()) == ""
    assert html_pictures({}) == ""
