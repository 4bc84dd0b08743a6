"""configs/evaluate.json: classify labeled images and say how well, with MONAI's own metrics."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

LABELED = "samples/labeled"
"""Default folder of labeled images; those of class 1 lie in its folder ``1``, all others in ``0``."""
_LABELS = "$lambda output: ([item['pred'][1:2] for item in output], [item['label'] for item in output])"
_DECISIONS = (
    "$lambda output: ([(item['pred'][1:2] >= @threshold).float() for item in output],"
    " [item['label'] for item in output])"
)


def evaluate_config(inference: Mapping[str, Any], *, threshold: float) -> dict[str, Any]:
    """Return configs/evaluate.json: classify a folder of labeled images, write ``eval/metrics.csv``.

    Args:
        inference: content of configs/inference.json.
        threshold: a probability at or above it is called positive.

    Returns:
        A config that computes the ROC AUC over all images, and sensitivity, specificity and accuracy at `threshold`.
    """
    config = copy.deepcopy(dict(inference))
    label = "torch.tensor([int(pathlib.Path(path).parent.name == '1')])"
    item = f"{{'image': path, 'name': os.path.relpath(path, @dataset_dir), 'label': {label}}}"
    config["dataset_dir"] = f"$@bundle_root + '/{LABELED}'"
    config["items"] = f"$[{item} for path in @files]"
    config["handlers"].append(
        {
            "_target_": "MetricsSaver",
            "save_dir": "@output_dir",
            "metrics": ["roc_auc", "sensitivity", "specificity", "accuracy"],
            "delimiter": ",",
        }
    )
    config["key_metric"] = {"roc_auc": {"_target_": "ROCAUC", "output_transform": _LABELS}}
    config["evaluator"] |= {
        "key_val_metric": "@key_metric",
        "additional_metrics": {
            name: {"_target_": "ConfusionMatrix", "metric_name": name, "output_transform": _DECISIONS}
            for name in ("sensitivity", "specificity", "accuracy")
        },
    }
    return {"threshold": threshold, **config}
