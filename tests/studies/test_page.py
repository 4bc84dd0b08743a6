"""The page of a study: intervals of single runs, captions that name what is drawn, nothing clipped."""

from __future__ import annotations

import re

import pytest

from medsynth.api import Score
from medsynth.studies.comparison import compare
from medsynth.studies.comparison_figures import comparison_figures
from medsynth.studies.page import spread, write_page
from medsynth.studies.study import StudyRow, StudyTable
from tests import browser as browsers
from tests.results.conftest import write_parts

COLUMNS = tuple(f"diagnostic.{name}" for name in ("roc_auc", "sensitivity", "specificity", "accuracy", "f1", "mcc"))
FACTS = {"title": "A study", "warnings": (), "seconds": {"generator": 3.0}, "about": "", "paper": "", "settings": []}


def scores(value: float) -> list[Score]:
    return [
        Score(
            evaluator="diagnostic",
            name=column.partition(".")[2],
            subject="synthetic",
            value=value,
            low=value - 0.1,
            high=value + 0.05,
            n=40,
        )
        for column in COLUMNS[1:]
    ]


def comparison(write_run, seeds: int, *, images: bool = False):
    results = {
        label: {str(s): write_run(f"{label}{s}", seed=s, scores=scores(value)) for s in range(1, seeds + 1)}
        for label, value in (("a row with a name that is long", 0.8), ("b", 0.7))
    }
    for number, result in enumerate(result for row in results.values() for result in row.values() if images):
        write_parts(result.folder, sources=["clinic-1", "clinic-2"], made=number)
    return compare(StudyTable(columns=COLUMNS), [StudyRow(label=label) for label in results], results)


def test_one_seed_has_intervals_in_table_and_figures_and_captions_name_no_mean(write_run) -> None:
    compared = comparison(write_run, 1)
    captions = {name: caption for name, (_, caption) in comparison_figures(compared, draw_bootstrap=False).items()}
    assert captions["scores"] == "Scores; bars: intervals of single runs."
    assert captions["roc"] == "ROC curves. Band: 95 % of resamples of test patients."
    assert spread(compared) == "One run each. In parentheses the interval from resampling test patients."


def test_several_seeds_have_their_mean_and_captions_name_no_single_run(write_run) -> None:
    compared = comparison(write_run, 2)
    captions = {name: caption for name, (_, caption) in comparison_figures(compared, draw_bootstrap=False).items()}
    assert captions["scores"] == "Every seed's score and its mean."
    assert captions["roc"] == "Mean ROC curve over seeds. Band: one standard deviation to either side."
    assert spread(compared) == "Mean ± standard deviation over seeds."


def test_the_page_shows_what_each_row_made_of_the_same_images_without_their_names(write_run, tmp_path) -> None:
    page = write_page(tmp_path, comparison(write_run, 2, images=True), FACTS).read_text()
    shown = re.findall(r'<img src="([^"]*)" alt="([^"]*)" data-kind="([^"]*)">', page)
    kinds = ["source", "a row with a name that is long", "b", "true counterpart"]
    assert [(alt, kind) for _, alt, kind in shown] == [
        (f"{kind} image, {label}", kind) for label in ("negative", "positive") for kind in kinds
    ]
    assert len({address for address, _, _ in shown}) == len(shown)
    assert "with seed 1 made of them" in page
    assert "clinic" not in page


def test_a_page_of_runs_without_images_says_nothing_of_them(write_run, tmp_path) -> None:
    assert 'id="images"' not in write_page(tmp_path, comparison(write_run, 1), FACTS).read_text()


@pytest.mark.skipif(browsers.executable() is None, reason="no Chromium is installed")
def test_no_table_of_the_page_is_clipped_and_it_prints_on_few_pages(write_run, tmp_path) -> None:
    page = write_page(tmp_path, comparison(write_run, 1, images=True), FACTS)
    with browsers.browser(tmp_path / "profile") as tab:
        tab.open(page)
        assert tab.complaints() == []
        assert browsers.printed_pages(tab) <= 8
        tab.evaluate("document.querySelectorAll('details').forEach(chapter => chapter.open = true)")
        for width in (390, 768, 1280):
            tab.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=True)
            assert browsers.clipped(tab) == []
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
