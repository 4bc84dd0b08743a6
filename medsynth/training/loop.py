"""Train phases on Ignite under MONAI's Trainer: seeds, schedules, checkpoints, exact resume, logs.

Before every step all random generators are seeded from (seed, phase, step, process), and loaders draw each epoch
from (seed, epoch). A phase continued from any checkpoint therefore equals one that was never interrupted,
bit for bit on a CPU, without any random state being saved.
"""

from __future__ import annotations

import io
import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
import torch.utils.checkpoint
from ignite.engine import Engine, Events
from monai.engines import Trainer
from torch import Tensor, nn

from medsynth.api import Phase
from medsynth.base import seals
from medsynth.base.errors import RunError
from medsynth.base.files import write_json
from medsynth.base.progress import Task
from medsynth.base.seeds import seed_everything
from medsynth.training.accumulation import accumulating, in_parts, mean_of
from medsynth.training.averaging import Averages
from medsynth.training.checkpoint import CHECKPOINT, HISTORY, NETWORKS, load_networks, save_content, unique_state
from medsynth.training.job import Batch, Job, Loader, RemainingBatches
from medsynth.training.loggers import logged
from medsynth.training.processes import anyone, averaging_gradients, leads, mean_over_processes, rank, wait_for_all
from medsynth.training.recomputing import recompute_blocks


def train(job: Job) -> dict[str, Any]:
    """Train all phases, continuing from a checkpoint where there is one; return the history.

    The networks end with the chosen weights, in evaluation mode.

    Raises:
        InputError: what an earlier process left is damaged; names the file.
        RunError: for a loss that is not finite; names step, loss and last checkpoint.
        Interrupted: after a requested stop, with everything saved.
    """
    if seals.is_finished(job.folder):
        seals.check(job.folder)
        load_networks(job)
        history: dict[str, Any] = json.loads((job.folder / HISTORY).read_text())
        return history
    seals.refuse_unsealed(job.folder, HISTORY, unless=CHECKPOINT)
    job.folder.mkdir(parents=True, exist_ok=True)
    loop = _Loop(job)
    loop.restore()
    for index in range(loop.phase_index, len(job.phases)):
        loop.run_phase(index)
    return loop.finish()


class _Loop:
    """The state of a job while it trains."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.phase_index = 0
        self.iteration = 0
        self.sums: dict[str, Tensor | float] = {}
        self.history: dict[str, Any] = {
            "phases": [{"name": phase.name, "losses": {}, "validation": {}, "validated": []} for phase in job.phases]
        }
        self.best: dict[str, Any] = {}
        self.saved_at = "none"
        self.last_save = time.monotonic()
        self.writes = leads() or not job.together
        self.stateful = unique_state(job.phases)
        self.averages = Averages(job.networks, job.ema_decay) if job.ema_decay else None
        if self.averages is not None:
            self.stateful["averages"] = self.averages

    # -------------------------------------------------------- one phase

    def run_phase(self, index: int) -> None:
        job, phase = self.job, self.job.phases[index]
        loader = job.loader(phase)
        steps = len(loader)
        if index != self.phase_index:
            self.phase_index, self.iteration, self.sums = index, 0, {}
        for optimizer in phase.optimizers.values():
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
        modules = [item for item in phase.state.values() if isinstance(item, nn.Module)]
        for module in modules:
            job.policy.apply(module)
            if job.checkpointing:
                recompute_blocks(module)
        trainer = Trainer(
            device=torch.device(job.policy.device),
            max_epochs=phase.epochs,
            data_loader=RemainingBatches(loader, self.iteration % steps),
            epoch_length=steps,
            iteration_update=self._step(phase),
            decollate=False,
        )
        trainer.logger.setLevel(logging.CRITICAL)  # failures are reported once, by whoever started the run
        if self.iteration >= phase.epochs * steps:
            return
        trainer.load_state_dict({"iteration": self.iteration, "epoch_length": steps, "max_epochs": phase.epochs})
        optimizers = list(phase.optimizers.values())
        with (
            job.watch.task(f"{job.name}: {phase.name}", phase.epochs * steps, self.iteration) as task,
            averaging_gradients(optimizers if job.together else ()),
            accumulating(optimizers, job.accumulate),
            logged(trainer, job, phase) if self.writes else nullcontext(),
        ):
            self._attach(trainer, loader, modules, task)
            trainer.run()

    def _attach(self, trainer: Trainer, loader: Loader, modules: list[nn.Module], task: Task) -> None:
        def epoch_started(engine: Engine) -> None:
            loader.set_epoch(engine.state.epoch)
            for module in modules:
                module.train()

        def iteration_completed(engine: Engine) -> None:
            self.iteration = engine.state.iteration
            if self.averages is not None:
                self.averages.update()
            self._add_losses(engine)
            task.advance(self.iteration, self._means(engine.state.epoch_length))
            if self.iteration % engine.state.epoch_length:
                overdue = time.monotonic() - self.last_save > 60 * self.job.training.checkpoint_minutes
                if self._agreed(self.job.stop.requested or overdue):
                    self._share_stop()
                    self.save()
                self.job.stop.check()

        def epoch_completed(engine: Engine) -> None:
            self._end_epoch(engine.state.epoch_length)
            self._share_stop()
            self.save()
            self.job.stop.check()

        trainer.add_event_handler(Events.EPOCH_STARTED, epoch_started)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, iteration_completed)
        trainer.add_event_handler(Events.EPOCH_COMPLETED, epoch_completed)

    def _agreed(self, wish: bool) -> bool:
        """Say whether any process that trains along has the wish, so that all do the same after the same step."""
        return anyone(wish) if self.job.together else wish

    def _share_stop(self) -> None:
        self.job.stop.requested = self._agreed(self.job.stop.requested)

    def _step(self, phase: Phase) -> Callable[[Engine, Batch], Mapping[str, Any]]:
        job, index = self.job, self.phase_index
        schedule = phase.schedule or job.schedule
        process = (rank(),) if job.together and rank() else ()

        def step(engine: Engine, batch: Batch) -> Mapping[str, Any]:
            seed_everything(job.seed, job.name, index, engine.state.iteration, *process)
            total = engine.state.max_epochs * engine.state.epoch_length
            factor = schedule((engine.state.iteration - 1) / total)
            for optimizer in phase.optimizers.values():
                for group in optimizer.param_groups:
                    group["lr"] = group["initial_lr"] * factor
            batch = {name: tensor.to(job.policy.device, non_blocking=True) for name, tensor in batch.items()}
            with job.policy.autocast():
                return mean_of([phase.step(engine, part) for part in in_parts(batch, job.accumulate)])

        return step

    # -------------------------------------------------------- losses

    def _add_losses(self, engine: Engine) -> None:
        for name, value in engine.state.output.items():
            value = value.detach().double() if isinstance(value, Tensor) else float(value)
            self.sums[name] = self.sums.get(name, 0.0) + value
        # Reading a value waits for an accelerator to finish, so there the sums are looked at less often.
        if self.job.policy.device == "cpu" or engine.state.iteration % 20 == 0:
            self._refuse_non_finite()

    def _refuse_non_finite(self) -> None:
        bad = [name for name, value in self.sums.items() if not math.isfinite(float(value))]
        if bad:
            raise RunError(
                f"{self.job.name}: the loss '{bad[0]}' became {float(self.sums[bad[0]])} in phase "
                f"'{self.job.phases[self.phase_index].name}', step {self.iteration}; "
                f"last good checkpoint: {self.saved_at}",
                hint="Lower the learning rate, use --set training.precision=fp32, or look at the images with "
                "'medsynth data check'.",
            )

    def _means(self, steps: int) -> dict[str, float]:
        if self.job.policy.device != "cpu":
            return {}
        done = self.iteration % steps or steps
        return {name: float(value) / done for name, value in self.sums.items()}

    def _end_epoch(self, steps: int) -> None:
        self._refuse_non_finite()
        record = self.history["phases"][self.phase_index]
        self._share_sums()
        for name, value in self.sums.items():
            record["losses"].setdefault(name, []).append(float(value) / steps)
        self.sums = {}
        self._validate(self.iteration // steps, record)

    def _share_sums(self) -> None:
        if self.job.together:
            means = mean_over_processes([float(value) for value in self.sums.values()])
            self.sums = dict(zip(self.sums, means, strict=True))

    def _validate(self, epoch: int, record: dict[str, Any]) -> None:
        job, final = self.job, self.phase_index == len(self.job.phases) - 1
        due = epoch % job.validate_epochs == 0 or epoch == job.phases[self.phase_index].epochs
        validate = job.validate if final else None
        if not (due and self.writes and (validate or job.observe)):
            return
        values: dict[str, float] = {}
        with self.averages.shown() if self.averages is not None else nullcontext():
            if validate is not None:
                key, values = validate(epoch)
                if not self.best or key > tuple(self.best["key"]):
                    self.best = {"key": list(key), "epoch": epoch, "networks": self._weights()}
            values = {**values, **(job.observe() if job.observe is not None else {})}
        if values:
            record["validated"].append(epoch)
        for name, number in values.items():
            record["validation"].setdefault(name, []).append(number)

    # -------------------------------------------------------- saving

    def _weights(self) -> dict[str, dict[str, Tensor]]:
        return {
            name: {key: value.detach().cpu().clone() for key, value in network.state_dict().items()}
            for name, network in self.job.networks.items()
        }

    def save(self) -> None:
        self._refuse_non_finite()
        self._share_sums()
        phase = self.job.phases[self.phase_index]
        if not self.writes:
            return
        save_content(
            self.job.folder / CHECKPOINT,
            {
                "files": seals.hashes_of(self.job.folder, besides=(CHECKPOINT,)),
                "phase": self.phase_index,
                "iteration": self.iteration,
                "sums": {name: float(value) for name, value in self.sums.items()},
                "history": self.history,
                "best": self.best,
                "state": {name: item.state_dict() for name, item in self.stateful.items()},
                "optimizers": {name: optimizer.state_dict() for name, optimizer in phase.optimizers.items()},
            },
            digest=True,
        )
        self.saved_at = f"phase '{phase.name}', step {self.iteration} ({self.job.folder / CHECKPOINT})"
        self.last_save = time.monotonic()

    def restore(self) -> None:
        path = self.job.folder / CHECKPOINT
        if not path.exists():
            return
        hint = f"Restore it from a copy, or remove {self.job.folder} to train again from the start, with --resume."
        content = seals.without_digest(path, hint=hint)
        saved = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        seals.refuse_changed(self.job.folder, saved["files"])
        self.phase_index, self.iteration = saved["phase"], saved["iteration"]
        self.sums, self.history, self.best = saved["sums"], saved["history"], saved["best"]
        for name, item in self.stateful.items():
            item.load_state_dict(saved["state"][name])
        phase = self.job.phases[self.phase_index]
        for name, optimizer in phase.optimizers.items():
            optimizer.load_state_dict(saved["optimizers"][name])
        self.saved_at = f"phase '{phase.name}', step {self.iteration} ({path})"

    def finish(self) -> dict[str, Any]:
        if self.averages is not None:
            self.averages.keep()
        if self.best:
            self.history["best"] = {"epoch": self.best["epoch"], "key": self.best["key"]}
            for name, network in self.job.networks.items():
                network.load_state_dict(self.best["networks"][name])
        if self.writes:
            save_content(self.job.folder / NETWORKS, self._weights())
            write_json(self.job.folder / HISTORY, self.history)
            seals.finish(self.job.folder, besides=(CHECKPOINT,))
            (self.job.folder / CHECKPOINT).unlink(missing_ok=True)
        if self.job.together:
            wait_for_all()
            load_networks(self.job)  # the leader alone has validated, so it alone knows the best weights
        for network in self.job.networks.values():
            network.eval()
        return self.history
