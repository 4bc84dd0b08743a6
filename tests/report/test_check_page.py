"""The page of a data check: what it shows, what it hides, and that it opens anywhere."""

from __future__ import annotations

import json
import re
from html import unescape
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from medsynth.cli import app
from medsynth.data.config import DataConfig
from medsynth.data.formats.probing import Facts, Format
from medsynth.data.images import Images, Record
from medsynth.report.sheet.check_page import check_and_write
from medsynth.report.sheet.unusual import measures, robust_distance, unusual
from tests import browser as browsers
from tests.data.conftest import write_png, write_table

SECRET = "Roe_Richard"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine patients per domain with telling names; two look alike across splits, two within; one is dark."""
    folder = tmp_path_factory.mktemp(f"{SECRET}-clinic")
    rows = []
    for domain in ("source", "target"):
        for k in range(9):
            name = f"{SECRET}-{domain}-{k}.png"
            write_png(folder / name, seed=len(rows))
            split = ("train", "val", "test")[k // 3]
            rows.append({"image": name, "domain": domain, "label": str(k % 2), "patient": f"{SECRET}-{domain[0]}{k}"})
            rows[-1] |= {"split": split, "center": f"{SECRET} hospital {k % 2}"}
    smooth = np.kron(np.random.default_rng(3).integers(0, 255, (4, 6)), np.ones((5, 5))).astype(np.uint8)
    for k, values in ((0, smooth), (8, smooth // 2 + 40), (1, smooth[::-1]), (2, smooth[::-1] // 2 + 9)):
        Image.fromarray(values).save(folder / f"{SECRET}-target-{k}.png")
    Image.fromarray((np.arange(600).reshape(20, 30) % 7).astype(np.uint8)).save(folder / f"{SECRET}-source-4.png")
    write_table(folder, rows)
    (folder / "notes.txt").write_text(SECRET)
    return folder


def page(data: Path, out: Path, **options) -> str:
    check_and_write(DataConfig(path=str(data), size=16, **options), 42, out)
    return unescape(out.read_text())


@pytest.fixture(scope="module")
def hidden(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    path = tmp_path_factory.mktemp("page") / "check.html"
    return path, page(data, path)


def test_a_page_names_nobody_unless_it_is_asked_to(hidden, data, tmp_path):
    path, text = hidden
    assert SECRET not in text
    assert "image-1" in text
    key = (path.parent / "check-key.csv").read_text().splitlines()
    assert any(re.fullmatch(rf"image,image-\d+,{SECRET}-target-0.png", line) for line in key)
    assert '<th scope="row">source, A</th>' in text
    named = page(data, tmp_path / "named.html", show_names=True)
    assert f"{SECRET}-target-0.png" in named
    assert f"{SECRET} hospital 1" in named
    assert not (tmp_path / "named-key.csv").exists()


def test_problems_that_name_files_outside_the_table_are_counted_and_not_named(data, tmp_path):
    rows = (data / "manifest.csv").read_text()
    (tmp_path / "manifest.csv").write_text(rows)
    text = page(tmp_path, tmp_path / "check.html")
    assert SECRET not in text
    assert "Not ready" in text
    assert "18 problems with the table or its folders" in text


def test_pairs_across_splits_come_first_and_stand_side_by_side(hidden):
    _, text = hidden
    couples = re.findall(r'<div class="couple">(.*?)</div><p class="note">(.*?)</p>', text, re.DOTALL)
    assert [said.partition(":")[0].partition(";")[0].partition(",")[0] for _, said in couples] == [
        "train and test",
        "both in train",
    ]
    assert all(pair.count("<img") == 2 for pair, _ in couples)


def test_every_class_and_split_is_on_the_contact_sheet_and_the_dark_image_among_the_unusual(hidden):
    _, text = hidden
    sheet = text[text.index('id="contact"') : text.index('id="intensities"')]
    for domain in ("source", "target"):
        for name in ("positive", "negative"):
            for split in ("train", "val", "test"):
                assert f"{domain}, {name}, {split}" in sheet
    assert sheet.count("<img") == 18
    odd = text[text.index('id="unusual"') : text.index('id="contact"')]
    assert "brightness -0.9" in odd


def test_a_command_tells_the_same_in_sentences_and_as_json(data, tmp_path):
    arguments = ["data", "check", "--data", str(data), "--set", "data.size=16"]
    done = CliRunner().invoke(app, [*arguments, "--html", str(tmp_path / "check.html")])
    assert done.exit_code == 0, done.output
    assert "Ready: a run can use these 18 images of 18 patients in both domains" in done.output
    assert f"next     medsynth run --data {data} --set data.size=16" in done.output
    assert "{" not in done.output
    assert (tmp_path / "check.html").stat().st_size < 300_000
    found = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert (found["schema"], found["counts"]["images"]) == (1, 18)
    folder = CliRunner().invoke(app, [*arguments, "--html", str(tmp_path)])
    assert (folder.exit_code, "is a folder" in folder.output) == (2, True)
    refused = CliRunner().invoke(app, ["data", "check", "--data", str(tmp_path / "none")])
    assert refused.exit_code == 2
    assert "Not ready: " in refused.output
    assert "(once that is mended)" in refused.output


def test_measures_and_distances_equal_those_computed_by_hand():
    image = np.array([[[-1.0, 0.0], [1.0, 1.0]]])
    brightness, contrast, sharpness, dark = measures(image)
    assert (brightness, dark) == (0.25, 0.25)
    assert contrast == pytest.approx(np.sqrt(((1.25**2) + 0.25**2 + 2 * 0.75**2) / 4))
    assert sharpness == pytest.approx(((2 + 1) / 2 + (1 + 0) / 2) / 2 / contrast)
    distances = robust_distance(np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 0.0], [103.0, 8.0]]))
    assert distances[:, 0] == pytest.approx(np.array([2, 1, 0, 1, 100]) / 1.4826)
    assert distances[:, 1] == pytest.approx([0, 0, 0, 0, 5])


def test_a_size_that_few_files_have_is_unusual():
    pixels = np.random.default_rng(0).uniform(-1, 1, (30, 1, 8, 8)).astype(np.float32)
    records = tuple(Record(f"{k}.png", "source", 0, str(k), "train") for k in range(30))
    shapes = {record.image: (40, 50) if record.image == "7.png" else (30, 20) for record in records}
    facts = {name: Facts(Format("raster"), None, shape, 0, 1, False, (), "") for name, shape in shapes.items()}  # type: ignore[arg-type]
    found = dict(unusual(Images(records, pixels, np.arange(30)), facts))
    assert found[7] == "40 x 50 pixels; 97 % are 30 x 20"


@pytest.mark.skipif(browsers.executable() is None, reason="no Chromium is installed")
def test_the_page_opens_at_any_width_light_and_dark_and_breaks_no_accessibility_rule(hidden, tmp_path):
    script = (resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    with browsers.browser(tmp_path / "profile") as tab:
        tab.open(hidden[0])
        tab.evaluate(script + "\n; true")
        for width in (390, 1280):
            for scheme in ("light", "dark"):
                tab.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
                size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
                tab.command("Emulation.setDeviceMetricsOverride", **size)
                assert tab.evaluate("document.documentElement.scrollWidth") <= width
                found = tab.evaluate(f"axe.run(document, {json.dumps(rules)})")
                assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]] == []
        assert tab.complaints() == []
        assert {address.partition(",")[0] for address in tab.requested()} <= {
            hidden[0].as_uri(),
            "data:image/png;base64",
        }
