"""What a run will write is foreseen to within a factor of two, for every generator and classifier."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from medsynth.base.seeds import seed_everything
from medsynth.flow.stages.building import make_setup, policy_of
from medsynth.flow.start import footprint
from medsynth.plan.plan import make_plan
from medsynth.plugins import Registry
from medsynth.training import checkpoint
from medsynth.training.job import Job
from medsynth.training.loop import train

REGISTRY = Registry()


class OneStep:
    """A loader of one batch of noise."""

    def set_epoch(self, epoch: int) -> None:
        pass

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        drawn = {name: torch.rand(2, 1, 64, 64) * 2 - 1 for name in ("source", "target", "image")}
        yield drawn | {"label": torch.tensor([0, 1])}


def written(plan: Any, kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Train a step of each phase; return the largest size of each file that was written."""
    sizes: dict[str, int] = {}

    def record(path: Path, content: bytes) -> None:
        sizes[path.name] = max(sizes.get(path.name, 0), len(content))
        path.write_bytes(content)

    monkeypatch.setattr(checkpoint, "write_bytes", record)
    name, config = (getattr(plan, kind), getattr(plan, f"{kind}_config"))
    seed_everything(1)
    model = REGISTRY.create(REGISTRY.load(kind, name), config, make_setup(plan, kind))
    job = Job(
        name=kind,
        folder=folder,
        phases=model.phases(),
        networks=model.networks(),
        loader=lambda _: OneStep(),
        seed=1,
        policy=policy_of(plan),
        training=plan.training,
        validate=lambda epoch: ((float(epoch),), {}),
        ema_decay=getattr(config, "ema_decay", 0.0),
    )
    train(job)
    return sizes


CASES = [("generator", name) for name in ("cyclegan", "dclgan", "munit", "sg-cyclegan", "unit")]
CASES += [("classifier", name) for name in ("efficientnet", "lsnet", "mobilenet-v2", "mobilevit")]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_weights_and_checkpoints_are_as_large_as_foreseen(
    kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = ["generator.epochs=1", "classifier.pretrain_epochs=1", "classifier.finetune_epochs=1"]
    overrides += ["training.tensorboard=false", "generator.ema_decay=0.5"]
    names = {"generator": "cyclegan", "classifier": "efficientnet"} | {kind: name}
    plan = make_plan(REGISTRY, **names, preset="quick", seeds=[1], device="cpu", overrides=overrides)
    found, sizes = footprint.trained(plan, REGISTRY, kind), written(plan, kind, tmp_path, monkeypatch)
    assert sizes[checkpoint.NETWORKS] / 1.2 < found.weights < sizes[checkpoint.NETWORKS]
    assert sizes[checkpoint.CHECKPOINT] / 1.2 < found.checkpoint < 2 * sizes[checkpoint.CHECKPOINT]


def test_a_plugin_that_needs_numbers_while_it_is_built_is_counted_all_the_same(monkeypatch) -> None:
    plan = make_plan(REGISTRY, generator="cyclegan", classifier="lsnet", preset="quick", seeds=[1], device="cpu")
    before, create = footprint.trained(plan, REGISTRY, "generator"), REGISTRY.create

    def needing_numbers(spec: Any, config: Any, setup: Any) -> Any:
        assert torch.rand(()).item() >= 0.0
        return create(spec, config, setup)

    monkeypatch.setattr(REGISTRY, "create", needing_numbers)
    state = torch.random.get_rng_state()
    assert footprint.trained(plan, REGISTRY, "generator") == before
    assert torch.equal(torch.random.get_rng_state(), state)
