"""Train a tiny CycleGAN; run by torchrun in several processes. Arguments: folder, epochs, what happens at step 5."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from medsynth_cyclegan import CycleGanConfig
from medsynth_cyclegan.model import CycleGan

from medsynth.api import Phase, Setup
from medsynth.base.errors import Interrupted
from medsynth.base.seeds import seed_everything
from medsynth.base.stopping import Stop
from medsynth.data.images import Images, Record
from medsynth.data.loaders import UnpairedLoader
from medsynth.training.config import TrainingConfig
from medsynth.training.devices import Policy
from medsynth.training.job import Job
from medsynth.training.loop import train
from medsynth.training.processes import joined, processes, rank, share_of

CONFIG = CycleGanConfig(
    width=4, blocks=1, discriminator_width=4, batch_size=2, accumulate=2, pool_size=3, epochs=3, epoch_steps=4,
    r1_weight=0.1,
)  # fmt: skip


def images(domain: str) -> Images:
    draw = np.random.default_rng([ord(domain[0])])
    pixels = draw.uniform(-1, 1, (12, 1, 32, 32)).astype(np.float32)
    records = tuple(Record(f"{n}.png", domain, None, str(n), "train") for n in range(len(pixels)))
    return Images(records, pixels, np.arange(len(pixels)))


def loader(phase: Phase) -> UnpairedLoader:
    whole = phase.batch_size * CONFIG.accumulate
    share_of(whole)
    source, target = images("source"), images("target")
    options = {"batch_size": whole, "steps": phase.epoch_steps, "share": (rank(), processes())}
    return UnpairedLoader(source, target, seed=1, augment=True, pinned=False, **options)


class Events(Stop):
    """A stop that one process alone asks for, or its sudden end, when the fifth step begins."""

    def __init__(self, event: str) -> None:
        super().__init__()
        self.event, self.checks = event, 0

    def check(self) -> None:
        super().check()
        self.checks += 1
        if self.checks == 5 and rank() == processes() - 1:
            if self.event == "die":
                os._exit(9)
            self.requested = self.event == "stop"


def main(folder: str, event: str) -> None:
    with joined("cpu"):
        seed_everything("weights")
        model = CycleGan(CONFIG, Setup(channels=1, size=(32, 32)))
        job = Job(
            name="together",
            folder=Path(folder),
            phases=model.phases(),
            networks=model.networks(),
            loader=loader,
            seed=1,
            policy=Policy("cpu"),
            training=TrainingConfig(tensorboard=False),
            accumulate=CONFIG.accumulate,
            together=True,
            stop=Events(event),
        )
        try:
            train(job)
        except Interrupted:
            print(f"process {rank()} of {processes()} stopped", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
