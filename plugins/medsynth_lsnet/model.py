"""Training of LSNet: teacher and student together, then the student alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from medsynth.api import Inspection, Phase, Setup, Stateful, progress
from medsynth.base.errors import InputError
from medsynth.statistics import roc_auc
from medsynth.supervised.recipe import Recipe

from . import LSNetConfig
from .agreement import agreement, overlap, summary
from .building import build_distiller, build_student, build_teacher
from .distillation import logit_divergence
from .network import LSNet
from .optimization import adamw, update
from .schedule import distillation_weight, guidance, simulation_weight
from .teacher import shortfall
from .trunk import Outcome

if TYPE_CHECKING:
    from ignite.engine import Engine


INSPECTED = 8
"""Images that are compared at a time: their maps are large."""
WATCHED = 2
"""Images of each step whose agreement is logged: ranking the keys of all would take a fifteenth of the step."""


class LSNetClassifier:
    """Teacher, student and what passes between them.

    Pre-training updates the teacher by its own classification loss only, reads the gradient of that same backward
    pass at the attention scores, and trains the student and its simulators with it. Fine-tuning drops the teacher:
    the student is trained by classification alone, selecting keys by its simulators, which stay as they are.

    Args:
        config: options.
        setup: channels, image size, classes and device.

    Raises:
        InputError: if the hand-over ends before it starts, or ``config.weights`` cannot be read or does not fit.
    """

    def __init__(self, config: LSNetConfig, setup: Setup) -> None:
        if config.hand_over_end < config.hand_over_start:
            raise InputError(
                f"classifier.hand_over_end = {config.hand_over_end} lies before "
                f"classifier.hand_over_start = {config.hand_over_start}",
                hint="Give the hand-over an end that is not before its start.",
            )
        self.config = config
        self.student = build_student(config, setup)
        self.teacher = build_teacher(config, setup)
        self.distiller = build_distiller(config, setup, self.student, self.teacher)
        self.recipe = Recipe(config, self.student, head="classify.")
        self._teacher_optimizer = adamw(config, {"teacher": self.teacher}, config.teacher_rate)
        self._student_optimizer = adamw(config, {"student": self.student, "distiller": self.distiller}, 1.0)
        self._finetune_optimizer = adamw(config, {"student": self.student}, config.finetune_factor)

    def networks(self) -> Mapping[str, nn.Module]:
        """Return the deployed student first, with averaged weights if asked for, then the teacher."""
        return {"student": self.recipe.exported, "teacher": self.teacher}

    def phases(self) -> Sequence[Phase]:
        """Return the teacher's head start, pre-training and fine-tuning; a phase without epochs is left out."""
        config = self.config
        student: dict[str, Stateful] = {"student": self.student, **self.recipe.state}
        shared: dict[str, Any] = {"epoch_steps": config.epoch_steps, "batch_size": config.batch_size}
        ahead = Phase(
            name="teacher",
            data="mixed",
            epochs=config.teacher_epochs,
            step=self._teacher_step,
            state={"teacher": self.teacher},
            optimizers={"teacher": self._teacher_optimizer},
            **shared,
        )
        pretrain = Phase(
            name="pretrain",
            data="mixed",
            epochs=config.pretrain_epochs,
            step=self._pretrain_step,
            state={**student, "teacher": self.teacher, "distiller": self.distiller},
            optimizers={"student": self._student_optimizer, "teacher": self._teacher_optimizer},
            **shared,
        )
        finetune = Phase(
            name="finetune",
            data="real",
            epochs=config.finetune_epochs,
            step=self._finetune_step,
            state=student,
            optimizers={"student": self._finetune_optimizer},
            **shared,
        )
        return [phase for phase in (ahead, pretrain, finetune) if phase.epochs]

    def inspect(self, images: Tensor, labels: Tensor) -> Inspection:
        """Compare the simulators with the teacher as it is, in evaluation mode."""
        student, rule = cast(LSNet, self.recipe.exported.eval()), self.student.rule
        parts, shares = [], []
        # A teacher that never learned says nothing.
        for start in range(0, len(images), INSPECTED) if self.config.pretrain_epochs else ():
            part, known = (values[start : start + INSPECTED] for values in (images, labels))
            outcome = self.teacher.eval().observed(part)
            parts.append((len(part), agreement(student, rule, part, self._importance(outcome, known))))
            shares.append(outcome.logits.detach().double().softmax(dim=1)[:, 1])
        found = roc_auc(torch.cat(shares).cpu().numpy(), labels.cpu().numpy()) if shares else math.nan
        return summary(parts, teacher_auc=found)

    def _importance(self, teacher: Outcome, labels: Tensor) -> list[Tensor]:
        """Return what matters to the teacher in each block, (B, P, h, N, N), up to a factor; not smoothed."""
        margin = self.config.teacher_gradient == "margin"
        loss = (shortfall if margin else self.recipe.classification)(teacher.logits, labels)
        return [self.distiller.signed(gradient) for gradient in torch.autograd.grad(loss, teacher.maps)]

    # -------------------------------------------------------- steps

    def _pretrain_step(self, engine: Engine, batch: Mapping[str, Tensor]) -> Mapping[str, Any]:
        config, share = self.config, progress(engine)
        images, labels = self.recipe.images(batch), batch["label"]
        weight = guidance(share, config.hand_over_start, config.hand_over_end)
        teacher, teacher_loss, gradients = self._train_teacher(images, labels)
        targets = self.distiller.targets(gradients, share)
        student = self.student.guided(images, targets, weight)
        classification = self.recipe.classification(student.logits, labels)
        simulation = self.distiller.simulation(student.maps, targets)
        distillation = self._distillation(student, teacher)
        simulation_share = config.simulation_weight * simulation_weight(share, config.hand_over_end)
        distillation_share = config.distillation_weight * distillation_weight(weight)
        total = classification + simulation_share * simulation + distillation_share * distillation
        update(self._student_optimizer, total)
        self.recipe.stepped()
        return {
            "classification": classification.detach(),
            "teacher": teacher_loss,
            "simulation": simulation.detach(),
            "distillation": distillation.detach(),
            "guidance": weight,
            **self._agreement(student.maps, targets),
        }

    def _train_teacher(self, images: Tensor, labels: Tensor) -> tuple[Outcome, Tensor, list[Tensor]]:
        """Update the teacher and return its outcome, its loss and the gradients at its scores, per image."""
        outcome = self.teacher.observed(images)
        loss = self.recipe.classification(outcome.logits, labels)
        if self.config.teacher_gradient == "margin":
            gradients = list(torch.autograd.grad(shortfall(outcome.logits, labels), outcome.maps, retain_graph=True))
            update(self._teacher_optimizer, loss)
        else:
            for scores in outcome.maps:
                scores.retain_grad()
            update(self._teacher_optimizer, loss)
            gradients = [len(labels) * scores.grad for scores in outcome.maps if scores.grad is not None]
        return outcome, loss.detach(), gradients

    def _distillation(self, student: Outcome, teacher: Outcome) -> Tensor:
        if self.config.distillation == "kl":
            return logit_divergence(student.logits, teacher.logits)
        return self.distiller.alignment(student.features, teacher.features)

    @torch.no_grad()
    def _agreement(self, simulated: Sequence[Tensor], targets: Sequence[Tensor]) -> dict[str, Tensor]:
        rule, some = self.student.rule, slice(WATCHED)
        return {
            f"agreement_{name}": overlap(
                rule.score(maps[some]), rule.score(target[some]), rule.compared(target.shape[-1])
            )
            for name, maps, target in zip("abc", simulated, targets, strict=True)
        }

    def _teacher_step(self, engine: Engine, batch: Mapping[str, Tensor]) -> Mapping[str, Any]:
        del engine
        return {"teacher": self._train_teacher(self.recipe.images(batch), batch["label"])[1]}

    def _finetune_step(self, engine: Engine, batch: Mapping[str, Tensor]) -> Mapping[str, Any]:
        del engine
        classification = self.recipe.classification(self.student(self.recipe.images(batch)), batch["label"])
        update(self._finetune_optimizer, classification)
        self.recipe.stepped()
        return {"classification": classification.detach()}
