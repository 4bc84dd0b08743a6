"""Two readers at work in a browser: keys, a break, the file that they save, and the scores of what it says."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from medsynth_readers import ReadersConfig
from medsynth_readers.model import Readers
from scipy.stats import norm

from medsynth.api import Evidence, ImageSet
from medsynth.readers import REAL_OR_SYNTHETIC, draw_study, images_of_run, make_reading, merge_answers
from medsynth.readers.shown_images import TRANSLATED, choose_images
from tests import browser as browsers

pytestmark = pytest.mark.skipif(browsers.executable() is None, reason="no Chromium is installed")
CHOICES = {"R01": 5, "R02": 3}
"""Every so many images a reader is wrong."""


class Desk:
    """One reading: its page, study and images."""

    def __init__(self, finished: Path, folder: Path) -> None:
        everything = images_of_run(finished, REAL_OR_SYNTHETIC)
        self.images = choose_images(everything, 0, equal=True, seed=1)
        self.study = draw_study(
            self.images, task=REAL_OR_SYNTHETIC, readers=2, repeats=0.1, seed=1, groups=["junior", "senior"]
        )
        self.page, self.folder = folder / "reading.html", folder
        self.key = make_reading(self.study, self.images, self.page, positive="invasion")
        self.truth = {image.name: image.truth for image in self.images}


@pytest.fixture(scope="module")
def desk(finished, tmp_path_factory) -> Desk:
    return Desk(finished, tmp_path_factory.mktemp("desk"))


@pytest.fixture
def tab(desk, tmp_path) -> Iterator[browsers.Browser]:
    with browsers.browser(tmp_path / "profile") as opened:
        opened.open(desk.page)
        yield opened


def press(tab: browsers.Browser, *keys: str) -> None:
    for key in keys:
        for kind in ("keyDown", "keyUp"):
            code = 13 if key == "Enter" else ord(key.upper())
            text = {"text": "\r" if key == "Enter" else key} if kind == "keyDown" else {}
            tab.command("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text)


def sit_down(tab: browsers.Browser, reader: str, group: str) -> None:
    tab.evaluate(f"element('reader').value = '{reader}'; element('group').value = '{group}'; true")
    tab.evaluate("document.querySelector('#choose button').click()")


def decide(desk: Desk, reader: str, position: int) -> tuple[int, int]:
    """Return a reader's decision on the image at a position, and how sure that is."""
    truth = desk.truth[desk.study.names[desk.study.orders[reader][position]]]
    wrong = position % CHOICES[reader] == 0
    return truth ^ wrong, 1 + position % 5


def read(tab: browsers.Browser, desk: Desk, reader: str, positions: range) -> None:
    for position in positions:
        assert tab.evaluate("element('progress').textContent") == f"Image {position + 1} of 22"
        decision, sure = decide(desk, reader, position)
        press(tab, "fj"[decision], str(sure), "Enter")


def save(tab: browsers.Browser, folder: Path, name: str) -> Path:
    tab.command("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    tab.evaluate("[...document.querySelectorAll('.save')].find(button => button.offsetParent).click()")
    begun = tab.wait("Page.downloadWillBegin", suggestedFilename=name)
    tab.wait("Page.downloadProgress", guid=begun["guid"], state="completed")
    return folder / name


@pytest.fixture(scope="module")
def saved(desk, tmp_path_factory) -> list[Path]:
    """Let R01 read a part, close the browser, read the rest; then R02 read all at the same browser."""
    folder = tmp_path_factory.mktemp("answers")
    with browsers.browser(folder / "profile") as tab:
        tab.open(desk.page)
        sit_down(tab, "R01", "senior")
        read(tab, desk, "R01", range(8))
        tab.command("Browser.close")
    files = []
    with browsers.browser(folder / "profile") as tab:
        tab.open(desk.page)
        assert tab.evaluate("element('reader').options[0].textContent") == "R01: 8 of 22 read"
        for reader, positions, group in (("R01", range(8, 22), "junior"), ("R02", range(22), "junior")):
            sit_down(tab, reader, group)
            read(tab, desk, reader, positions)
            assert tab.evaluate("element('done-text').textContent") == f"{reader} has read all 22 images."
            files.append(save(tab, folder, f"{desk.study.name}-{reader}.csv"))
            tab.evaluate("document.querySelector('#done .leave').click()")
        assert tab.complaints() == []
        assert {re.sub(":.*", "", address) for address in tab.requested()} <= {"file", "blob"}
    return files


def evidence(finished: Path, desk: Desk) -> Evidence:
    """Return the run's images as its evaluation has them."""

    def image_set(name: str, prefix: str) -> ImageSet:
        with (finished / name / "manifest.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        kept = [number for number, row in enumerate(rows) if row["split"] == "test"]
        pixels = np.load(next((finished / name).glob("pixels*.npy")))[kept]
        rows = [rows[number] for number in kept]
        return ImageSet(
            images=pixels,
            labels=np.zeros(len(kept), int),
            patients=np.array([prefix + row["patient"] for row in rows], dtype=object),
            names=np.array([row["image"] for row in rows], dtype=object),
        )

    synthetic, real = image_set(TRANSLATED, "s"), image_set("data", "r")
    return Evidence(
        real=real, source=synthetic, synthetic=synthetic, truth=None, training=real, predictions={"synthetic": None},
        networks={}, extractor=lambda name: pytest.fail("not needed"), seed=3,
    )  # fmt: skip


def test_what_two_readers_saved_gives_the_scores_that_counting_gives(saved, desk, finished, tmp_path):
    out = tmp_path / "readers.csv"
    merged = merge_answers(saved, [desk.key], out)
    assert merged.progress == {"R01": (22, 22), "R02": (22, 22)}
    found = {
        (score.subject, score.name): score
        for score in Readers(ReadersConfig(path=str(out), resamples=200)).scores(evidence(finished, desk))
    }
    for reader, group in (("R01", "senior"), ("R02", "junior")):
        names = [desk.study.names[image] for image in desk.study.orders[reader]]
        said: dict[str, list[int]] = {}
        for position, name in enumerate(names):
            said.setdefault(name, []).append(decide(desk, reader, position)[0])
        first = {name: decisions[0] for name, decisions in said.items()}
        hits = sum(first[name] for name, truth in desk.truth.items() if truth)
        alarms = sum(first[name] for name, truth in desk.truth.items() if not truth)
        subject = f"reader {reader}"
        assert found[subject, "turing_accuracy"].value == pytest.approx((hits + 10 - alarms) / 20)
        d_prime = norm.ppf((hits + 0.5) / 11) - norm.ppf((alarms + 0.5) / 11)
        assert found[subject, "turing_d_prime"].value == pytest.approx(d_prime)
        assert found[f"group {group}", "turing_accuracy"].value == found[subject, "turing_accuracy"].value
        twice = [decisions[0] == decisions[1] for decisions in said.values() if len(decisions) == 2]
        assert len(twice) == 2
        assert found[subject, "turing_repeat_agreement"].value == np.mean(twice)


def test_answers_hold_confidence_and_time_and_the_group_that_was_chosen_first(saved, desk):
    with saved[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    for position, row in enumerate(rows):
        decision, sure = decide(desk, "R01", position)
        assert (row["decision"], row["group"]) == (str(decision), "senior")
        assert int(row["confidence"]) == 50 + (10 if decision else -10) * sure
        assert 0 <= float(row["seconds"]) < 600


def test_an_incomplete_answer_is_not_taken_and_pixels_are_drawn_as_they_are(tab, desk):
    sit_down(tab, "R01", "junior")
    for keys, told in ((["Enter"], "Choose an answer first."), (["j", "Enter"], "Say how sure you are first.")):
        press(tab, *keys)
        assert tab.evaluate("element('problem').textContent") == told
    assert tab.evaluate("element('progress').textContent") == "Image 1 of 22"
    drawn = "[...element('image').getContext('2d').getImageData(0, 0, 64, 64).data].filter((_, k) => k % 4 === 0)"
    pixels = {image.name: image.pixels for image in desk.images}[desk.study.names[desk.study.orders["R01"][0]]]
    assert tab.evaluate(drawn) == pixels.ravel().tolist()
    press(tab, *"qqq", "+", "+")
    assert tab.evaluate("[element('window').value, element('zoom').textContent]") == ["207", "Zoom 225 %"]
    narrowed = np.clip(np.round(((pixels.ravel() - 127.5) / 207 + 0.5) * 255), 0, 255)
    assert np.abs(np.array(tab.evaluate(drawn)) - narrowed).max() <= 1
    press(tab, "r")
    assert tab.evaluate(drawn) == pixels.ravel().tolist()
    assert tab.evaluate("element('zoom').textContent") == "Zoom 100 %"


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark"), (390, "dark"), (1280, "light")])
def test_the_page_violates_no_accessibility_rule_and_fits_the_width(tab, width, scheme):
    tab.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    tab.command("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)
    tab.evaluate((resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8") + "\n; true")
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
    for part in ("start", "read", "done"):
        if part == "read":
            sit_down(tab, "R01", "junior")
            tab.evaluate("document.querySelector('details').open = true; next(); true")
        if part == "done":
            tab.evaluate("element('done-text').textContent = 'done'; turnTo('done'); true")
        found = tab.evaluate(f"axe.run(document, {json.dumps(rules)})")
        assert len(found["passes"]) > 10
        assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]] == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
