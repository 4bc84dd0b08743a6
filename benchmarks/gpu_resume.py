"""Part of `gpu_check.py`: what a training that was killed and continued gives, against one that was not.

A generator and a classifier are trained in processes of their own: straight through, straight through once more, and
killed by SIGKILL in the second epoch of either. A GPU adds up in no fixed order unless it is told to, so that even the
same command twice may differ; then a continued training may differ as much, within a factor of `ALLOWED`.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gpu_settings import Settings

ALLOWED = 10.0
SHARE = 4
"""Images of a batch; small, since many steps say more here than large ones."""
EPOCHS, STEPS = 2, 4
STAGES = ("generator", "classifier")


def resume(settings: Settings, modes: Sequence[bool] = (False, True), stages: Sequence[str] = STAGES) -> None:
    """Compare weights after a kill with those of a training without one, as it comes and with fixed orders of sums."""
    for module in (
        "medsynth.training.loop",
        "medsynth.data.loaders",
        "medsynth_sg_cyclegan.model",
        "medsynth_lsnet.model",
    ):
        importlib.import_module(module)  # once for all processes, where these are forked
    for repeatable in modes:
        folder = settings.folder / ("repeatable" if repeatable else "as it comes")
        course = Course(settings, stages, repeatable)
        ways = (("straight", ()), ("again", ()), ("killed", stages))
        tasks = [partial(course.complete, folder / name, kills) for name, kills in ways]
        if settings.device == "cuda":
            with ThreadPoolExecutor(len(tasks)) as pool:
                for started in [pool.submit(task) for task in tasks]:
                    started.result()
        else:
            for task in tasks:
                task()
        for stage in stages:
            straight, again, continued = (_weights(folder / name / stage) for name in ("straight", "again", "killed"))
            row = {"repeat": difference(straight, again), "resumed": difference(straight, continued)}
            settings.add("resume", repeatable=repeatable, stage=stage, **row, passed=passed(**row))


def passed(*, repeat: float, resumed: float) -> bool:
    """Say whether a continued training differs from a straight one no more than the same command twice."""
    return resumed <= ALLOWED * repeat


def difference(first: dict[str, Any], second: dict[str, Any]) -> float:
    """Return the largest relative difference of a weight tensor; 0 only if all are equal bit for bit."""
    import torch

    largest = 0.0
    for name, tensor in first.items():
        if not torch.equal(tensor, second[name]):
            apart = (tensor.double() - second[name].double()).norm() / max(float(tensor.double().norm()), 1e-12)
            largest = max(largest, float(apart))
    return largest


def _weights(folder: Path) -> dict[str, Any]:
    import torch

    from medsynth.training.checkpoint import NETWORKS

    saved = torch.load(folder / NETWORKS, weights_only=True)
    return {f"{network}.{name}": tensor for network, state in saved.items() for name, tensor in state.items()}


@dataclass(frozen=True)
class Course:
    """What a process trains, in this order, and whether sums have a fixed order."""

    settings: Settings
    stages: Sequence[str]
    repeatable: bool

    def complete(self, folder: Path, kills: Sequence[str]) -> None:
        """Train everything into `folder`, in several processes if there are stages in which one is killed.

        Raises:
            RuntimeError: a process did not end as it was to.
        """
        for stage in (*kills, ""):
            code, expected = self._train(folder, stage), -signal.SIGKILL if stage else 0
            if code != expected:
                raise RuntimeError(f"the training of {folder.name} ended with exit code {code}, not {expected}")

    def _train(self, folder: Path, kill: str) -> int | None:
        """Train in a process of its own, which kills itself in the second epoch of `kill`; return its exit code."""
        # A process that has touched a GPU, as imports may, cannot be forked.
        context = multiprocessing.get_context("spawn" if self.settings.device == "cuda" else "fork")
        process = context.Process(target=train_all, args=(self, folder, kill))
        process.start()
        process.join()
        return process.exitcode


def train_all(course: Course, folder: Path, kill: str) -> None:
    """Train a generator, then a classifier, or continue them, in this process."""
    import torch

    torch.set_num_threads(1)
    if course.repeatable:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
        torch.use_deterministic_algorithms(True, warn_only=True)
    for stage in course.stages:
        _train_stage(course.settings, folder / stage, stage, dies=stage == kill)


def _train_stage(settings: Settings, folder: Path, stage: str, *, dies: bool) -> None:
    from medsynth.api import Phase, Setup
    from medsynth.base.seeds import seed_everything
    from medsynth.base.stopping import Stop
    from medsynth.plugins import Registry
    from medsynth.training.config import TrainingConfig
    from medsynth.training.devices import make_policy
    from medsynth.training.job import Job
    from medsynth.training.loop import train

    class Death(Stop):
        """Kills the process after the first step of the second epoch."""

        checks = 0

        def check(self) -> None:
            self.checks += 1
            if dies and self.checks == STEPS + 3:  # once a step, and at the end of an epoch
                os.kill(os.getpid(), signal.SIGKILL)

    registry, size = Registry(), 32 if settings.tiny else 128
    generates = stage == "generator"
    spec = registry.load(stage, "sg-cyclegan" if generates else "lsnet")
    epochs = {"epochs": EPOCHS} if generates else {"pretrain_epochs": EPOCHS, "finetune_epochs": EPOCHS}
    fields = settings.generator("sg-cyclegan") if generates else settings.lsnet
    seed_everything("resume", stage)
    config = spec.config(batch_size=SHARE, epoch_steps=STEPS, **epochs, **fields)
    model = registry.create(spec, config, Setup(channels=1, size=(size, size), device=settings.device))
    policy, core = make_policy(settings.device, TrainingConfig(), size), TrainingConfig(tensorboard=False)

    def loader(phase: Phase) -> Any:
        return _loader(phase, size, pinned=policy.pinned)

    train(
        Job(name=stage, folder=folder, phases=model.phases(), networks=model.networks(), loader=loader, seed=1,
            policy=policy, training=core, stop=Death())
    )  # fmt: skip


def _loader(phase: Any, size: int, *, pinned: bool) -> Any:
    import numpy as np

    from medsynth.data.images import Images, Record
    from medsynth.data.loaders import LabelledLoader, UnpairedLoader

    def images(domain: str) -> Images:
        draw, count = np.random.default_rng([ord(domain[0])]), 4 * SHARE
        pixels = draw.uniform(-1, 1, (count, 1, size, size)).astype(np.float32)
        records = tuple(Record(f"{n}.png", domain, n % 2, str(n), "train") for n in range(count))
        return Images(records, pixels, np.arange(count))

    options = {"batch_size": SHARE, "steps": STEPS, "seed": 1, "pinned": pinned}
    if phase.data == "unpaired":
        return UnpairedLoader(images("source"), images("target"), augment=True, **options)
    return LabelledLoader([images("target")], balance=True, augment=1.0, **options)
