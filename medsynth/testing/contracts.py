"""What plugins must do, as tests; nothing here needs pytest."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import torch

from medsynth.api import Score, Setup, Spec, exported, learning_rate_schedule
from medsynth.base.children import environment, python
from medsynth.base.configuration import as_dict, resolve
from medsynth.base.errors import Interrupted
from medsynth.base.seeds import seed_everything
from medsynth.base.stopping import Stop
from medsynth.plugins import Registry
from medsynth.testing.network_imports import imports_of
from medsynth.testing.noise import RandomBatches, noise, noise_evidence
from medsynth.training.checkpoint import NETWORKS
from medsynth.training.config import TrainingConfig
from medsynth.training.devices import Policy
from medsynth.training.job import Job
from medsynth.training.loop import train

SIZE = 32


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
        if not package:  # registered in this process only
            return
        declare = f"{package}.medsynth_{self.kind}()"
        code = f"import sys, {package}; {declare}; print(*sorted({{'torch', 'monai'}} & set(sys.modules)))"
        done = subprocess.run(python("-c", code), env=environment(), capture_output=True, text=True, check=True)
        assert not done.stdout.strip(), f"{package} imports {done.stdout.strip()}"

    def test_its_spec_is_named_as_its_entry_point_and_says_what_it_is(self) -> None:
        """The name is how users and run records address it."""
        assert self.spec.name == self.name, f"the spec is named {self.spec.name!r}"
        assert self.spec.summary, "the spec has no summary"
        assert callable(self.spec.factory) or ":" in self.spec.factory, f"factory {self.spec.factory!r} has no colon"

    def test_its_config_survives_json_and_toml(self) -> None:
        """Plans and bundles store configs as plain values."""
        import tomli_w

        values = as_dict(self.spec.config())
        for copy in (json.loads(json.dumps(values)), tomllib.loads(tomli_w.dumps(values))):
            assert resolve(self.spec.config, [copy], where=self.name) == self.spec.config(), f"{copy} is not the same"

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
        config = self.config(**self.one_epoch())
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
                schedule=learning_rate_schedule(config),
                stop=stop or Stop(),
            )
        )

    def test_training_repeats_bit_for_bit_when_stopped_after_each_step_and_needs_no_network(
        self, tmp_path: Path
    ) -> None:
        """Everything that matters is in the checkpoint; losses are finite, and their names do not come and go."""
        with _offline():
            history = self.train(self.build(), tmp_path / "straight")
        for phase in history["phases"]:
            assert phase["losses"], f"phase {phase['name']} returns no losses"
            lengths = {name: len(values) for name, values in phase["losses"].items()}
            assert set(lengths.values()) == {1}, f"losses come and go: {lengths}"
            for name, values in phase["losses"].items():
                assert math.isfinite(values[0]), f"the loss {name} is {values[0]}"
        for _ in range(20):
            try:
                self.train(self.build(), tmp_path / "stopped", _StopAlways())
                break
            except Interrupted:
                continue
        straight, stopped = ((tmp_path / name / NETWORKS).read_bytes() for name in ("straight", "stopped"))
        assert straight == stopped, "weights differ from those of a training straight through: see Phase.state"

    def test_its_exported_network_is_rebuilt_from_its_arguments_by_torch_and_monai_only(self) -> None:
        """A bundle holds the class's code, these arguments and the weights: nothing else may be needed."""
        network: Any = exported(self.build()).eval()
        for imported in imports_of(type(network).__module__):
            known = imported.partition(".")[0] in {"torch", "monai", *sys.stdlib_module_names}
            assert known, f"{type(network).__module__} imports {imported}"
        rebuilt = type(network)(**json.loads(json.dumps(network.arguments))).eval()
        rebuilt.load_state_dict(network.state_dict())
        images = noise(2, self.channels, self.size)
        with torch.inference_mode():
            torch.testing.assert_close(rebuilt(images), network(images), rtol=0, atol=0)


class GeneratorContract(TrainedContract):
    """What every generator must do."""

    kind = "generator"

    def one_epoch(self) -> dict[str, Any]:
        """One epoch of two steps."""
        return {"epochs": 1, "batch_size": 2}

    def test_translate_keeps_shape_type_and_range_and_ignores_the_batch(self) -> None:
        """An image's translation must not depend on its neighbors in the batch."""
        model = self.build()
        images = noise(3, self.channels, self.size)
        with torch.inference_mode():
            together = model.translate(images)
            alone = torch.cat([model.translate(image[None]) for image in images])
        assert together.shape == images.shape, f"{tuple(images.shape)} became {tuple(together.shape)}"
        assert together.dtype == images.dtype, f"{images.dtype} became {together.dtype}"
        assert together.abs().max() <= 1, f"values reach {together.abs().max():.3f}"
        torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


class ClassifierContract(TrainedContract):
    """What every classifier must do."""

    kind = "classifier"

    def one_epoch(self) -> dict[str, Any]:
        """One epoch of two steps in each phase."""
        return {"pretrain_epochs": 1, "finetune_epochs": 1, "batch_size": 4}

    def test_it_pretrains_on_mixed_and_ends_on_real_images_and_returns_two_logits(self) -> None:
        """Pre-training sees real and synthetic images, fine-tuning real ones. Class 1 is the positive class."""
        model = self.build()
        seen = [phase.data for phase in model.phases()]
        assert seen[-1:] == ["real"] and set(seen[:-1]) == {"mixed"}, f"phases are on {seen}"  # noqa: PT018
        network = exported(model).eval()
        with torch.inference_mode():
            logits = network(torch.zeros(3, self.channels, self.size, self.size))
        assert logits.shape == (3, 2), f"logits are {tuple(logits.shape)}"
        assert torch.isfinite(logits).all(), "logits are not finite"


class EvaluatorContract(PluginContract):
    """What every evaluator must do."""

    kind = "evaluator"

    def test_it_measures_noise_and_repeats_itself(self) -> None:
        """Scores of equal evidence are equal, except those marked as measured; they carry the plugin's name."""
        evidence = noise_evidence(size=self.size, channels=self.channels)
        evaluators = [Registry().create(self.spec, self.config()) for _ in range(2)]
        first, again = (
            [score for score in evaluator.scores(evidence) if not score.measured] for evaluator in evaluators
        )
        assert all(isinstance(score, Score) for score in first), "scores are no medsynth.api.Score"
        foreign = {score.evaluator for score in first} - {self.name}
        assert not foreign, f"scores name the evaluator {foreign}"
        assert first == again, "scores of equal evidence differ"


class ExtractorContract(PluginContract):
    """What every feature extractor must do."""

    kind = "extractor"

    def test_features_have_the_stated_dimension_and_ignore_the_batch(self) -> None:
        """FID and KID compare features of images that were computed in different batches."""
        extractor = Registry().create(self.spec, self.config())
        images = noise(3, self.channels, self.size)
        together = extractor.features(images)
        assert together.shape == (3, extractor.dimension), f"features are {tuple(together.shape)}"
        assert together.dtype == torch.float32, f"features are {together.dtype}"
        alone = torch.cat([extractor.features(image[None]) for image in images])
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


@contextmanager
def _offline() -> Iterator[None]:
    """Let nothing open a connection: no weights or data are fetched behind the user's back."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the plugin opened a network connection")

    connect = socket.socket.connect
    socket.socket.connect = refuse  # type: ignore[method-assign]
    try:
        yield
    finally:
        socket.socket.connect = connect  # type: ignore[method-assign]


class _StopAlways(Stop):
    """Asks to stop at every opportunity, so that each step becomes a session of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.requested = True
