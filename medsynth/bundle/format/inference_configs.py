"""The configs of a bundle: MONAI, Ignite and torch components only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from medsynth.base.errors import RunError

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".nii", ".nii.gz", ".dcm")

LOGGING = """\
[loggers]
keys=root

[handlers]
keys=consoleHandler

[formatters]
keys=fullFormatter

[logger_root]
level=INFO
handlers=consoleHandler

[handler_consoleHandler]
class=StreamHandler
level=INFO
formatter=fullFormatter
args=(sys.stdout,)

[formatter_fullFormatter]
format=%(asctime)s - %(name)s - %(levelname)s - %(message)s
"""


@dataclass(frozen=True)
class _Task:
    """What differs between classifying and translating.

    Args:
        weights: file below ``models/``.
        inputs, outputs: default folders below the bundle.
        item: expression that turns a `path` into a data item.
    """

    weights: str
    inputs: str
    outputs: str
    item: str
    postprocessing: tuple[Mapping[str, Any], ...]
    handlers: tuple[Mapping[str, Any], ...] = ()


_CLASSIFY = _Task(
    weights="model.pt",
    inputs="samples/target",
    outputs="eval",
    item="{'image': path, 'name': os.path.relpath(path, @dataset_dir)}",
    postprocessing=({"_target_": "Activationsd", "keys": "pred", "softmax": True},),
    handlers=(
        {
            "_target_": "ClassificationSaver",
            "output_dir": "@output_dir",
            "filename": "predictions.csv",
            "batch_transform": "$lambda batch: [{'filename_or_obj': item['name']} for item in batch]",
            "output_transform": "$lambda output: [item['pred'][1:2] for item in output]",
        },
    ),
)
_HALF = 0.5 / 255
_TRANSLATE = _Task(
    weights="translator.pt",
    inputs="samples/source",
    outputs="eval/translated",
    item="{'image': path, 'pred_meta_dict': {'filename_or_obj': path}}",
    postprocessing=(
        # The writer cuts off decimals; shifting the range by half a grey level makes it round.
        {
            "_target_": "ScaleIntensityRanged",
            "keys": "pred",
            "a_min": -1.0,
            "a_max": 1.0,
            "b_min": _HALF,
            "b_max": 1 + _HALF,
            "clip": True,
        },
        # The writer expects columns first, networks have rows first.
        {"_target_": "Transposed", "keys": "pred", "indices": [0, 2, 1]},
        # The steps above attach empty metadata, which would win over the file name below.
        {"_target_": "EnsureTyped", "keys": "pred", "track_meta": False},
        {
            "_target_": "SaveImaged",
            "keys": "pred",
            "meta_keys": "pred_meta_dict",
            "output_dir": "@output_dir",
            "output_ext": ".png",
            "output_postfix": "translated",
            "data_root_dir": "@dataset_dir",
            "writer": "PILWriter",
            "scale": 255,
            "resample": False,
            "separate_folder": False,
            "print_log": False,
        },
    ),
)


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
    if temperature == 1.0:
        return _config(_CLASSIFY, target, arguments, preprocessing)
    scale = {"_target_": "Lambdad", "keys": "pred", "func": f"$lambda logits: logits / {temperature!r}"}
    task = replace(_CLASSIFY, postprocessing=(scale, *_CLASSIFY.postprocessing))
    return _config(task, target, arguments, preprocessing)


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
    if middle is None:
        return _config(_TRANSLATE, target, arguments, preprocessing)
    first, count = middle
    cut = {"_target_": "Lambdad", "keys": "pred", "func": f"$lambda x: x[{first}:{first + count}]"}
    return _config(
        replace(_TRANSLATE, postprocessing=(cut, *_TRANSLATE.postprocessing)), target, arguments, preprocessing
    )


def _config(
    task: _Task, target: str, arguments: Mapping[str, Any], preprocessing: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return a config in the order in which a reader needs its parts."""
    refuse_evaluated(arguments, "the network's arguments")
    for transform in preprocessing:
        refuse_foreign(transform)
    return {
        "imports": ["$import os", "$import pathlib"],
        "bundle_root": ".",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "dataset_dir": f"$@bundle_root + '/{task.inputs}'",
        "output_dir": f"$@bundle_root + '/{task.outputs}'",
        **_data(task, preprocessing),
        "network_def": {"_target_": target, **arguments},
        "network": "$@network_def.to(@device)",
        **_engine(task),
        "initialize": ["$monai.utils.set_determinism(seed=0)"],
        "run": ["$@evaluator.run()"],
    }


def _data(task: _Task, preprocessing: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    # Metadata are dropped before the network: they slow it down and are not needed after the last spatial transform.
    last = {"_target_": "EnsureTyped", "keys": "image", "dtype": "$torch.float32", "track_meta": False}
    return {
        "suffixes": list(SUFFIXES),
        "files": "$sorted(str(path) for path in pathlib.Path(@dataset_dir).rglob('*')"
        " if path.name.lower().endswith(tuple(@suffixes)))",
        "items": f"$[{task.item} for path in @files]",
        "preprocessing": {"_target_": "Compose", "transforms": [*preprocessing, last]},
        "dataset": {"_target_": "Dataset", "data": "@items", "transform": "@preprocessing"},
        "dataloader": {
            "_target_": "DataLoader",
            "dataset": "@dataset",
            "batch_size": 1,
            "shuffle": False,
            "num_workers": 0,
        },
    }


def _engine(task: _Task) -> dict[str, Any]:
    loader = {
        "_target_": "CheckpointLoader",
        "load_path": f"$@bundle_root + '/models/{task.weights}'",
        "load_dict": {"model": "@network"},
        "map_location": "@device",
    }
    return {
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": {"_target_": "Compose", "transforms": list(task.postprocessing)},
        "handlers": [loader, *task.handlers],
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "val_handlers": "@handlers",
            "amp": False,
        },
    }


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
