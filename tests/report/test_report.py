"""The report is one safe, honest, repeatable page."""

import base64
import csv
import dataclasses
import hashlib
import io
import re
from html.parser import HTMLParser
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_curve
from sklearn.metrics import roc_curve as sklearn_roc_curve

from medsynth.api import Inspection, Predictions, Score, Section
from medsynth.base.progress import duration
from medsynth.report import Case, GalleryRow, ImportanceRow, ReportContent, content_verdict, verdict, write_report
from medsynth.report.cases import case_rows, surest
from medsynth.report.downloads import latex_text, spreadsheet_text
from medsynth.report.drawing.bands import precision_band, reliability, roc_band
from medsynth.report.drawing.figures import curve_panels
from medsynth.report.pictures import (
    difference_map,
    front_cases,
    front_gallery,
    gallery,
    importance,
    mistakes,
    png_address,
)
from medsynth.report.screening import prevalence_figure, screening_table
from medsynth.report.tables import Cell, flat, metric_label, number, ordered, percent
from medsynth.statistics import patient_draws
from medsynth.statistics.gain import Gain, gains

EVIL = "<script>alert('x')</script>\"'&"
VOID = {"meta", "img", "br", "hr", "link", "input", "path", "use"}


class Page(HTMLParser):
    """Collects what a page holds and checks that every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[int] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def predictions(shift: float, *, cases: int = 60) -> Predictions:
    generator = np.random.default_rng(4)
    labels = np.repeat([0, 1], cases // 2)
    return Predictions(
        probabilities=1 / (1 + np.exp(-generator.normal(size=cases) - shift * labels)),
        labels=labels,
        patients=np.array([f"p{index // 2}" for index in range(cases)]),
        threshold=0.5,
    )


def score(name: str, subject: str, value: float, low=None, high=None, **more) -> Score:
    return Score(
        evaluator=more.pop("evaluator", "diagnostic"),
        name=name,
        subject=subject,
        value=value,
        low=low,
        high=high,
        **more,
    )


@pytest.fixture(scope="module")
def content() -> ReportContent:
    image = np.linspace(-1, 1, 64, dtype=np.float32).reshape(1, 8, 8)
    return ReportContent(
        title=f"Run {EVIL}",
        plan={"preset": "quick", "seeds": [1, 2], "generator": {"name": "cyclegan", EVIL: EVIL}},
        run={"versions": {"torch": "2"}, "note": EVIL},
        scores=[
            score("roc_auc", "real-only", 0.85, 0.78, 0.92, n=60, higher_is_better=True, detail=EVIL),
            score("roc_auc", "synthetic", 0.93, 0.88, 0.97, n=60, higher_is_better=True),
            score("sensitivity", "synthetic", 0.995, 0.97, 1.0),
            score("specificity", "synthetic", 0.9722, 0.95, 0.99),
            score("positive_likelihood_ratio", "synthetic", 35.79, 20.1, 80.2, evaluator="screening"),
            score("ppv_at_0.02%", "synthetic", 0.0071, evaluator="screening"),
            score("ppv_at_9%", "synthetic", 0.7797, 0.69, 0.88, evaluator="screening"),
            score("npv_at_9%", "synthetic", 0.99999, evaluator="screening"),
            score("number_needed_at_9%", "synthetic", 11.17, evaluator="screening"),
            score("kid", "synthetic", 0.0123, evaluator="image-quality", n=60, higher_is_better=False),
            score("kid", "source", 0.2, evaluator="image-quality", n=60, higher_is_better=False),
            score("distance", EVIL, float("nan"), evaluator=EVIL),
        ],
        measurements=[score("latency", "classifier", 12.0, evaluator="efficiency", unit="ms", measured=True)],
        predictions={"real-only": predictions(1.0), "synthetic": predictions(2.0)},
        gallery=[
            GalleryRow(source=image, synthetic=-image, nearest=image, truth=image, caption=EVIL),
            GalleryRow(source=image[0], synthetic=np.repeat(image, 3, axis=0)),
        ],
        cases=[
            Case(name=f"{k} {EVIL}", image=image, label=k % 2, probability=0.1 * k, threshold=0.35) for k in range(10)
        ],
        importance=[
            ImportanceRow(image=image, overlays={EVIL: np.repeat(image, 3, axis=0)}, caption=EVIL, empty={EVIL})
        ],
        inspection=Inspection(
            title=f"Does it look? {EVIL}",
            note=EVIL,
            rows={"block A": {"tokens": 64.0, EVIL: 0.2012345}, EVIL: {"tokens": 16.0, EVIL: 0.25}},
        ),
        curves={EVIL: {"adversarial": [1.0, 0.5], EVIL: [1.0, 2.0], "empty": []}},
        validation={"classifier": {"roc_auc": [0.5, 0.9]}},
        counts={EVIL: {"train": 3}, "target": {"test": 4}},
        stage_seconds={"generator": 200.0},
        warnings=[EVIL],
        sections=[Section(title=EVIL, html="<p class='mine'>from a plugin</p>")],
        references=[EVIL],
        positive=EVIL,
    )


@pytest.fixture(scope="module")
def text(content, tmp_path_factory) -> str:
    return write_report(tmp_path_factory.mktemp("report"), content).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


def test_nothing_a_user_wrote_becomes_markup(text, page):
    assert text.count("<script") == [tag for tag, _ in page.elements].count("script") == 1
    assert EVIL not in text
    assert "&lt;script&gt;" in text


def test_the_policy_allows_no_script_but_the_pages_own(text, page):
    (policy,) = (a["content"] for tag, a in page.elements if tag == "meta" and "http-equiv" in a)
    own = text.partition("<script>")[2].partition("</script>")[0]
    allowed = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
    assert policy.endswith(f"script-src 'sha256-{allowed}'")


def test_the_html_of_a_plugin_section_is_kept(page):
    assert ("p", {"class": "mine"}) in page.elements


def test_the_page_loads_nothing(text, page):
    for _, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "data", "action", "srcset"):
            assert (attributes.get(name) or "#").startswith(
                ("#", "data:image/png;base64,", "data:text/csv", "data:application/x-tex")
            )
    assert "@import" not in text
    assert "url(http" not in text


def test_the_page_is_accessible(page):
    tags = [tag for tag, _ in page.elements]
    assert ("html", {"lang": "en"}) in page.elements
    assert all(attributes.get("alt") for tag, attributes in page.elements if tag == "img")
    assert all(attributes.get("aria-label") for tag, attributes in page.elements if tag == "svg")
    assert all(attributes.get("scope") for tag, attributes in page.elements if tag == "th")
    assert tags.count("caption") == tags.count("table")


def test_headings_never_skip_a_level(page):
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False))


def test_ids_are_unique_and_links_lead_to_them(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    links = [a.get("href") or a.get("xlink:href") for tag, a in page.elements if tag in ("a", "use")]
    assert len(ids) == len(set(ids))
    assert [one for one in ids if one.split() != [one]] == []  # a space is %20 in a link
    assert {link.removeprefix("#") for link in links if link and not link.startswith("data:")} <= set(ids)


def test_equal_content_gives_equal_bytes(content, text, tmp_path):
    assert write_report(tmp_path, content).read_text(encoding="utf-8") == text
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "figures"}


def test_figures_are_also_files_with_colors_of_their_own(content, tmp_path):
    write_report(tmp_path, content)
    names = ["roc", "precision", "calibration", "bootstrap", "prevalence", "training-0", "validation-0"]
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {f"{name}.svg" for name in names}
    for path in (tmp_path / "figures").iterdir():
        assert "var(--" not in path.read_text(encoding="utf-8")
        assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def downloads(page: Page) -> dict[str, str]:
    links = [a for tag, a in page.elements if tag == "a" and "download" in a]
    return {a["download"]: unquote(a["href"].partition(",")[2]) for a in links}


def test_tables_are_downloaded_as_csv_with_all_digits(page):
    rows = list(csv.DictReader(io.StringIO(downloads(page)["diagnostic.csv"])))
    assert rows[3] == {
        "subject": "synthetic", "score": "specificity", "value": "0.9722", "low": "0.95", "high": "0.99", "n": "",
        "unit": "",
    }  # fmt: skip
    assert list(csv.reader(io.StringIO(downloads(page)["images.csv"])))[1:] == [[EVIL, "3", "0"], ["target", "0", "4"]]


def test_tables_are_downloaded_as_latex(page):
    table = downloads(page)["diagnostic.tex"]
    assert table.startswith(r"\begin{tabular}{lrrrr}" + "\n\\toprule\nsubject & ")
    assert (
        r"with synthetic images & 0.930 (0.880 to 0.970) & 0.995 (0.970 to 1.000) & 0.972 (0.950 to 0.990) & 60 \\"
        in table
    )


def test_what_a_classifier_found_out_about_itself_is_a_table(text, page):
    assert "<h3>Does it look? &lt;script&gt;" in text
    assert '<tr><th scope="row">block A</th><td>64</td><td>0.201</td></tr>' in text
    rows = list(csv.reader(io.StringIO(downloads(page)["inspection.csv"])))
    assert rows[:2] == [["part", "tokens", EVIL], ["block A", "64.0", "0.2012345"]]
    assert r"block A & 64 & 0.201 \\" in downloads(page)["inspection.tex"]


def test_a_spreadsheet_takes_no_cell_for_a_formula():
    rows = list(csv.reader(io.StringIO(spreadsheet_text(["=1+1", "value"], [["@SUM(A1)", -0.5], ["-x", "-0.5"]]))))
    assert rows == [["'=1+1", "value"], ["'@SUM(A1)", "-0.5"], ["'-x", "-0.5"]]


def test_latex_shows_special_characters_as_they_are():
    assert r"50\% \& a\_b \{\$\} \textbackslash{}" in latex_text(["x"], [["50% & a_b {$} \\"]])


def test_a_run_without_results_still_has_a_page(tmp_path):
    text = write_report(tmp_path, ReportContent(title="empty")).read_text(encoding="utf-8")
    Page(text)
    assert "nothing can be said about the value of synthesis" in text
    for absent in ('id="screening"', 'id="translation"', 'id="classification"', 'id="training"', "None"):
        assert absent not in text


def test_a_single_row_without_both_classes_has_no_roc_curve(tmp_path):
    one_class = Predictions(
        probabilities=np.array([0.2, 0.8]), labels=np.array([1, 1]), patients=np.array(["a", "b"]), threshold=0.5
    )
    text = write_report(tmp_path, ReportContent(title="one", predictions={"synthetic": one_class})).read_text()
    assert "ROC on real test images" not in text
    assert "threshold 0.5" in text


def test_curves_with_one_epoch_with_gaps_and_with_odd_names_are_drawn(tmp_path):
    curves = {
        "a": {"one": [1.0], "gaps": [1.0, float("nan"), float("inf"), 2.0], "$x^$ _": [0.0, 0.0], "no": [float("nan")]}
    }
    text = write_report(tmp_path, ReportContent(title="curves", curves=curves)).read_text(encoding="utf-8")
    Page(text)
    assert "$x^$" in text


def auc(subject: str, value: float, low=None, high=None, **more) -> Score:
    return score("roc_auc", subject, value, low, high, **more)


@pytest.mark.parametrize(
    ("main", "baseline", "tone", "words"),
    [
        ((0.93, 0.88, 0.97), (0.85, 0.78, 0.92), "uncertain",
         "with synthetic images against 0.85 (0.78 to 0.92) real only: the intervals overlap, so the gain is not"),
        ((0.80, 0.70, 0.90), (0.85, 0.78, 0.92), "uncertain", "the intervals overlap, so the loss is not certain."),
        ((0.95, 0.93, 0.97), (0.85, 0.78, 0.92), "better", "the intervals do not overlap, so synthetic images helped"),
        ((0.70, 0.65, 0.75), (0.85, 0.78, 0.92), "worse", "the intervals do not overlap, so synthetic images did harm"),
        ((0.85, 0.80, 0.90), (0.85, 0.78, 0.92), "uncertain", "no difference was seen."),
        ((0.93,), (0.85, 0.78, 0.92), "uncertain", "without intervals the gain of 0.08 cannot be told from chance."),
        ((0.93, 0.88, float("nan")), (0.95,), "uncertain", "against 0.95 real only: without intervals the loss"),
        ((0.92, 0.92, 0.95), (0.85, 0.78, 0.92), "uncertain", "overlap, so the gain is not certain"),
    ],
)  # fmt: skip
def test_the_verdict_claims_no_more_than_the_intervals_allow(main, baseline, tone, words):
    found = verdict([auc("synthetic", *main), auc("real-only", *baseline)])
    assert found.tone == tone
    assert words in found.sentence


def gain(against: str, value: float, p_value: float, seeds: int = 3) -> Gain:
    return Gain(
        against=against,
        value=value,
        low=value - 0.05,
        high=value + 0.05,
        p_value=p_value,
        differences=(value,) * seeds,
        patients=600,
    )


@pytest.mark.parametrize(
    ("over_real", "over_untranslated", "tone", "words"),
    [
        ((0.08, 0.049), (0.4, 0.0001), "better", "Synthesis helped: AUC 0.95"),
        ((0.08, 0.001), None, "better", "Synthetic images helped: "),
        ((0.08, 0.001), (0.02, 0.3), "uncertain", "whether more than the same images untranslated is not decided: "),
        ((0.08, 0.001), (-0.06, 0.01), "uncertain", "Synthetic images helped, but less than the same images untr"),
        ((0.08, 0.05), (0.4, 0.001), "uncertain", "Whether synthesis helps is not decided: "),
        ((0.01, 0.7), (-0.06, 0.01), "uncertain", "not decided, and the same images untranslated are worth more: "),
        ((0.08, float("nan")), None, "uncertain", "Whether synthesis helps is not decided: "),
        ((-0.08, 0.0004), (0.4, 0.001), "worse", "Synthesis did harm: "),
    ],
)
def test_the_verdict_says_in_words_first_what_both_controls_allow(over_real, over_untranslated, tone, words):
    rows = [auc("synthetic", 0.95, 0.93, 0.97), auc("real-only", 0.87, 0.8, 0.92), auc("untranslated", 0.55, 0.5, 0.6)]
    given = [gain("real-only", *over_real)]
    given += [gain("untranslated", *over_untranslated)] if over_untranslated else []
    found = verdict(rows, given)
    assert found.tone == tone
    assert words in found.sentence
    assert f"a difference of {given[0].shown}" in found.sentence
    assert found.sentence.endswith("3 seeds and 600 patients.")
    assert ("0.55 (0.50 to 0.60) with the source images untranslated, of" in found.sentence) == (len(given) == 2)
    assert ("more labels, not of synthesis" in found.remarks[0]) == (len(given) == 1)
    assert found.remarks[-1].startswith("The intervals of the differences are over other seeds and other patients")


def test_cautions_stand_beside_the_verdict():
    content = ReportContent(title="a", scores=[auc("synthetic", 0.93, 0.88, 0.97)], cautions=["whose images?"])
    assert content_verdict(content).remarks[-1] == "whose images?"


def test_with_one_training_the_verdict_says_that_its_luck_is_not_in_the_interval():
    overlapping = [auc("synthetic", 0.93, 0.88, 0.97), auc("real-only", 0.85, 0.78, 0.92)]
    given = gains([{"synthetic": predictions(2.0), "real-only": predictions(1.0)}])
    assert given[0].p_value < 0.05
    found = verdict(overlapping, given)
    assert (found.tone, verdict(overlapping).tone) == ("better", "uncertain")
    assert found.sentence.endswith("; one training, 30 patients.")
    assert found.remarks[-1] == "One training of each was tested: its luck is not in the interval."


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ([], "No AUC was measured"),
        ([auc("synthetic", float("nan")), auc("oracle", 0.9)], "No AUC was measured"),
        ([auc("synthetic", 0.9)], "without a row trained on real images only, the value of synthesis is unknown"),
        ([auc("real-only", 0.9)], "there is no classifier trained with synthetic images"),
    ],
)
def test_the_verdict_says_what_is_missing(scores, words):
    found = verdict(scores)
    assert found.tone == "unknown"
    assert words in found.sentence


def test_the_verdict_remarks_on_guessing_on_the_oracle_and_on_the_number_of_cases():
    found = verdict([auc("synthetic", 0.55, 0.45, 0.65, n=1200), auc("oracle", 0.98, 0.95, 1.0)])
    assert [remark[:30] for remark in found.remarks] == [
        "The interval includes 0.5: thi",
        "The oracle, trained with true ",
        "Measured on 1,200 real test im",
    ]


def test_the_screening_table_has_a_row_per_prevalence_with_intervals(content):
    table = screening_table(content.scores, "synthetic")
    assert table is not None
    assert table.ratios == (("LR+", Cell("35.8", "20.1 to 80.2")),)
    assert [label for label, _ in table.rows] == ["0.02 %", "9 %"]
    ppv, npv, *others, needed, _ = table.rows[1][1]
    assert (ppv, npv, needed) == (Cell("77.97 %", "69.00 % to 88.00 %"), Cell("> 99.99 %"), Cell("11.2"))
    assert others == [None]
    assert r"9 \% & 77.97 \% (69.00 \% to 88.00 \%) & > 99.99 \% & -- & 11.2 & -- \\" in table.download.latex
    assert "synthetic,ppv_at_9%,0.7797,0.69,0.88,," in table.download.csv


def test_the_screening_table_needs_the_evaluator(content):
    assert screening_table(content.scores, "real-only") is None
    assert screening_table([s for s in content.scores if s.evaluator != "screening"], "synthetic") is None


def test_predictive_values_are_drawn_over_the_prevalence(content):
    drawing = prevalence_figure(content.predictions, seed=0)
    assert 'aria-label="PPV and NPV over the prevalence, of real images only, with synthetic images;' in drawing
    single = dataclasses.replace(content.predictions["synthetic"], patients=np.full(60, "one"))
    assert len(prevalence_figure({"synthetic": single}, seed=0)) < len(
        prevalence_figure({"synthetic": content.predictions["synthetic"]}, seed=0)
    )


def drawn(judged: Predictions, resamples: int, *, seed: int) -> list[np.ndarray]:
    """Cases of each resample of patients, one by one."""
    names, owner = np.unique(judged.patients, return_inverse=True)
    draws = np.concatenate(list(patient_draws(len(names), resamples, seed=seed)))
    return [np.concatenate([np.flatnonzero(owner == patient) for patient in draw]) for draw in draws]


def test_the_roc_band_equals_percentiles_of_curves_computed_one_by_one():
    judged = predictions(1.0, cases=30)
    band = roc_band(judged, seed=3, resamples=40, points=11)
    rows = []
    for cases in drawn(judged, 40, seed=3):
        false, true, _ = sklearn_roc_curve(judged.labels[cases], judged.probabilities[cases], drop_intermediate=False)
        rows.append([true[false <= rate + 1e-12].max() for rate in band.at])
    np.testing.assert_allclose(band.low, np.percentile(rows, 2.5, axis=0), atol=1e-12)
    np.testing.assert_allclose(band.high, np.percentile(rows, 97.5, axis=0), atol=1e-12)


def test_the_precision_band_equals_percentiles_of_curves_computed_one_by_one():
    judged = predictions(1.0, cases=30)
    band = precision_band(judged, seed=3, resamples=40, points=11)
    rows = []
    for cases in drawn(judged, 40, seed=3):
        precision, recall, _ = precision_recall_curve(judged.labels[cases], judged.probabilities[cases])
        # scikit-learn starts where every case is called positive; the last that reaches a recall calls fewest
        rows.append([precision[np.flatnonzero(recall >= at - 1e-9)[-1]] for at in band.at])
    np.testing.assert_allclose(band.low, np.percentile(rows, 2.5, axis=0), atol=1e-12)
    np.testing.assert_allclose(band.high, np.percentile(rows, 97.5, axis=0), atol=1e-12)


def test_reliability_equals_scikit_learns_calibration_curve_and_brackets_it():
    judged = predictions(1.0)
    found = reliability(judged, seed=3, bins=5, resamples=200)
    frequent, said = calibration_curve(judged.labels, judged.probabilities, n_bins=5, strategy="quantile")
    np.testing.assert_allclose(found.said, said)
    np.testing.assert_allclose(found.frequent, frequent)
    assert (found.low <= found.frequent).all()
    assert (found.frequent <= found.high).all()
    assert (found.low < found.high).any()


def test_equal_probabilities_make_one_bin_of_reliability():
    judged = predictions(1.0)
    found = reliability(dataclasses.replace(judged, probabilities=np.full(60, 0.3)), seed=0)
    assert found.said.tolist() == pytest.approx([0.3])
    assert found.frequent.tolist() == [0.5]


def test_one_patient_has_no_bands():
    judged = predictions(1.0, cases=4)
    alone = dataclasses.replace(judged, patients=np.array(["a"] * 4))
    assert roc_band(alone, seed=0) is None
    assert precision_band(alone, seed=0) is None
    assert np.isnan(reliability(alone, seed=0).low).all()


def pixels(address: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def test_gallery_images_keep_orientation_and_grey_levels():
    image = np.array([[-1, 0, 1], [1, 2, -2]], dtype=np.float32)
    assert pixels(png_address(image[None])).tolist() == [[0, 128, 255], [255, 255, 0]]
    assert pixels(png_address(np.stack([image] * 3))).shape == (2, 3, 3)


def test_large_galleries_are_cut_before_the_page_grows_too_large():
    noise = np.random.default_rng(0).uniform(-1, 1, (3, 400, 400)).astype(np.float32)
    rows = gallery([GalleryRow(source=noise, synthetic=noise, nearest=noise, truth=noise)] * 12)
    assert len(rows) == 3
    assert sum(len(image["address"]) for row in rows for image in row["images"]) < 5_000_000


def test_large_importance_maps_are_cut_too():
    noise = np.random.default_rng(0).uniform(-1, 1, (3, 400, 400)).astype(np.float32)
    rows = importance([ImportanceRow(image=noise, overlays={"a": noise, "b": noise})] * 12)
    assert [image["kind"] for image in rows[0]["images"]] == ["real test", "a", "b"]
    assert len(rows) == 2
    assert sum(len(image["address"]) for row in rows for image in row["images"]) < 3_000_000


def test_metrics_have_the_names_that_readers_know():
    names = ["pr_auc", "mcc", "brier_score", "ppv_at_0.02%", "calibration_error", "mine_own"]
    assert [metric_label(name) for name in names] == [
        "PR AUC",
        "MCC",
        "Brier score",
        "PPV at 0.02 %",
        "calibration error",
        "mine own",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(391776, "391,776"), (2.89e8, "289 M"), (5.2e9, "5.2 G"), (9e-4, "0.0009"), (0.98362, "0.984"), (43.21, "43.2")],
)
def test_numbers_are_shown_with_the_digits_that_matter(value, shown):
    assert number(value) == shown


def test_missing_and_infinite_numbers_are_said_to_be_so():
    assert [number(value) for value in (float("nan"), float("inf"))] == ["n/a", "∞"]


def test_what_is_not_quite_all_is_never_rounded_to_it():
    assert [percent(share) for share in (0.999999, 1.0, 0.5)] == ["> 99.99 %", "100.00 %", "50.00 %"]


def test_the_own_row_comes_first_and_unknown_rows_last():
    assert ordered(["zebra", "oracle", "synthetic", "real-only"]) == ["synthetic", "real-only", "oracle", "zebra"]


def test_durations_are_readable():
    assert [duration(seconds) for seconds in (3.21, 119.7, 7300)] == ["3.2 s", "2 min 0 s", "2 h 1 min"]


def case(label: int, probability: float) -> Case:
    image = np.zeros((1, 8, 8))
    return Case(name=f"{label} {probability}", image=image, label=label, probability=probability, threshold=0.2)


CASES = [case(1, 0.9), case(0, 0.7), case(1, 0.05), case(0, 0.01), case(1, 0.5), case(0, 0.19), case(1, 0.001)]


def test_cases_are_sorted_by_how_sure_the_classifier_was_of_each_outcome():
    assert [one.probability for one in surest(CASES, "hit")] == [0.9, 0.5]
    assert [one.probability for one in surest(CASES, "miss")] == [0.001, 0.05]
    assert [one.probability for one in surest(CASES, "false alarm")] == [0.7]
    assert [one.probability for one in surest(CASES, "cleared")] == [0.01, 0.19]
    assert [strip["caption"] for strip in front_cases(CASES)] == ["Hits: 2", "Misses: 2", "False alarms: 1"]
    assert [len(strip["images"]) for strip in mistakes(CASES)] == [2, 1]
    assert front_cases([]) == []


def test_every_image_has_a_row_with_probability_decision_and_flag():
    rows = case_rows(CASES)
    assert rows[0] == ("1 0.9", "positive", "0.9000", "positive", "")
    assert rows[1][3:] == ("positive", "false alarm")
    assert rows[2][3:] == ("negative", "missed")
    assert [row[0] for row in rows if "close call" in row[4]] == ["0 0.19"]
    assert case_rows([]) == []


def test_a_difference_map_is_black_where_equal_and_brightest_from_half_the_range_on():
    one = np.full((1, 4, 4), -1.0, dtype=np.float32)
    other = one.copy()
    other[0, 0, 0], other[0, 0, 1] = 0.0, 1.0
    found = difference_map(one, other).mean(axis=0)
    assert found.shape == (4, 4)
    assert found[3, 3] < -0.98
    assert found[0, 0] == found[0, 1] == found.max()
    assert np.array_equal(difference_map(one[0], other[0]), difference_map(one, other))


def test_the_first_rows_stand_beside_the_truth_or_else_the_nearest_real_image():
    image = np.zeros((1, 8, 8), dtype=np.float32)
    rows = [GalleryRow(source=image, synthetic=image, nearest=image, truth=image)] * 4
    kinds = [image["kind"] for image in front_gallery(rows)[0]["images"]]
    assert kinds == ["source", "synthetic", "true counterpart", "difference from the truth"]
    assert len(front_gallery(rows)) == 3
    unpaired = front_gallery([GalleryRow(source=image, synthetic=image, nearest=image)])[0]["images"]
    assert [one["kind"] for one in unpaired][2:] == ["nearest real", "difference from the nearest real"]


def test_an_empty_map_says_so(text):
    assert "(empty)" in text
    assert "has no color because no feature of that network speaks for" in text


def test_nothing_is_shown_as_python_prints_it_and_every_work_is_cited_once(tmp_path):
    plugins = [{"kind": "generator", "name": "unit"}, {"kind": "classifier", "name": "lsnet"}]
    shown = [("plugins", "generator unit, classifier lsnet"), ("seeds", "1, 2")]
    assert flat({"plugins": plugins, "seeds": [1, 2]}) == shown
    paper = "Efficient endometrial carcinoma screening via cross-modal synthesis and gradient distillation, 2026"
    content = ReportContent(title="t", run={"plugins": plugins}, references=[paper, f"A, 2020; {paper}.", "A, 2020"])
    text = write_report(tmp_path, content).read_text()
    assert "{&#39;" not in text
    assert (text.count(paper), text.count("A, 2020.")) == (1, 1)


def test_curves_of_several_trainings_and_of_both_directions_share_panels():
    one = {"cycle_a": [1.0], "cycle_b": [2.0], "cycle_consistency": [3.0], "domain": [4.0]}
    assert curve_panels({"generator": one}) == {
        "cycle": {"a": [1.0], "b": [2.0]},
        "cycle_consistency": {"": [3.0]},
        "domain": {"": [4.0]},
    }
    found = curve_panels({"synthetic": {"loss": [1.0]}, "real-only": {"loss": [2.0]}})
    assert found == {"loss": {"with synthetic images": [1.0], "real images only": [2.0]}}


def test_a_page_with_many_large_images_stays_below_15_megabytes(tmp_path):
    noise = np.random.default_rng(0).uniform(-1, 1, (3, 3, 400, 400)).astype(np.float32)
    content = ReportContent(
        title="t",
        gallery=[GalleryRow(source=noise[0], synthetic=noise[1], nearest=noise[2], truth=noise[2])] * 8,
        importance=[ImportanceRow(image=noise[0], overlays={"a": noise[1], "b": noise[2]})] * 4,
        cases=[
            Case(name=str(k), image=noise[k % 3], label=k % 2, probability=0.5, threshold=k % 3 / 2) for k in range(60)
        ],
    )
    assert write_report(tmp_path, content).stat().st_size < 15_000_000


def test_tables_fit_and_closed_chapters_are_not_printed_as_the_style_says(text):
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert "nowrap" not in style
    assert "min-width: calc" not in style
    assert re.search(r"@media screen and \(max-width: 40rem\) \{\s+table\.stacked thead", style)
    printed = style.partition("@media print")[2]
    assert re.search(r"section:has\(> \.chapter:not\(\[open\]\)\) \{ display: none", printed)
    assert "<details open" not in text


def test_the_answer_says_what_the_gain_was_in_one_sentence():
    def answer(value: float, low: float, high: float, p_value: float) -> str:
        found = Gain(
            against="real-only", value=value, low=low, high=high, p_value=p_value, differences=(value,), patients=9
        )
        scores = [score("roc_auc", "synthetic", 0.9), score("roc_auc", "real-only", 0.9 - value)]
        return verdict(scores, [found]).answer

    assert answer(0.03, 0.01, 0.05, 0.001) == "Synthetic images raised AUC by 0.03 (0.01 to 0.05)."
    assert answer(-0.03, -0.05, -0.01, 0.001) == "Synthetic images lowered AUC by 0.03 (0.01 to 0.05)."
    assert answer(0.01, -0.02, 0.04, 0.5) == "Whether synthetic images change AUC is open: +0.01 (-0.02 to +0.04)."
    assert verdict([]).answer == ""
