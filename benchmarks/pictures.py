"""Make the pictures of the README and the docs from a finished run.

    python benchmarks/pictures.py [RUN] [--out docs/pictures]
    python benchmarks/pictures.py --study STUDY [--out docs/pictures]

RUN is the folder of a run that knows true counterparts, as those on the phantom do; default: the newest below runs/.
Written are ``hero-light.png`` and ``hero-dark.png``, the diagrams, and, if a Chromium is on the PATH, the first screen
of the report as ``report.webp``. Which patients are shown is a rule, not a choice: see `median_cases`.

STUDY is the folder of a finished study of generators. Written are ``generators-light.png`` and ``generators-dark.png``:
what each row made of the first positive and the first negative source image in the study's report.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from diagrams import DARK, LIGHT, drawn
from PIL import Image

from medsynth.data.png import to_bytes
from medsynth.results.reading import read_run
from medsynth.results.run_images import translations_of
from medsynth.studies.page import IMAGES

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SCREEN = (1280, 900)


@dataclass(frozen=True)
class Shown:
    """One held-out patient: (H, W) or (H, W, 3) images of 8 bits."""

    label: int
    source: np.ndarray
    synthetic: np.ndarray
    truth: np.ndarray
    heatmap: np.ndarray


@dataclass(frozen=True)
class Strip:
    """A row of a picture: (H, W) or (H, W, 3) images of 8 bits by their titles, and what they are of."""

    label: str
    images: Mapping[str, np.ndarray]


def newest_run(folder: Path) -> Path:
    """Return the run below `folder` whose report was written last."""
    reports = sorted(folder.glob("**/report.html"), key=lambda path: path.stat().st_mtime)
    runs = [path.parent for path in reports if (path.parent / "evaluation/translated/manifest.csv").exists()]
    if not runs:
        raise SystemExit(f"error: there is no finished run below {folder}\nMake one with `make demo`, or name a run.")
    return runs[-1]


def median_cases(run: Path) -> list[dict[str, str]]:
    """Return the held-out source image of either class that is translated neither better nor worse than most.

    Positive first. That is the one with the median error: the mean absolute difference of the translation and the
    true counterpart.
    """
    pairs = {row["image"]: row["pair"] for row in _rows(run / "data/manifest.csv")}
    chosen = []
    for label in ("1", "0"):
        found = []
        for row in _rows(run / "evaluation/translated/manifest.csv"):
            truth = pairs.get(row["source"], "")
            if row["label"] == label and truth:
                made, true = _pixels(run / "evaluation/translated" / row["image"]), _pixels(run / "data" / truth)
                found.append((float(np.abs(made.astype(float) - true).mean()), row | {"truth": truth}))
        if found:
            chosen.append(sorted(found, key=lambda pair: pair[0])[len(found) // 2][1])
    if not chosen:
        raise SystemExit(
            f"error: {run} knows no true counterparts\nName a run on the phantom, such as that of `make demo`."
        )
    return chosen


def shown(run: Path) -> list[Shown]:
    """Return images of the median cases, with Grad-CAM of the run's classifier on the true counterpart."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = median_cases(run)
        for number, case in enumerate(cases):
            shutil.copy(run / "data" / case["truth"], folder / f"{number}.png")
        images = [str(folder / f"{number}.png") for number in range(len(cases))]
        written = ["--out", str(folder / "table.csv"), "--heatmaps", str(folder / "maps")]
        predict([str(run), *images, "--runtime", "pytorch", *written])
        return [
            Shown(
                label=int(case["label"]),
                source=_pixels(run / "data" / case["source"]),
                synthetic=_pixels(run / "evaluation/translated" / case["image"]),
                truth=_pixels(run / "data" / case["truth"]),
                heatmap=_pixels(folder / f"maps/{number}.png.gradcam.png"),
            )
            for number, case in enumerate(cases)
        ]


def hero(rows: Sequence[Shown]) -> list[Strip]:
    """Return the rows of the picture that README and docs begin with."""
    return [
        Strip(
            "positive" if case.label else "negative",
            {
                "source": case.source,
                "synthetic": case.synthetic,
                "truth": case.truth,
                "where the classifier looks": case.heatmap,
            },
        )
        for case in rows
    ]


def generators(study: Path) -> list[Strip]:
    """Return what a study's rows made of one positive and one negative image, with the first seed that all have."""
    known = [row for row in json.loads((study / "study.json").read_text())["rows"] if row["subject"] == "synthetic"]
    seed = next(seed for seed in known[0]["runs"] if all(seed in row["runs"] for row in known))
    runs = {row["label"]: read_run(study / row["runs"][seed])[0] for row in known}
    found = translations_of(runs, IMAGES)
    chosen = [image for label in (1, 0) for image in [one for one in found if one.label == label][:1]]
    return [
        Strip(
            "positive" if image.label else "negative",
            {
                name: to_bytes(array)[0]
                for name, array in (("source", image.source), *image.made.items(), ("truth", image.truth))
                if array is not None
            },
        )
        for image in chosen
    ]


def write_strips(rows: Sequence[Strip], path: Path, ink: str, *, side: float = 2.1) -> None:
    """Draw rows of images on a transparent ground, with words in the color `ink`; `side` inches an image."""
    from matplotlib.figure import Figure

    top, left = 0.3, 0.3  # inches
    names = list(rows[0].images)
    width, height = side * len(names), (side + 0.02) * len(rows) + top
    figure = Figure(figsize=(width, height), dpi=150)
    for row, strip in enumerate(rows):
        for column, image in enumerate(strip.images.values()):
            axes = figure.add_subplot(len(rows), len(names), row * len(names) + column + 1)
            axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
            if row == 0:
                axes.set_title(names[column], color=ink, fontsize=11)
            if column == 0:
                axes.set_ylabel(strip.label, color=ink, fontsize=11)
    figure.subplots_adjust(left=left / width, right=0.995, top=1 - top / height, bottom=0.01, wspace=0.03, hspace=0.04)
    figure.savefig(path, transparent=True)
    with Image.open(path) as picture:  # a palette makes the file three times smaller
        small = picture.convert("RGBA").quantize(128, method=Image.Quantize.FASTOCTREE)
    small.save(path, optimize=True)


def write_report(run: Path, path: Path) -> bool:
    """Photograph the report's first screen; return whether there is a browser for it."""
    browser = next((found for name in NAMES if (found := shutil.which(name))), None)
    if browser is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        taken = Path(folder) / "screen.png"
        size = f"--window-size={SCREEN[0]},{SCREEN[1]}"
        switches = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            size,
            f"--user-data-dir={folder}/profile",
        ]
        page = (run / "report.html").resolve().as_uri()
        subprocess.run(
            [browser, *switches, f"--screenshot={taken}", page], check=True, capture_output=True, timeout=120
        )
        with Image.open(taken) as picture:
            picture.convert("RGB").save(path, quality=80, method=6)
    return True


def write_pictures(run: Path, out: Path) -> list[str]:
    """Write all pictures of a run into a folder; return their names."""
    out.mkdir(parents=True, exist_ok=True)
    rows = shown(run)
    for shade, colors in (("light", LIGHT), ("dark", DARK)):
        write_strips(hero(rows), out / f"hero-{shade}.png", colors.ink)
    for name, text in drawn().items():
        (out / name).write_text(text, encoding="utf-8")
    taken = write_report(run, out / "report.webp")
    return ["hero-light.png", "hero-dark.png", *drawn(), *(["report.webp"] if taken else [])]


def write_generators(study: Path, out: Path) -> list[str]:
    """Write the picture of a study's generators into a folder; return the files' names."""
    out.mkdir(parents=True, exist_ok=True)
    rows = generators(study)
    shades = {f"generators-{shade}.png": colors for shade, colors in (("light", LIGHT), ("dark", DARK))}
    for name, colors in shades.items():
        write_strips(rows, out / name, colors.ink, side=1.4)
    return list(shades)


def predict(arguments: Sequence[str]) -> None:
    """Do `medsynth predict`."""
    subprocess.run([sys.executable, "-m", "medsynth", "predict", *arguments], check=True, capture_output=True)


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB" if image.mode in ("RGB", "P", "RGBA") else "L"))


def main() -> None:
    """Read the options and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?", help="folder of a finished run")
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--study", type=Path, help="folder of a finished study of generators, instead of a run")
    asked = parser.parse_args()
    run = asked.study or asked.run or newest_run(Path("runs"))
    print(f"from {run}")
    for name in write_generators(run, asked.out) if asked.study else write_pictures(run, asked.out):
        print(f"  {asked.out / name}: {(asked.out / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
