"""The flow on one screen: images in, report and bundle out."""

from __future__ import annotations

from pathlib import Path

from medsynth.api import Result
from medsynth.base.progress import Silent, Watch
from medsynth.base.stopping import Stop
from medsynth.data.preparing import Data
from medsynth.flow.folder.runs import Run, SeedRun
from medsynth.flow.folder.sharing import Sharing
from medsynth.flow.outcome.bundling import write_run_bundle
from medsynth.flow.outcome.evaluation import evaluate
from medsynth.flow.outcome.reporting import write_run_report
from medsynth.flow.outcome.summary import summarize_seeds
from medsynth.flow.stages.helpers import beside
from medsynth.flow.stages.prepare import prepare_data
from medsynth.flow.stages.synthesis import synthesize_training_set
from medsynth.flow.stages.train_classifiers import train_classifiers
from medsynth.flow.stages.train_generator import train_generator
from medsynth.plan.plan import Plan
from medsynth.plugins import Registry
from medsynth.training.processes import leads


def run(
    plan: Plan,
    registry: Registry,
    folder: Path,
    *,
    watch: Watch | None = None,
    stop: Stop | None = None,
    sharing: Sharing | None = None,
) -> Result:
    """Carry out a plan in `folder`, continuing whatever is already there.

    Each line below is a stage; it reads and writes only its own folder, and what is finished is loaded
    instead of done again. Processes that torchrun started train together; the leading one does all else and is the
    one whose result counts. With `sharing`, stages that other runs of a study did are taken from them.

    Raises:
        RunError: a stage failed; everything up to the last checkpoint is on disk.
        Interrupted: a stop was requested; as after a failure, everything up to the last checkpoint is on disk.
    """
    with Run(folder, plan, registry, watch or Silent(), stop or Stop(), sharing).opened() as opened:
        data = prepare_data(opened)
        results = [_one_seed(SeedRun(opened, seed), data) for seed in plan.seeds]
        return results[0] if len(results) == 1 or not leads() else summarize_seeds(opened, data, results)


def _one_seed(seed_run: SeedRun, data: Data) -> Result:
    with beside(seed_run) as team:
        generator = train_generator(seed_run, data)
        synthetic = synthesize_training_set(seed_run, data, generator)
        classifiers = train_classifiers(seed_run, data, synthetic, team)
    if not leads():
        return Result(scores=(), bundle="", report="")
    evaluation = evaluate(seed_run, data, generator, classifiers)
    bundle = write_run_bundle(seed_run, data, generator, classifiers, evaluation)
    return write_run_report(seed_run, data, classifiers, evaluation, bundle)
