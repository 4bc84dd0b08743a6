"""What a bundle holds, rebuilt from the bundle alone: its facts, its preprocessing, its networks.

Importing this module does not import torch: runtimes that need no torch start in a fraction of the time.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from medsynth.base.errors import InputError, RunError
from medsynth.base.files import sha256
from medsynth.base.seals import read_sealed
from medsynth.bundle.format.manifest import MANIFEST, digest_of, read_manifest
from medsynth.bundle.opening.importing import import_vendored
from medsynth.bundle.opening.preprocessing import config_of
from medsynth.bundle.trust.snapshot import Snapshot
from medsynth.data.config import DataConfig
from medsynth.data.formats.windows import Window, from_facts

if TYPE_CHECKING:
    from torch import nn

    from medsynth.statistics.flags.reference import Reference

METADATA = "configs/metadata.json"
PROGRAM = "torch.jit.load"
"""What loads the network of a bundle in portable form."""
_AGAIN = "Copy the bundle again."
_GIVE = "Give the folder `bundle` of a run, or the run's, or a zip file of a bundle."
_PACKAGE = re.compile(r"medsynth_[0-9a-f]{8}")


@dataclass(frozen=True)
class Role:
    """One of a bundle's networks.

    Args:
        config: MONAI config that runs it.
        weights: its state dict.
        domain: of the images that it takes.
    """

    config: str
    weights: str
    domain: str


CLASSIFIER = Role("configs/inference.json", "models/model.pt", "target")
TRANSLATOR = Role("configs/translate.json", "models/translator.pt", "source")
RETURN = Role("configs/flags.json", "models/returning.pt", "target")
"""The way back, for flags; not every bundle has it."""
ROLES = {"classifier": CLASSIFIER, "translator": TRANSLATOR}


@dataclass(frozen=True)
class Opened:
    """A bundle made by medsynth.

    It is copied when it is first read, and only the copy is judged and used from then on. Every file that is used must
    have the hash that the bundle lists, and nothing of it is executed unless the list is trusted on this machine or the
    audit finds all of the bundle harmless.

    Args:
        root: its folder or zip file.
        role: the network that is wanted.
        snapshot: the bundle as it was when it was first read.
    """

    root: Path
    role: Role
    snapshot: Snapshot

    def in_role(self, role: Role) -> Opened:
        """Return the same copy of the bundle for another network."""
        return replace(self, role=role)

    @property
    def copy(self) -> Path:
        """Folder with the copy of all files."""
        return self.snapshot.folder

    @cached_property
    def origin(self) -> dict[str, Any]:
        """Content of medsynth.json, which carries a checksum of itself."""
        with self.snapshot.errors():
            return read_sealed(self.copy / MANIFEST, hint=_AGAIN)

    @cached_property
    def listed(self) -> dict[str, str]:
        """The sha256 of every other file by path, as medsynth.json lists them."""
        with self.snapshot.errors():
            return dict(read_manifest(self.copy)["files"])

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """Content of configs/metadata.json."""
        return dict(self.json(METADATA))

    @property
    def manifest(self) -> bytes:
        """Content of medsynth.json as it was written."""
        return (self.copy / MANIFEST).read_bytes()

    @property
    def digest(self) -> str:
        """sha256 of medsynth.json, which lists the hashes of all other files."""
        return digest_of(self.copy)

    def json(self, name: str) -> Any:
        """Return the content of a JSON file.

        Raises:
            InputError: it cannot be read.
        """
        with self.snapshot.errors():
            return read_json(self.copy / name)

    def data_config(self) -> DataConfig:
        """Return the config that gives exactly the bundle's preprocessing.

        ``auto`` means the 8-bit range for 8-bit files and percentiles for others. A window is that of the images
        that the role's network takes, for whichever domain; only a translator has neighbors.

        Raises:
            InputError: the bundle is damaged, or this version of medsynth would preprocess in another way.
        """
        with self._explained():
            chain = self.json(self.role.config)["preprocessing"]["transforms"][:-1]
            self._check([self.role.config, METADATA])
            asked = dict(self.origin.get("plan", {}).get("data", {}))
            if self.role is not TRANSLATOR:
                asked |= {"neighbors": 0, "smooth": False}
            return config_of(chain, asked, self.windows.get(self.role.domain))

    @cached_property
    def windows(self) -> dict[str, Window]:
        """The values that become -1 and 1, of the domains whose images are all scaled by the same.

        Raises:
            InputError: the bundle is damaged.
        """
        with self._explained():
            self._check([METADATA])
            return from_facts(self.metadata.get("intensity_windows", {}))

    def flags(self) -> Reference | None:
        """Return what images are judged by; None for a bundle that does not hold it.

        Raises:
            InputError: the bundle is damaged.
        """
        from medsynth.bundle.format.flag_files import FLAGS, MAPS, read_reference

        if FLAGS not in self.listed:
            return None
        with self._explained():
            self._check([FLAGS, MAPS])
            return read_reference(self.json(FLAGS), self.copy / MAPS)

    def network(self) -> nn.Module:
        """Rebuild the network on the CPU in evaluation mode. This executes the bundle's Python files or program.

        Raises:
            InputError: the bundle is not trusted here or damaged, or its network cannot be built here.
        """
        from medsynth.bundle.format.inference_configs import refuse_evaluated
        from medsynth.bundle.opening.loading import load_program

        self.snapshot.admit()
        with self._explained():
            definition = dict(self.json(self.role.config)["network_def"])
            target = definition.pop("_target_")
            if target == PROGRAM:
                program = Path(self.role.weights).with_suffix(".ts").as_posix()
                self._check([self.role.config, program])
                return load_program(self.copy / program)
            refuse_evaluated(definition, f"{self.role.config}, network_def")
            return self._rebuilt(target, definition)

    def _rebuilt(self, target: str, arguments: Mapping[str, Any]) -> nn.Module:
        from medsynth.bundle.opening.loading import load_state

        weights = tensors_of(self.role.weights, self.listed)
        self._check([self.role.config, weights])
        package, module, name = target.partition(".")[0], *target.rpartition(".")[::2]
        vendored = import_vendored(package, module, self._code(package), self.copy)
        network: nn.Module = getattr(vendored, name)(**arguments)
        network.load_state_dict(load_state(self.copy / weights))
        return network.eval()

    def _code(self, package: str) -> dict[str, str]:
        """Return the source files of the network's package by their path below it, after comparing their hash."""
        from medsynth.bundle.format.vendoring import package_name

        if not _PACKAGE.fullmatch(package):
            raise ValueError(f"{self.role.config} names the network package {package!r}, which medsynth would not")
        code = {path.relative_to(self.copy).as_posix(): path for path in (self.copy / package).rglob("*.py")}
        listed = {name for name in self.listed if name.startswith(f"{package}/")}
        self._check(code.keys() | listed)
        texts = {name.removeprefix(f"{package}/"): path.read_bytes().decode() for name, path in code.items()}
        if package_name(texts) != package:
            raise ValueError(f"{package} is not the name that medsynth gives to this code")
        return texts

    def _check(self, names: Iterable[str]) -> None:
        for name in sorted(names):
            if not (self.copy / name).is_file():
                raise ValueError(f"{name} is missing")
            if sha256(self.copy / name) != self.listed.get(name):
                raise ValueError(f"{name} was changed after the bundle was written")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what a foreign or damaged bundle can raise into one error."""
        try:
            with self.snapshot.errors():
                yield
        except (
            KeyError,
            TypeError,
            AttributeError,
            IndexError,
            ValueError,
            RuntimeError,
            ImportError,
            pickle.UnpicklingError,
            RunError,
        ) as error:
            hint = "Copy it again, or export it again with the version of medsynth that is installed here."
            raise InputError(
                f"bundle {self.root} cannot be used: {type(error).__name__}: {error}", hint=hint
            ) from error


def open_bundle(path: Path | Opened, role: Role) -> Opened:
    """Return the bundle at `path`: itself, or the bundle of the run that lies there.

    Args:
        path: folder of a bundle or run, zip file of a bundle, or a bundle that is open already.
        role: the network that is wanted.

    Raises:
        InputError: neither is there, or the bundle was not made by medsynth.
    """
    if isinstance(path, Opened):
        return path.in_role(role)
    if path.is_file():
        opened = Opened(path, role, Snapshot(path))
        return opened if _is_made_here(opened.copy, role) else _refuse(path, opened.copy)
    if not path.is_dir():
        raise InputError(f"bundle {path} is no folder and no zip file", hint=_GIVE)
    for folder in (path, path / "bundle"):
        if _is_made_here(folder, role):
            return Opened(folder, role, Snapshot(folder))
    return _refuse(path, path)


def tensors_of(weights: str, files: Container[str]) -> str:
    """Return which of a bundle's files holds the weights that torch keeps in `weights`: no pickle, if there is one."""
    plain = Path(weights).with_suffix(".safetensors").as_posix()
    return plain if plain in files else weights


def _is_made_here(folder: Path, role: Role) -> bool:
    return (folder / MANIFEST).is_file() and (folder / role.config).is_file()


def _refuse(path: Path, folder: Path) -> NoReturn:
    if (folder / "configs").is_dir():
        hint = "Other bundles run with: python -m monai.bundle run"
        raise InputError(f"bundle {path} was not made by medsynth (it has no medsynth.json)", hint=hint)
    raise InputError(f"{path} holds no bundle", hint=_GIVE)


def read_json(path: Path) -> Any:
    """Return the content of a JSON file of a bundle.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint=_AGAIN) from error
