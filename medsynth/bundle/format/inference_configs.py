"""The configs of a bundle: MONAI, Ignite and torch components only.

``inference.json`` and ``translate.json`` beside this file are what is written, but for the network and its
preprocessing. In the latter the range is shifted by half a grey level, because the writer cuts off decimals; images
are transposed, because it expects columns first; and metadata are dropped once more, because empty ones, which the
steps before attach, would win over the file name. In both, metadata are dropped before the network, which they slow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from medsynth.base.errors import RunError

LOGGING = (files(__package__) / "logging.conf").read_text(encoding="utf-8")


def inference_config(
    target: str,
    arguments: Mapping[str, Any],
    preprocessing: Sequence[Mapping[str, Any]],
    *,
    temperature: float = 1.0,
) -> dict[str, Any]:
    """Return configs/inference.json: classify a folder, write ``eval/predictions.csv``.

    Each line of that file is ``name,probability of the positive class`` without a header, the name relative to
    ``dataset_dir``.

    Args:
        target: dotted path of the classifier's class.
        arguments: its keyword arguments.
        preprocessing: MONAI transforms as configs, for the key ``image``.
        temperature: logits are divided by it.

    Raises:
        RunError: a transform or an argument cannot be carried by a plain MONAI config.
    """
    change = "" if temperature == 1.0 else f"$lambda logits: logits / {temperature!r}"
    return _config("inference", target, arguments, preprocessing, change)


def translate_config(
    target: str,
    arguments: Mapping[str, Any],
    preprocessing: Sequence[Mapping[str, Any]],
    *,
    middle: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Return configs/translate.json: translate a folder, write 8-bit PNG files into ``eval/translated``.

    Args and errors as in `inference_config`, for the generator. Of a network that translates stacks of slices, `middle`
    is the first channel of the slice to write, and the number of its channels.
    """
    change = "" if middle is None else f"$lambda x: x[{middle[0]}:{sum(middle)}]"
    return _config("translate", target, arguments, preprocessing, change)


def _config(
    name: str, target: str, arguments: Mapping[str, Any], preprocessing: Sequence[Mapping[str, Any]], change: str
) -> dict[str, Any]:
    """Return a config with its network, its preprocessing, and what is done first with the network's output."""
    refuse_evaluated(arguments, "the network's arguments")
    for transform in preprocessing:
        refuse_foreign(transform)
    config: dict[str, Any] = json.loads((files(__package__) / f"{name}.json").read_text(encoding="utf-8"))
    config["network_def"] = {"_target_": target, **arguments}
    config["preprocessing"]["transforms"][:0] = preprocessing
    if change:
        config["postprocessing"]["transforms"].insert(0, {"_target_": "Lambdad", "keys": "pred", "func": change})
    return config


def refuse_evaluated(value: Any, where: str) -> None:
    """Refuse text that a MONAI config would evaluate instead of passing it on.

    Raises:
        RunError: naming the text.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            refuse_evaluated(key, where)
            refuse_evaluated(inner, where)
    elif isinstance(value, list | tuple):
        for inner in value:
            refuse_evaluated(inner, where)
    elif isinstance(value, str) and (value.startswith(("$", "@", "%", "_target_", "_requires_")) or "@" in value):
        raise RunError(f"{where} hold {value!r}, which a MONAI config would evaluate")


def refuse_foreign(transform: Mapping[str, Any]) -> None:
    """Refuse a transform that is no MONAI component.

    Raises:
        RunError: naming it.
    """
    target = transform.get("_target_", "")
    if not isinstance(target, str) or ("." in target and not target.startswith("monai.")):
        raise RunError(f"the preprocessing step {target!r} is no MONAI component; a bundle could not run it")
