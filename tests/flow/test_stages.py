"""What the stages that train ask of the training loop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from medsynth.base.progress import Silent
from medsynth.base.stopping import Stop
from medsynth.data import loaders
from medsynth.data.images import Images, Record
from medsynth.flow.stages import building, train_classifiers, train_generator
from medsynth.flow.stages.classification import TrainingRow
from medsynth.plan.plan import make_plan
from medsynth.plugins import Registry
from medsynth.training.job import Job
from tests.training.test_loop import Model


def images(domain: str) -> Images:
    records = tuple(Record(f"{n}.png", domain, n % 2, str(n), "train") for n in range(6))
    return Images(records, np.zeros((6, 1, 8, 8), np.float32), np.arange(6))


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str) -> list[Job]:
    """The trainings of a run on `device`: of its generator and of one classifier, none of them carried out."""
    taken: list[Job] = []
    model = SimpleNamespace(networks=lambda: {"net": Model().net}, phases=lambda: [Model().phase("only")])
    for stage in (train_generator, train_classifiers):
        monkeypatch.setattr(stage, "build", lambda *_: model)
    history = {"phases": [{"losses": {}, "validation": {}}]}
    monkeypatch.setattr(building, "train", lambda job: taken.append(job) or history)
    names = {"generator": "cyclegan", "classifier": "mobilenet-v2", "preset": "quick"}
    plan = make_plan(Registry(), **names, seeds=[1], device=device, overrides=["data.match_labels=false"])
    run = SimpleNamespace(plan=plan, watch=Silent(), stop=Stop(), stage=lambda _: nullcontext())
    seed_run: Any = SimpleNamespace(run=run, seed=1, folder=tmp_path, stage_name=str, shared=lambda *_: nullcontext())
    data: Any = SimpleNamespace(images=SimpleNamespace(select=lambda *, domain, split, labeled=False: images(domain)))
    train_generator.train_generator(seed_run, data)
    train_classifiers.train_row(seed_run, data, "real-only", TrainingRow(images("target"), None, steps=2))
    return taken


@pytest.mark.parametrize(("device", "pinned"), [("cpu", False), ("cuda", True), ("cuda:1", True)])
def test_batches_lie_in_pinned_memory_where_a_gpu_trains(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch, pinned: bool
) -> None:
    asked: list[bool] = []

    def load(batches: Any, *, pin_memory: bool, **_: Any) -> Iterator[dict[str, torch.Tensor]]:
        asked.append(pin_memory)
        return iter([batches[0]])

    monkeypatch.setattr(loaders, "DataLoader", load)
    found = [batch for job in jobs for batch in job.loader(job.phases[0])]
    assert asked == [pinned, pinned]
    assert [set(batch) for batch in found] == [{"source", "target"}, {"image", "label"}]
    assert all(tensor.device.type == "cpu" for batch in found for tensor in batch.values())
