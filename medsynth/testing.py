"""Contract tests for plugin authors: subclass one of these, fill in a few values, run pytest.

Examples:
    >>> class TestMyGenerator(GeneratorContract):
    ...     name = "my-generator"
    ...     small = {"width": 4}
"""

from __future__ import annotations

import importlib
import json
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from medsynth.api import Phase, Setup, Spec
from medsynth.base.children import environment, python
from medsynth.base.configuration import as_dict, resolve
from medsynth.base.errors import Interrupted
from medsynth.base.seeds import derive_seed, seed_everything
from medsynth.base.stopping import Stop
from medsynth.plugins import Registry
from medsynth.training.checkpoint import NETWORKS
from medsynth.training.config import TrainingConfig
from medsynth.training.devices import Policy
from medsynth.training.job import Job
from medsynth.training.loop import train

SIZE = 32


class RandomBatches:
    """A loader of noise images; epoch and seed decide every value."""

    def __init__(self, phase: Phase, size: int, channels: int, steps: int = 2) -> None:
        self.phase, self.shape, self.steps = phase, (phase.batch_size, channels, size, size), steps
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for step in range(self.steps):
            draw = torch.Generator().manual_seed(derive_seed("noise", self.epoch, step))
            first, second = (torch.rand(self.shape, generator=draw) * 2 - 1 for _ in range(2))
            labels = torch.arange(self.shape[0]) % 2
            unpaired = self.phase.data == "unpaired"
            yield {"source": first, "target": second} if unpaired else {"image": first, "label": labels}


class PluginContract:
    """What every plugin must do. Attributes: `kind`, `name`, `small` (field values for tiny networks)."""

    kind: ClassVar[str]
    name: ClassVar[str]
    small: ClassVar[Mapping[str, Any]] = {}
    size: ClassVar[int] = SIZE
    channels: ClassVar[int] = 1

    @property
    def spec(self) -> Spec:
        """The plugin's spec, loaded as a run would load it."""
        return Registry().load(self.kind, self.name)

    def config(self, **fields: Any) -> Any:
        """Return the plugin's config with `small` values."""
        return resolve(self.spec.config, [self.small, fields], where=self.name)

    def test_its_entry_module_imports_neither_torch_nor_monai(self) -> None:
        """Listing and showing plugins must answer at once."""
        package = Registry().record(self.kind, self.name).package
        code = f"import sys, {package}; print(sorted({{'torch', 'monai'}} & set(sys.modules)))"
        done = subprocess.run(python("-c", code), env=environment(), capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"

    def test_its_spec_is_named_as_its_entry_point_and_says_what_it_is(self) -> None:
        """The name is how users and run records address it."""
        assert self.spec.name == self.name
        assert self.spec.summary
        assert ":" in self.spec.factory

    def test_its_config_survives_json_and_toml(self) -> None:
        """Plans and bundles store configs as plain values."""
        import tomli_w

        values = as_dict(self.spec.config())
        for copy in (json.loads(json.dumps(values)), tomllib.loads(tomli_w.dumps(values))):
            assert resolve(self.spec.config, [copy], where=self.name) == self.spec.config()

    def test_its_presets_name_only_known_fields_and_allowed_values(self) -> None:
        """A preset that cannot be resolved would fail only when somebody chooses it."""
        for values in self.spec.presets.values():
            resolve(self.spec.config, [values], where=self.name)


class TrainedContract(PluginContract):
    """What generators and classifiers share."""

    def build(self, **fields: Any) -> Any:
        """Build the plugin on the CPU with small networks, always from the same seed."""
        seed_everything("contract", self.name)
        setup = Setup(channels=self.channels, size=(self.size, self.size), device="cpu")
        return Registry().create(self.spec, self.config(**self.one_epoch(), **fields), setup)

    def one_epoch(self) -> dict[str, Any]:
        """Return the field values that make training as short as possible."""
        raise AssertionError("subclasses say which fields hold the epochs")

    def train(self, model: Any, folder: Path, stop: Stop | None = None, steps: int = 2) -> dict[str, Any]:
        """Train on noise, in `folder`."""
        return train(
            Job(
                name="contract",
                folder=folder,
                phases=model.phases(),
                networks=model.networks(),
                loader=lambda phase: RandomBatches(phase, self.size, self.channels, steps),
                seed=1,
                policy=Policy("cpu"),
                training=TrainingConfig(tensorboard=False),
                stop=stop or Stop(),
            )
        )

    def test_it_trains_to_finite_losses_with_stable_names(self, tmp_path: Path) -> None:
        """Loss names are column names: they must not come and go."""
        history = self.train(self.build(), tmp_path)
        for phase in history["phases"]:
            assert phase["losses"]
            assert {len(values) for values in phase["losses"].values()} == {1}

    def test_training_stopped_after_each_step_equals_training_straight_through(self, tmp_path: Path) -> None:
        """Everything that matters is in the checkpoint, down to the last bit, and networks repeat by seed."""
        self.train(self.build(), tmp_path / "straight")
        for _ in range(20):
            try:
                self.train(self.build(), tmp_path / "stopped", _StopAlways())
                break
            except Interrupted:
                continue
        straight, stopped = ((tmp_path / name / NETWORKS).read_bytes() for name in ("straight", "stopped"))
        assert straight == stopped

    def test_its_exported_network_is_rebuilt_from_its_arguments(self) -> None:
        """A bundle holds the class's code, these arguments and the weights: nothing else may be needed."""
        network = next(iter(self.build().networks().values())).eval()
        arguments = json.loads(json.dumps(network.arguments))
        rebuilt = type(network)(**arguments).eval()
        rebuilt.load_state_dict(network.state_dict())
        images = torch.rand(2, self.channels, self.size, self.size, generator=torch.Generator().manual_seed(0)) * 2 - 1
        with torch.inference_mode():
            torch.testing.assert_close(rebuilt(images), network(images), rtol=0, atol=0)

    def test_its_exported_network_comes_from_a_module_that_needs_torch_and_monai_only(self) -> None:
        """Otherwise the bundle would not run where medsynth is not installed."""
        network = next(iter(self.build().networks().values()))
        for imported in _imports(type(network).__module__):
            assert imported.partition(".")[0] in {"torch", "monai", *sys.stdlib_module_names}, imported

    def test_it_builds_and_trains_without_the_network(self, tmp_path: Path, monkeypatch: Any) -> None:
        """No weights or data are fetched behind the user's back."""

        def refuse(*_: Any, **__: Any) -> None:
            raise AssertionError("the plugin opened a network connection")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        self.train(self.build(), tmp_path, steps=1)


class GeneratorContract(TrainedContract):
    """What every generator must do."""

    kind = "generator"

    def one_epoch(self) -> dict[str, Any]:
        """One epoch of two steps."""
        return {"epochs": 1, "batch_size": 2}

    def test_translate_keeps_shape_type_and_range_and_ignores_the_batch(self) -> None:
        """An image's translation must not depend on its neighbors in the batch."""
        model = self.build()
        images = torch.rand(3, self.channels, self.size, self.size, generator=torch.Generator().manual_seed(0)) * 2 - 1
        with torch.inference_mode():
            together = model.translate(images)
            alone = torch.cat([model.translate(image[None]) for image in images])
        assert together.shape == images.shape
        assert together.dtype == images.dtype
        assert together.abs().max() <= 1
        torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


class ClassifierContract(TrainedContract):
    """What every classifier must do."""

    kind = "classifier"

    def one_epoch(self) -> dict[str, Any]:
        """One epoch of two steps in each phase."""
        return {"pretrain_epochs": 1, "finetune_epochs": 1, "batch_size": 4}

    def test_its_phases_end_on_real_images(self) -> None:
        """Pre-training sees real and synthetic images, fine-tuning real ones."""
        assert [phase.data for phase in self.build().phases()] == ["mixed", "real"]

    def test_it_maps_images_to_two_logits(self) -> None:
        """Class 1 is the positive class."""
        network = next(iter(self.build().networks().values())).eval()
        with torch.inference_mode():
            logits = network(torch.zeros(3, self.channels, self.size, self.size))
        assert logits.shape == (3, 2)
        assert torch.isfinite(logits).all()


class _StopAlways(Stop):
    """Asks to stop at every opportunity, so that each step becomes a session of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.requested = True


def _imports(module: str, seen: set[str] | None = None) -> set[str]:
    """Return what a network module imports, following its own package and medsynth.networks."""
    import ast
    import inspect

    seen = set() if seen is None else seen
    package = module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(importlib.import_module(module)))):
        names = []
        if isinstance(node, ast.ImportFrom):
            names = [f"{package}.{node.module}" if node.level == 1 else node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name == "__future__":
                continue
            if name.startswith(("medsynth.networks", package + ".")):
                if name not in seen:
                    seen.add(name)
                    found |= _imports(name, seen)
            else:
                found.add(name)
    return found


__all__: Sequence[str] = ("ClassifierContract", "GeneratorContract", "PluginContract", "RandomBatches")
