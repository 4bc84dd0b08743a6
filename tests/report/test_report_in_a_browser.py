"""The report in a browser: no error, no request, no accessibility violation, nothing clipped, few printed pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from medsynth.api import Predictions, Score
from medsynth.report import Case, GalleryRow, ImportanceRow, ReportContent, write_report
from tests import browser as browsers

pytestmark = pytest.mark.skipif(browsers.executable() is None, reason="no Chromium is installed")


def content() -> ReportContent:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 30)
    probabilities = 1 / (1 + np.exp(-rng.normal(size=60) - 2 * labels))
    judged = Predictions(probabilities=probabilities, labels=labels, patients=np.arange(60).astype(str), threshold=0.5)
    names = ("roc_auc", "sensitivity", "specificity", "accuracy", "f1", "mcc", "positive_likelihood_ratio")
    values = dict(zip(names, (0.9, 0.8, 0.7, 0.75, 0.7, 0.5, 2.5), strict=True))
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
            for subject in ("synthetic", "real-only", "untranslated", "oracle")
            for name, value in values.items()
        ],
        predictions={"synthetic": judged, "real-only": judged},
        gallery=[GalleryRow(source=images[0], synthetic=images[1], nearest=images[2], truth=images[3], caption="a")],
        importance=[ImportanceRow(image=images[0], overlays={"Grad-CAM": np.repeat(images[1], 3, axis=0)})],
        cases=[
            Case(name=f"image-{k:02}", image=images[k % 4], label=int(labels[k]), probability=float(p), threshold=0.7)
            for k, p in enumerate(probabilities)
        ],
        curves={
            "generator": {
                f"{loss}_{side}": [1.0, 0.5] for loss in ("adversarial", "cycle", "identity") for side in "ab"
            },
            **{row: {f"loss {k}": [1.0, 0.5] for k in range(12)} for row in ("synthetic", "real-only", "oracle")},
        },
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
    unfold = "document.querySelectorAll('details').forEach(chapter => chapter.open = true)"
    for prepare in ("true", unfold, "document.querySelector('.strip button').click()"):
        tab.evaluate(prepare)
        found = tab.evaluate(f"axe.run(document, {json.dumps(rules)})")
        assert len(found["passes"]) > 10
        assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]] == []


def test_an_image_opens_beside_the_others_and_the_slider_divides_them(tab):
    tab.evaluate("document.querySelectorAll('#translation .strip button')[3].click()")
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


def test_no_table_or_gallery_is_clipped_and_the_page_never_scrolls_sideways(tab):
    tab.evaluate("document.querySelectorAll('details').forEach(chapter => chapter.open = true)")
    assert tab.evaluate("document.querySelectorAll('main table').length") >= 7
    for width in (390, 768, 1280):
        tab.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=True)
        assert browsers.clipped(tab) == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_the_page_prints_as_one_and_with_all_chapters_open_on_at_most_eight(tab):
    assert tab.evaluate("document.querySelectorAll('details[open]').length") == 0
    assert browsers.printed_pages(tab) == 1
    tab.evaluate("document.getElementById('fold').click()")
    assert tab.evaluate("[...document.querySelectorAll('details.chapter')].every(chapter => chapter.open)")
    assert 1 < browsers.printed_pages(tab) <= 8


def test_a_link_opens_its_chapter(tab):
    tab.evaluate("document.querySelector('nav a[href=\"#cases\"]').click()")
    assert tab.evaluate("document.querySelector('#cases details').open")
    assert tab.evaluate("document.querySelectorAll('details.chapter[open]').length") == 1


LISTED = "[...document.querySelectorAll('#case-table tbody tr')]"
SHOWN = f"{LISTED}.filter(row => row.getClientRects().length).map(row => row.innerText)"
ROWS = f"{LISTED}.map(row => [...row.cells].map(cell => cell.textContent))"


@pytest.mark.parametrize("width", [390, 1280])
def test_images_are_filtered_by_flag_and_name_and_sorted_by_any_column(tab, width):
    tab.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=True)
    tab.evaluate("document.querySelector('#cases details').open = true")
    rows = tab.evaluate(ROWS)
    assert len(rows) == 60
    missed = [row for row in rows if "missed" in row[4]]
    assert missed == [row for row in rows if (row[1], row[3]) == ("positive", "negative")]
    for control, value in (("case-flag", "missed"), ("case-search", missed[0][0])):
        found = f"const found = document.getElementById('{control}'); found.value = '{value}'"
        tab.evaluate(f"{{{found}; found.dispatchEvent(new Event('input'))}}")
    assert [text.split()[0] for text in tab.evaluate(SHOWN)] == [missed[0][0]]
    assert tab.evaluate("document.getElementById('case-count').textContent") == "1 of 60 images"
    button = "document.querySelectorAll('#case-table thead button')[2].click()"
    for descending in (False, True):
        tab.evaluate(button)
        found = [float(row[2]) for row in tab.evaluate(ROWS)]
        assert found == sorted(found, reverse=descending)
    assert tab.evaluate("document.querySelectorAll('#case-table th')[2].getAttribute('aria-sort')") == "descending"


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
