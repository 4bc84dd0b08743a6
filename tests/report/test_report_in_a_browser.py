"""The report in a browser: no error, no request, no accessibility violation; gallery and downloads work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from medsynth.api import Predictions, Score
from medsynth.report import GalleryRow, ImportanceRow, ReportContent, write_report
from tests import browser as browsers

pytestmark = pytest.mark.skipif(browsers.executable() is None, reason="no Chromium is installed")


def content() -> ReportContent:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 30)
    probabilities = 1 / (1 + np.exp(-rng.normal(size=60) - 2 * labels))
    judged = Predictions(probabilities=probabilities, labels=labels, patients=np.arange(60).astype(str), threshold=0.5)
    values = {"roc_auc": 0.9, "sensitivity": 0.8, "specificity": 0.7}
    images = rng.uniform(-1, 1, (4, 1, 16, 16)).astype(np.float32)
    return ReportContent(
        title="A run",
        plan={"generator": {"name": "cyclegan"}},
        run={"versions": {"torch": "2"}},
        scores=[
            Score(
                evaluator="diagnostic",
                name=name,
                subject=subject,
                value=value,
                low=value - 0.1,
                high=value + 0.05,
                n=60,
            )
            for subject in ("synthetic", "real-only")
            for name, value in values.items()
        ],
        predictions={"synthetic": judged, "real-only": judged},
        gallery=[GalleryRow(source=images[0], synthetic=images[1], nearest=images[2], truth=images[3], caption="a")],
        importance=[ImportanceRow(image=images[0], overlays={"Grad-CAM": np.repeat(images[1], 3, axis=0)})],
        curves={"generator": {"adversarial": [1.0, 0.5]}},
        counts={"target": {"train": 3}},
        warnings=["something"],
        references=["A paper"],
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    return write_report(tmp_path_factory.mktemp("report"), content())


@pytest.fixture
def tab(report, tmp_path) -> Iterator[browsers.Browser]:
    with browsers.browser(tmp_path / "profile") as opened:
        opened.open(report)
        yield opened


def test_the_page_raises_no_error_and_asks_for_nothing(tab, report):
    assert tab.evaluate("document.readyState") == "complete"
    assert tab.complaints() == []
    assert {address.partition(",")[0] for address in tab.requested()} <= {report.as_uri(), "data:image/png;base64"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_violates_no_accessibility_rule_of_levels_a_and_aa(tab, scheme, width):
    tab.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    tab.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    tab.evaluate((resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8") + "\n; true")
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    for prepare in ("true", "document.querySelector('.strip button').click()"):
        tab.evaluate(prepare)
        found = tab.evaluate(f"axe.run(document, {json.dumps(rules)})")
        assert len(found["passes"]) > 10
        assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]] == []


def test_an_image_opens_beside_the_others_and_the_slider_divides_them(tab):
    tab.evaluate("document.querySelectorAll('.strip button')[3].click()")
    assert tab.evaluate("document.getElementById('compare').open")
    shown = "[...document.querySelectorAll('#compare img')].map(image => image.alt)"
    assert tab.evaluate(shown) == ["true counterpart", "source"]
    tab.evaluate(
        "{const s = document.querySelector('#compare input'); s.value = 25; s.dispatchEvent(new Event('input'))}"
    )
    assert tab.evaluate("document.querySelectorAll('#compare img')[1].style.clipPath") == "inset(0px 75% 0px 0px)"
    tab.evaluate(
        "{const s = document.querySelector('#compare select');s.selectedIndex = 1; s.dispatchEvent(new Event('input'))}"
    )
    assert tab.evaluate(shown) == ["true counterpart", "synthetic"]
    for kind in ("keyDown", "keyUp"):
        tab.command("Input.dispatchKeyEvent", type=kind, key="Escape", code="Escape", windowsVirtualKeyCode=27)
    assert not tab.evaluate("document.getElementById('compare').open")
    assert tab.complaints() == []


def test_a_phone_shows_the_page_without_scrolling_sideways(tab):
    tab.command("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360


def test_tables_are_saved_as_files(tab, tmp_path):
    tab.command("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    for name in ("diagnostic.csv", "diagnostic.tex", "images.csv"):
        tab.evaluate(f"document.querySelector('a[download=\"{name}\"]').click()")
        begun = tab.wait("Page.downloadWillBegin", suggestedFilename=name)
        tab.wait("Page.downloadProgress", guid=begun["guid"], state="completed")
    assert (tmp_path / "diagnostic.csv").read_text().splitlines()[
        1
    ] == "synthetic,roc_auc,0.9,0.8,0.9500000000000001,60,"
    assert r"\toprule" in (tmp_path / "diagnostic.tex").read_text()
    assert (tmp_path / "images.csv").read_text() == "group,train\ntarget,3\n"
