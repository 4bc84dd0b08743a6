"""The stage that trains one classifier per row, all under the same budget."""

from __future__ import annotations

from typing import Any, cast

from medsynth.api import Classifier, Phase, Subject, exported
from medsynth.base.seals import is_finished
from medsynth.base.seeds import derive_seed
from medsynth.data.images import Images
from medsynth.data.preparing import Data
from medsynth.flow.folder.runs import SeedRun
from medsynth.flow.stages.building import build, policy_of, train_model
from medsynth.flow.stages.classification import TrainingRow, make_rows, validate
from medsynth.flow.stages.helpers import Team
from medsynth.flow.stages.positives import keep_positives
from medsynth.plan.plan import Plan
from medsynth.training.inspection import figures, inspect
from medsynth.training.processes import processes, rank, wait_for_all


def train_classifiers(seed_run: SeedRun, data: Data, synthetic: Images, team: Team) -> dict[str, Classifier]:
    """Train one classifier per row, all under the same budget.

    What the team's helper trains is waited for; processes that train together share out the rows.
    """
    rows = classifier_rows(seed_run.run.plan, data, synthetic, seed=seed_run.seed)
    left = [name for name in rows if not is_finished(seed_run.folder / "classifier" / name)]
    with seed_run.run.stage(seed_run.stage_name("classifier")):
        for name in left[rank() :: processes()]:
            if name not in team.rows:
                train_row(seed_run, data, name, rows[name])
        team.wait()
        wait_for_all()
        # What is trained already, here or by another process, is loaded.
        return {name: train_row(seed_run, data, name, row) for name, row in rows.items()}


def classifier_rows(plan: Plan, data: Data, synthetic: Images, *, seed: int) -> dict[str, TrainingRow]:
    """Return the images of each classifier row that the plan asks for, by its name; `seed` is the training's."""
    source, oracle = (data.images.select(domain=name, split="train") for name in ("source", "oracle"))
    real = data.images.select(domain="target", split="train", labeled=True)
    real = keep_positives(real, plan.classifier_config.positives, seed=seed)
    added = {Subject.SYNTHETIC: synthetic, Subject.UNTRANSLATED: source, Subject.ORACLE: oracle}
    rows = make_rows(real, added, plan.classifier_config.batch_size)
    return {name: row for name, row in rows.items() if name in (Subject.SYNTHETIC, *plan.training.baselines)}


def train_row(seed_run: SeedRun, data: Data, name: str, row: TrainingRow) -> Classifier:
    """Train the classifier of one row."""
    run, plan = seed_run.run, seed_run.run.plan
    config, policy = plan.classifier_config, policy_of(plan)
    # The rows share initial weights and, as far as their images agree, batches: they differ in data only.
    classifier = cast(Classifier, build(run, "classifier", seed_run.seed))
    network = exported(classifier)
    validation = data.images.select(domain="target", split="val", labeled=True)

    def loader(phase: Phase) -> Any:
        return row.loader(
            phase,
            seed=derive_seed(seed_run.seed, "classifier", phase.name),
            balance=config.balance,
            real_share=config.real_share,
            augment=config.augment,
            pinned=policy.pinned,
            workers=plan.data.workers,
        )

    depends = ("generator", "classifier") if name == Subject.SYNTHETIC else ("classifier",)
    with seed_run.shared(f"classifier/{name}", *depends):
        train_model(
            seed_run,
            f"classifier {name}",
            seed_run.folder / "classifier" / name,
            classifier,
            loader,
            validate=lambda _: validate(network, validation, policy),
            observe=lambda: figures(inspect(classifier, validation, policy)),
            options=config,
        )
    return classifier
