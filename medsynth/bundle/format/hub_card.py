"""README.md of a bundle: its model card with the head that the Hugging Face hub reads.

Source: https://huggingface.co/docs/hub/model-cards, and the model index of
https://github.com/huggingface/hub-docs/blob/main/modelcard.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

HUB_CARD = "README.md"
_TASKS = {"image-classification": "diagnostic", "image-to-image": "image-quality"}
"""The hub's name of what a network does, and the evaluator that measures it."""
_SUBJECT = "synthetic"
_NO_METRICS = ("threshold",)
_PLAIN = re.compile(r"[a-z][a-z0-9_]*(-[a-z0-9_.]+)*")
_WORDS_OF_YAML = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
_PHANTOM = {"type": "phantom", "name": "the simulated test images of medsynth's phantom"}
_OWN = {"type": "unpublished", "name": "held-out test images of the authors"}


def hub_card(
    card: str,
    *,
    name: str,
    figures: Mapping[str, Mapping[str, float]],
    plugins: Iterable[str],
    phantom: bool,
    license_text: str,
) -> str:
    """Return a model card with the YAML that the hub reads before it.

    Args:
        card: docs/README.md.
        name: of the bundle.
        figures: value, low, high and n by ``subject/evaluator/name``, as configs/metadata.json states them.
        plugins: names of generator and classifier.
        phantom: whether it was tested on the phantom.
        license_text: LICENSE.
    """
    results = list(_results(figures, _PHANTOM if phantom else _OWN))
    metrics = list(dict.fromkeys(metric["type"] for result in results for metric in result["metrics"]))
    head = {
        **_license(license_text),
        "library_name": "monai",
        "pipeline_tag": next(iter(_TASKS)),
        "tags": ["monai", "medical", "medsynth", *_TASKS, *dict.fromkeys(plugins)],
        **({"metrics": metrics, "model-index": [{"name": name, "results": results}]} if results else {}),
    }
    return "\n".join(["---", *_yaml(head), "---", "", card])


def _license(text: str) -> dict[str, str]:
    if "Apache License" in text and "Version 2.0" in text:
        return {"license": "apache-2.0"}
    return {"license": "other", "license_name": "see-license", "license_link": "LICENSE"}


def _results(figures: Mapping[str, Mapping[str, float]], dataset: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for task, evaluator in _TASKS.items():
        start = f"{_SUBJECT}/{evaluator}/"
        metrics = [
            {"type": what, "value": float(f"{figure['value']:.6g}"), "name": _named(what, figure)}
            for key, figure in figures.items()
            if (what := key.removeprefix(start)) != key and what not in _NO_METRICS and "value" in figure
        ]
        if metrics:
            yield {"task": {"type": task}, "dataset": {**dataset, "split": "test"}, "metrics": metrics}


def _named(what: str, figure: Mapping[str, float]) -> str:
    facts = [f"{figure['low']:.4g} to {figure['high']:.4g}"] if {"low", "high"} <= figure.keys() else []
    facts += [f"n = {figure['n']:.0f}"] if "n" in figure else []
    return f"{what} ({', '.join(facts)})" if facts else what


def _yaml(value: Mapping[str, Any] | list[Any], depth: int = 0) -> list[str]:
    """Return lines of YAML in block style; texts that could be anything else are quoted as JSON does."""
    indent, lines = "  " * depth, []
    entries = value.items() if isinstance(value, Mapping) else (("", item) for item in value)
    for key, inner in entries:
        start = f"{indent}{key}:" if isinstance(value, Mapping) else f"{indent}-"
        if not isinstance(inner, Mapping | list):
            lines.append(f"{start} {_scalar(inner)}")
        elif isinstance(value, Mapping):
            lines += [start, *_yaml(inner, depth + 1)]
        else:
            first, *rest = _yaml(inner, depth + 1)
            lines += [f"{start} {first.lstrip()}", *rest]
    return lines


def _scalar(value: str | float) -> str:
    if isinstance(value, float):  # YAML takes 1e-05 for a text
        digits, mark, power = repr(value).partition("e")
        return f"{digits}{'' if '.' in digits or not mark else '.0'}{mark}{power}"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value not in _WORDS_OF_YAML:
        return value
    return json.dumps(value, ensure_ascii=False)
