"""A bundle's translator, rebuilt from the bundle alone: its network code, weights and preprocessing."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medsynth.bundle.configs import refuse_evaluated
from medsynth.data.config import DataConfig
from medsynth.data.formats import Format
from medsynth.data.readers import Chain, DomainInfo, preprocessing_config
from medsynth.errors import InputError, RunError
from medsynth.files import sha256

_CONFIG = "configs/translate.json"
_WEIGHTS = "models/translator.pt"
_PACKAGE = re.compile(r"medsynth_[0-9a-f]{8}")
_KINDS = {"PILReader": "raster", "NibabelReader": "nifti", "ITKReader": "dicom"}


@dataclass(frozen=True, kw_only=True)
class Translator:
    """What a bundle translates with.

    Args:
        name, version: of the bundle, for provenance.
        digest: sha256 of its medsynth.json, which lists the hashes of all its files.
        generator: name of the plugin that was trained.
        config: size, channels, fit and intensity of its source images. ``auto`` means the 8-bit range for 8-bit
            files and percentiles for others.
        network: in evaluation mode on `device`.
        device: where it computes.
    """

    name: str
    version: str
    digest: str
    generator: str
    config: DataConfig
    network: nn.Module
    device: str

    def translate(self, images: Tensor) -> Tensor:
        """Translate (B, C, H, W) float32 images in [-1, 1]; the result is on the CPU and has the same shape.

        Raises:
            RunError: the network returns another shape.
        """
        with torch.inference_mode():
            result: Tensor = self.network(images.to(self.device)).float().cpu()
        if result.shape != images.shape:
            raise RunError(f"the network turned shape {tuple(images.shape)} into {tuple(result.shape)}")
        return result.clamp(-1.0, 1.0)


def bundle_folder(path: Path) -> Path:
    """Return the bundle at `path`: itself, or the bundle of the run that lies there.

    Raises:
        InputError: neither is there, or the bundle was not made by medsynth.
    """
    if not path.is_dir():
        raise InputError(f"bundle {path} is not a folder", hint="Give the folder `bundle` of a run, or the run's.")
    for folder in (path, path / "bundle"):
        if (folder / "medsynth.json").is_file() and (folder / _CONFIG).is_file():
            return folder
    if (path / "configs").is_dir():
        hint = "Other bundles run with: python -m monai.bundle run"
        raise InputError(f"bundle {path} was not made by medsynth (it has no medsynth.json)", hint=hint)
    raise InputError(f"{path} holds no bundle", hint="Give the folder `bundle` of a run, or the run's.")


def load_translator(path: Path, device: str) -> Translator:
    """Rebuild a bundle's translator. This executes the Python files of the bundle.

    Every file that is used must have the hash that the bundle lists. That finds damage and accidental changes; it
    is no protection against somebody who changes the list too.

    Args:
        path: folder of a bundle, or of a run that has one.
        device: ``cpu``, ``cuda`` or ``mps``.

    Raises:
        InputError: no bundle made by medsynth, a damaged one, or one this version cannot read.
    """
    root = bundle_folder(path)
    origin, config = _json(root / "medsynth.json"), _json(root / _CONFIG)
    try:
        definition = dict(config["network_def"])
        target = definition.pop("_target_")
        chain = config["preprocessing"]["transforms"][:-1]
        metadata = _json(root / "configs/metadata.json")
        name, version = str(metadata["name"]), str(metadata["version"])
        _check_files(root, origin["files"], target.partition(".")[0])
        refuse_evaluated(definition, f"{_CONFIG}, network_def")
        data = _data_config(chain, str(origin.get("plan", {}).get("data", {}).get("intensity", "auto")))
        network = _network(root, target, definition)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, RuntimeError, ImportError, RunError) as error:
        hint = "Copy it again, or export it again with the version of medsynth that is installed here."
        raise InputError(f"bundle {root} cannot be used: {type(error).__name__}: {error}", hint=hint) from error
    plugins = [plugin for plugin in origin.get("plugins", ()) if plugin.get("kind") == "generator"]
    return Translator(
        name=name,
        version=version,
        digest=sha256(root / "medsynth.json"),
        generator=plugins[0]["name"] if plugins else "",
        config=data,
        network=network.to(device).eval(),
        device=device,
    )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint="Copy the bundle again.") from error


def _check_files(root: Path, listed: Mapping[str, str], package: str) -> None:
    if not _PACKAGE.fullmatch(package):
        raise ValueError(f"{_CONFIG} names the network package {package!r}, which medsynth would not")
    code = {path.relative_to(root).as_posix() for path in (root / package).rglob("*.py")}
    used = code | {_CONFIG, _WEIGHTS, "configs/metadata.json"}
    used |= {name for name in listed if name.startswith(f"{package}/")}
    for name in sorted(used):
        if not (root / name).is_file():
            raise ValueError(f"{name} is missing")
        if sha256(root / name) != listed.get(name):
            raise ValueError(f"{name} was changed after the bundle was written")


def _network(root: Path, target: str, arguments: Mapping[str, Any]) -> nn.Module:
    package = target.partition(".")[0]
    module, _, name = target.rpartition(".")
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # a bundle stays as it is
    try:
        # The package's name is the hash of its code, so one that is loaded already holds the same code.
        if package not in sys.modules:
            _import_package(package, root / package)
        network: nn.Module = getattr(importlib.import_module(module), name)(**arguments)
    finally:
        sys.dont_write_bytecode = written
    network.load_state_dict(torch.load(root / _WEIGHTS, map_location="cpu", weights_only=True))
    return network


def _import_package(name: str, folder: Path) -> None:
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} is no Python package")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[name] = module


def _data_config(chain: Sequence[Mapping[str, Any]], asked: str) -> DataConfig:
    """Return the config that gives exactly the bundle's preprocessing, so that it can be given for other formats.

    Args:
        chain: the bundle's transforms for one source file.
        asked: ``data.intensity`` of the run; ``range`` there means the 8-bit range for every file.

    Raises:
        InputError: this version of medsynth would preprocess in another way.
    """
    by_name = {str(step["_target_"]).rpartition(".")[2]: step for step in chain}
    info = DomainInfo(eight_bit="ScaleIntensityRanged" in by_name)
    intensity = "percentile" if not info.eight_bit else ("range" if asked == "range" else "auto")
    size = by_name["Resized"]["spatial_size"]
    fit, size = ("stretch", size[0]) if isinstance(size, list) else ("pad", size)
    for channels in (1, 3):
        config = DataConfig(size=size, channels=channels, fit=fit, intensity=intensity)
        if json.loads(json.dumps(_same_kind(by_name, info, config))) == list(chain):
            return config
    hint = "Export it again, or run its configs/translate.json with: python -m monai.bundle run"
    raise InputError("the bundle's preprocessing is not one that this version of medsynth makes", hint=hint)


def _same_kind(by_name: Mapping[str, Mapping[str, Any]], info: DomainInfo, config: DataConfig) -> Chain:
    kind: Any = _KINDS.get(by_name["LoadImaged"]["reader"], "")
    index = by_name["SpatialCropd"]["roi_start"][2] if "SpatialCropd" in by_name else None
    axes = by_name["Orientationd"]["axcodes"] if "Orientationd" in by_name else ""
    return preprocessing_config(info, config, Format(kind, 0 if index is None else index + 1, axes), index)
