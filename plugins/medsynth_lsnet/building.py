"""The modules that an `LSNetConfig` asks for, with random weights, on their device."""

from __future__ import annotations

from medsynth.api import Setup
from medsynth.networks.attention import POSITIONS
from medsynth.networks.mobile import halvings_for

from . import LSNetConfig
from .distillation import Distiller
from .network import LSNet
from .teacher import Teacher
from .trunk import HALVINGS, tokens_of


def halvings(config: LSNetConfig, setup: Setup) -> int:
    """Return how often student and teacher halve an image."""
    return config.halvings or halvings_for(min(setup.size), HALVINGS)


def build_student(config: LSNetConfig, setup: Setup) -> LSNet:
    """Return the network that is deployed."""
    return LSNet(
        channels=setup.channels,
        classes=setup.classes,
        heads=config.heads,
        width=config.student_width,
        asymmetric=config.simulator == "asymmetric",
        places=config.places,
        selection=config.selection,
        attention=config.attention,
        sparsity=config.sparsity,
        min_keys=config.min_keys,
        fusion=config.fusion == "two-sided" and config.sign != "abs",
        fusion_share=config.fusion_share,
        temperature=config.temperature,
        halvings=halvings(config, setup),
        activation=config.activation,
    ).to(setup.device)


def build_teacher(config: LSNetConfig, setup: Setup) -> Teacher:
    """Return the wide network that guides."""
    teacher = Teacher(
        channels=setup.channels,
        classes=setup.classes,
        width=config.teacher_width,
        heads=config.heads,
        halvings=halvings(config, setup),
        activation=config.activation,
    )
    return teacher.to(setup.device)


def build_distiller(config: LSNetConfig, setup: Setup, student: LSNet, teacher: Teacher) -> Distiller:
    """Return what passes between the two."""
    return Distiller(
        heads=config.heads,
        positions=POSITIONS,
        tokens=tokens_of(setup.size, halvings(config, setup)),
        widths=(student.classify.in_features, teacher.classify.in_features),
        sign=config.sign,
        smoothing=config.smoothing,
        row_loss=config.row_loss,
        feature_weight=config.feature_weight,
        rule=student.rule,
    ).to(setup.device)
