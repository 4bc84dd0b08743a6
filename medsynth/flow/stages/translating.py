"""The stage that translates the source images of training patients."""

from __future__ import annotations

from medsynth.api import Generator
from medsynth.data.images import Images
from medsynth.data.preparing import Data
from medsynth.flow.folder.runs import SeedRun
from medsynth.flow.stages.building import policy_of
from medsynth.flow.stages.prepare import listed_name
from medsynth.flow.stages.synthesis import Translation, synthesize
from medsynth.training.processes import leader_first


def synthesize_training_set(seed_run: SeedRun, data: Data, generator: Generator) -> Images:
    """Translate the source images of training patients, and no others."""
    run = seed_run.run
    with run.stage(seed_run.stage_name("synthesis")), leader_first():
        source = data.images.select(domain="source", split="train")
        return translate(seed_run, data, generator, source, "synthetic")


def translate(seed_run: SeedRun, data: Data, generator: Generator, source: Images, folder: str) -> Images:
    """Translate `source` into a folder of the run."""
    run = seed_run.run
    job = Translation(
        generator=generator,
        name=run.plan.generator,
        source=source,
        origins=[listed_name(run, data, record) for record in source.records],
        policy=policy_of(run.plan),
        smooth=run.plan.data.smooth,
        watch=run.watch,
        stop=run.stop,
    )
    with seed_run.shared(folder, "generator"):
        return synthesize(job, seed_run.folder / folder)
