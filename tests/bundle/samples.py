"""Bundles for the audit's tests: a harmless one, to which each sample adds one hostile thing."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medsynth.bundle.format.inference_configs import LOGGING

NETWORK = {
    "_target_": "UNet",
    "spatial_dims": 2,
    "in_channels": 1,
    "out_channels": 2,
    "channels": [8, 16],
    "strides": [2],
}
INFERENCE: dict[str, Any] = {
    "imports": ["$import glob", "$import os"],
    "bundle_root": ".",
    "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
    "images": "$sorted(glob.glob(os.path.join(@bundle_root, 'samples', '*.png')))",
    "network_def": NETWORK,
    "network": "$@network_def.to(@device)",
    "preprocessing": {"_target_": "Compose", "transforms": [{"_target_": "LoadImaged", "keys": "image"}]},
    "dataset": {"_target_": "Dataset", "data": "$[{'image': i} for i in @images]", "transform": "@preprocessing"},
    "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1},
    "inferer": {"_target_": "SimpleInferer"},
    "evaluator": {"_target_": "SupervisedEvaluator", "device": "@device", "network": "@network", "inferer": "@inferer"},
    "run": ["$@evaluator.run()"],
}


def files(**extra: Any) -> dict[str, bytes]:
    """Return the files of a harmless bundle; `extra` are further entries of its inference config."""
    return {
        "configs/inference.json": json.dumps({**INFERENCE, **extra}).encode(),
        "configs/metadata.json": json.dumps({"version": "0.1.0", "references": ["https://example.org/a"]}).encode(),
        "configs/logging.conf": LOGGING.encode(),
        "LICENSE": b"Apache",
        "docs/README.md": b"See https://example.org",
    }


def write(folder: Path, contents: Mapping[str, bytes]) -> Path:
    """Write files below a folder."""
    for name, data in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def zipped(path: Path, contents: Mapping[str, bytes], *, root: str = "bundle/") -> Path:
    """Write files into a zip file below one folder."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in contents.items():
            archive.writestr(root + name, data)
    return path
