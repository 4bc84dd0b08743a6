"""Training of LSNet: teacher and student together, then the student alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medsynth.api import Phase, Setup, progress, warmup_then_cosine
from medsynth.errors import InputError
from medsynth.networks.attention import POSITIONS
from medsynth.supervised.recipe import Recipe

from . import LSNetConfig
from .distillation import (
    Distiller,
    distillation_weight,
    guidance,
    logit_divergence,
    overlap,
    simulation_weight,
)
from .network import LSNet
from .teacher import Teacher
from .trunk import Outcome

if TYPE_CHECKING:
    from ignite.engine import Engine


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
        shared: dict[str, Any] = {"channels": setup.channels, "classes": setup.classes, "heads": config.heads}
        self.student = LSNet(
            **shared,
            width=config.student_width,
            asymmetric=config.simulator == "asymmetric",
            places=config.places,
            attention=config.attention,
            sparsity=config.sparsity,
            min_keys=config.min_keys,
            fusion=config.fusion == "two-sided" and config.sign != "abs",
            fusion_share=config.fusion_share,
            temperature=config.temperature,
        ).to(setup.device)
        self.teacher = Teacher(**shared, width=config.teacher_width).to(setup.device)
        self.distiller = Distiller(
            heads=config.heads,
            positions=POSITIONS,
            tokens=[_tokens(setup.size, halvings) for halvings in (3, 4, 5)],
            widths=(self.student.classify.in_features, self.teacher.classify.in_features),
            sign=config.sign,
            smoothing=config.smoothing,
            row_loss=config.row_loss,
            feature_weight=config.feature_weight,
            rule=self.student.rule,
        ).to(setup.device)
        self.recipe = Recipe(config, self.student, head="classify.")
        self._teacher_optimizer = self._adamw({"teacher": self.teacher}, 1.0)
        self._student_optimizer = self._adamw({"student": self.student, "distiller": self.distiller}, 1.0)
        self._finetune_optimizer = self._adamw({"student": self.student}, config.finetune_factor)

    def networks(self) -> Mapping[str, nn.Module]:
        """Return the deployed student first, with averaged weights if asked for, then the teacher."""
        return {"student": self.recipe.exported, "teacher": self.teacher}

    def phases(self) -> Sequence[Phase]:
        """Return pre-training and fine-tuning; a phase without epochs is left out."""
        config = self.config
        pretrain = Phase(
            name="pretrain",
            data="mixed",
            epochs=config.pretrain_epochs,
            epoch_steps=config.epoch_steps,
            batch_size=config.batch_size,
            step=self._pretrain_step,
            state={"student": self.student, "teacher": self.teacher, "distiller": self.distiller, **self.recipe.state},
            optimizers={"student": self._student_optimizer, "teacher": self._teacher_optimizer},
            schedule=warmup_then_cosine(config.warmup_share),
        )
        finetune = Phase(
            name="finetune",
            data="real",
            epochs=config.finetune_epochs,
            epoch_steps=config.epoch_steps,
            batch_size=config.batch_size,
            step=self._finetune_step,
            state={"student": self.student, **self.recipe.state},
            optimizers={"student": self._finetune_optimizer},
            schedule=warmup_then_cosine(config.warmup_share),
        )
        return [phase for phase in (pretrain, finetune) if phase.epochs]

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
        _update(self._student_optimizer, total)
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
            gradients = list(torch.autograd.grad(_shortfall(outcome.logits, labels), outcome.maps, retain_graph=True))
            _update(self._teacher_optimizer, loss)
        else:
            for scores in outcome.maps:
                scores.retain_grad()
            _update(self._teacher_optimizer, loss)
            gradients = [len(labels) * scores.grad for scores in outcome.maps if scores.grad is not None]
        return outcome, loss.detach(), gradients

    def _distillation(self, student: Outcome, teacher: Outcome) -> Tensor:
        if self.config.distillation == "kl":
            return logit_divergence(student.logits, teacher.logits)
        return self.distiller.alignment(student.features, teacher.features)

    @torch.no_grad()
    def _agreement(self, simulated: Sequence[Tensor], targets: Sequence[Tensor]) -> dict[str, Tensor]:
        rule = self.student.rule
        return {
            f"agreement_{name}": overlap(rule.score(maps), rule.score(target), rule.compared(target.shape[-1]))
            for name, maps, target in zip("abc", simulated, targets, strict=True)
        }

    def _finetune_step(self, engine: Engine, batch: Mapping[str, Tensor]) -> Mapping[str, Any]:
        del engine
        classification = self.recipe.classification(self.student(self.recipe.images(batch)), batch["label"])
        _update(self._finetune_optimizer, classification)
        self.recipe.stepped()
        return {"classification": classification.detach()}

    def _adamw(self, modules: Mapping[str, nn.Module], factor: float) -> torch.optim.AdamW:
        """Build an optimizer with a group for each module, for the simulators, and for norms and biases of each."""
        groups: dict[str, dict[str, Any]] = {}
        for module_name, module in modules.items():
            for name, parameter in module.named_parameters():
                if parameter.requires_grad:
                    part = "simulator" if ".simulator." in name else module_name
                    decay = self.config.weight_decay if parameter.dim() > 1 else 0.0
                    key = part if decay else f"{part} without decay"
                    group = groups.setdefault(key, {"name": key, "weight_decay": decay, "params": []})
                    group["params"].append(parameter)
        return torch.optim.AdamW(list(groups.values()), lr=self.config.learning_rate * factor, fused=True)


def _update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    optimizer.step()


def _shortfall(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum over images of the best other class's logit minus the true one's; unlike the loss it never flattens."""
    true = F.one_hot(labels, logits.shape[1]).bool()
    return (logits.masked_fill(true, -torch.inf).amax(dim=1) - logits[true]).sum()


def _tokens(size: tuple[int, int], halvings: int) -> int:
    """Return the number of 2x2 patches of an image after `halvings` of its sides, each rounded up."""
    step: int = 2 ** (halvings + 1)
    rows, columns = (-(-side // step) for side in size)
    return rows * columns
