"""docs/README.md, the model card; README.md, the same for the hub; and LICENSE."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata as distributions
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from medsynth.api import Score
from medsynth.bundle.format.hub_card import hub_card
from medsynth.bundle.format.versions import install_command, installed
from medsynth.bundle.writing.contents import BundleContents
from medsynth.bundle.writing.metadata import INTENDED_USE, eval_metrics, kept_scores, references, required_packages
from medsynth.data.formats.otherwise import READ_OTHERWISE


def license_text() -> str:
    """Return medsynth's license, or its standard notice where the installation has no full text."""
    beside = Path(__file__).parents[3] / "LICENSE"
    if beside.is_file() and "Apache License" in (text := beside.read_text(encoding="utf-8")):
        return text
    try:
        text = distributions.distribution("medsynth-monai").read_text("licenses/LICENSE") or ""
    except distributions.PackageNotFoundError:
        text = ""
    return text if "Apache License" in text else _part("license_notice.txt")


def model_card(contents: BundleContents) -> str:
    """Return docs/README.md: how to run the bundle, what it is worth, what it was trained on, what it is not for."""
    plain = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    return plain.from_string(_part("card.md")).render(
        contents=contents,
        intended_use=INTENDED_USE,
        install=install_command({name: installed(name) for name in ("monai", "torch")} | required_packages()),
        read_otherwise=READ_OTHERWISE,
        references=references(contents),
        scores=kept_scores(contents),
        shown=_value,
    )


def hub_page(contents: BundleContents, card: str, license_text: str) -> str:
    """Return README.md: the model card `card` with the YAML that the Hugging Face hub reads."""
    plan_data = contents.plan.get("data", {})
    return hub_card(
        card,
        name=contents.name,
        figures=eval_metrics(contents),
        plugins=[plugin.name for plugin in contents.plugins if plugin.kind in ("generator", "classifier")],
        phantom=isinstance(plan_data, Mapping) and plan_data.get("path") == "phantom",
        license_text=license_text,
    )


def _part(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _value(score: Score) -> str:
    value = f"{score.value:.4g}" + (f" {score.unit}" if score.unit else "")
    return value if score.low is None or score.high is None else f"{value} ({score.low:.4g} to {score.high:.4g})"
