"""Print a Markdown table of finished runs that differ in their generator: one row a run.

for generator in cyclegan unit munit dclgan sg-cyclegan; do
    medsynth run --generator $generator --classifier mobilenet-v2 --seeds 42,142,242 --out phantom/$generator
done
python benchmarks/generators.py phantom/*
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

COLUMNS = {
    "KID": ("image-quality", "kid", "synthetic", "{:.3f}"),
    "FID": ("image-quality", "fid", "synthetic", "{:.0f}"),
    "FID floor": ("image-quality", "fid", "real", "{:.0f}"),
    "edges": ("structure", "edge_agreement", "synthetic", "{:.3f}"),
    "SSIM": ("structure", "ssim", "synthetic", "{:.3f}"),
    "PSNR, dB": ("structure", "psnr", "synthetic", "{:.2f}"),
    "AUC synthetic": ("diagnostic", "roc_auc", "synthetic", "{:.3f}"),
    "AUC real-only": ("diagnostic", "roc_auc", "real-only", "{:.3f}"),
    "parameters": ("efficiency", "parameters", "generator", "{:,.0f}"),
}


def cell(scores: list[dict[str, Any]], column: str) -> str:
    """Return a score as text, with its interval where it has one; - where the run has no such score."""
    evaluator, name, subject, form = COLUMNS[column]
    for score in scores:
        if (score["evaluator"], score["name"], score["subject"]) == (evaluator, name, subject):
            text = form.format(score["value"])
            if score["low"] is None:
                return text
            return f"{text} ({form.format(score['low'])} to {form.format(score['high'])})"
    return "-"


def seconds_per_step(folder: Path, plan: dict[str, Any], record: dict[str, Any]) -> str:
    """Return the generator stage's mean seconds per step over the seeds, looks at validation images included."""
    histories = sorted(folder.glob("**/generator/history.json"))
    steps = plan["generator"]["epoch_steps"] * plan["generator"]["epochs"] * len(histories)
    seconds = sum(stage["seconds"] for name, stage in record["stages"].items() if name.endswith("generator"))
    return f"{seconds / steps:.3f}" if steps else "-"


def main() -> None:
    """Print the table of the folders named on the command line."""
    names = ["generator", *COLUMNS, "s/step"]
    print("| " + " | ".join(names) + " |\n|" + " --- |" * len(names))
    for folder in map(Path, sys.argv[1:]):
        plan = tomllib.loads((folder / "plan.toml").read_text())
        record = json.loads((folder / "run.json").read_text())
        scores = json.loads((folder / "scores.json").read_text())["scores"]
        cells = [cell(scores, column) for column in COLUMNS]
        print("| " + " | ".join([plan["generator"]["name"], *cells, seconds_per_step(folder, plan, record)]) + " |")


if __name__ == "__main__":
    main()
