"""The training loop: resume, schedules, selection, signals, losses that are not numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from medsynth.api import Phase, constant_then_linear, progress, warmup_then_cosine
from medsynth.base.errors import Interrupted, RunError
from medsynth.base.stopping import Stop
from medsynth.training.checkpoint import CHECKPOINT, HISTORY, NETWORKS
from medsynth.training.config import TrainingConfig
from medsynth.training.devices import Policy
from medsynth.training.job import Job
from medsynth.training.loop import train

STEPS = 3
SCHEDULE = constant_then_linear(0.5)


class Noise:
    def __init__(self) -> None:
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return STEPS

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        draw = torch.Generator().manual_seed(self.epoch)
        for _ in range(STEPS):
            yield {"image": torch.randn(4, 3, generator=draw)}


class Model:
    """A linear map trained with noise from the global generator, so that its state matters too."""

    def __init__(self, stop_at: int = 0, bad_at: int = 0, schedule: Any = SCHEDULE) -> None:
        torch.manual_seed(0)
        self.net = nn.Linear(3, 1)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=0.01)
        self.stop, self.stop_at, self.bad_at, self.schedule = Stop(), stop_at, bad_at, schedule
        self.rates: list[float] = []
        self.seen: list[float] = []

    def step(self, engine: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        loss = (self.net(batch["image"] + torch.randn(4, 3)) ** 2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.rates.append(self.optimizer.param_groups[0]["lr"])
        self.seen.append(progress(engine))
        self.stop.requested |= engine.state.iteration == self.stop_at
        return {"loss": loss.detach() * (float("nan") if engine.state.iteration == self.bad_at else 1.0)}

    def phase(self, name: str) -> Phase:
        return Phase(
            name=name,
            data="real",
            epochs=2,
            step=self.step,
            state={"net": self.net},
            optimizers={"adam": self.optimizer},
            batch_size=4,
            schedule=self.schedule,
        )

    def job(self, folder: Path, **changes: Any) -> Job:
        fields: dict[str, Any] = {
            "name": "toy",
            "folder": folder,
            "phases": [self.phase("first"), self.phase("second")],
            "networks": {"net": self.net},
            "loader": lambda phase: Noise(),
            "seed": 7,
            "policy": Policy("cpu"),
            "training": TrainingConfig(tensorboard=False),
            "stop": self.stop,
        }
        return Job(**{**fields, **changes})


@pytest.mark.parametrize("stop_at", [1, 2, 3, 4, 5, 6])
def test_stopping_at_any_step_and_resuming_changes_nothing(tmp_path: Path, stop_at: int) -> None:
    train(Model().job(tmp_path / "straight"))
    with pytest.raises(Interrupted):
        train(Model(stop_at).job(tmp_path / "stopped"))
    train(Model().job(tmp_path / "stopped"))
    for name in (NETWORKS, HISTORY):
        assert (tmp_path / "straight" / name).read_bytes() == (tmp_path / "stopped" / name).read_bytes()


def test_every_batch_is_sent_to_the_device_without_waiting_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, to = [], Tensor.to

    def note(tensor: Tensor, *place: Any, **how: Any) -> Tensor:
        sent.append((*place, how))
        return to(tensor, *place, **how)

    monkeypatch.setattr(Tensor, "to", note)
    train(Model().job(tmp_path))
    assert sent.count(("cpu", {"non_blocking": True})) == 2 * 2 * STEPS


def test_a_finished_training_is_loaded_and_its_checkpoint_is_gone(tmp_path: Path) -> None:
    first = Model()
    history = train(first.job(tmp_path))
    second = Model()
    assert train(second.job(tmp_path)) == history
    assert torch.equal(first.net.weight, second.net.weight)
    assert second.rates == []
    assert not (tmp_path / CHECKPOINT).exists()


def test_checkpoints_hold_tensors_and_plain_values_only(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(Model(4).job(tmp_path))
    saved = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert (saved["phase"], saved["iteration"]) == (0, 4)


def test_a_loss_that_is_not_a_number_names_step_loss_and_last_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"toy: the loss 'loss' became nan in phase 'first', step 5; last good"
    ) as caught:
        train(Model(bad_at=5).job(tmp_path))
    assert "step 3" in caught.value.message
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["iteration"] == 3


def test_learning_rates_follow_the_schedule_and_start_anew_in_each_phase(tmp_path: Path) -> None:
    model = Model()
    train(model.job(tmp_path))
    expected = [0.01 * min(1.0, 2 * (1 - step / 6)) for step in range(6)]
    assert model.rates == pytest.approx(expected * 2)
    assert model.seen == pytest.approx([step / 6 for step in range(6)] * 2)


def test_the_epoch_with_the_largest_key_is_kept(tmp_path: Path) -> None:
    model, kept = Model(), []
    keys = iter([(0.0, 0.9), (1.0, 0.2), (0.0, 1.0)])

    def validate(_epoch: int) -> tuple[tuple[float, ...], dict[str, float]]:
        kept.append(model.net.weight.detach().clone())
        return next(keys), {"auc": 0.5}

    history = train(model.job(tmp_path, validate=validate))
    assert history["best"] == {"epoch": 2, "key": [1.0, 0.2]}
    assert history["phases"][1]["validation"] == {"auc": [0.5, 0.5]}
    assert torch.equal(model.net.weight, kept[1])


def test_a_model_is_observed_in_every_phase_which_chooses_nothing(tmp_path: Path) -> None:
    counts = iter(range(9))
    history = train(
        Model().job(
            tmp_path,
            validate=lambda epoch: ((-float(epoch),), {"auc": 0.5}),
            observe=lambda: {"overlap": float(next(counts))},
        )
    )
    first, second = history["phases"]
    assert (first["validated"], first["validation"]) == ([1, 2], {"overlap": [0.0, 1.0]})
    assert (second["validated"], second["validation"]) == ([1, 2], {"auc": [0.5, 0.5], "overlap": [2.0, 3.0]})
    assert history["best"]["epoch"] == 1


def test_a_model_is_observed_as_often_as_validated_and_after_the_last_epoch_of_a_phase(tmp_path: Path) -> None:
    history = train(Model().job(tmp_path, observe=lambda: {"overlap": 0.25}, validate_epochs=7))
    assert [phase["validated"] for phase in history["phases"]] == [[2], [2]]


def test_the_history_holds_the_mean_loss_of_each_epoch(tmp_path: Path) -> None:
    train(Model().job(tmp_path))
    history = json.loads((tmp_path / HISTORY).read_text())
    assert [len(phase["losses"]["loss"]) for phase in history["phases"]] == [2, 2]


def test_training_logs_go_to_tensorboard(tmp_path: Path) -> None:
    train(Model().job(tmp_path, training=TrainingConfig(tensorboard=True)))
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_warm_up_rises_to_one_and_the_cosine_falls_to_zero() -> None:
    factor = warmup_then_cosine(0.1)
    assert factor(0.05) == pytest.approx(0.5)
    assert factor(0.1) == pytest.approx(1.0)
    assert factor(1.0) == pytest.approx(0.0)
    assert all(factor(a / 100) >= factor((a + 1) / 100) for a in range(10, 100))
