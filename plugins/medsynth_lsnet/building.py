"""The modules that an `LSNetConfig` asks for, with random weights, on their device."""

from __future__ import annotations

from medsynth.api import Setup
from medsynth.base.configuration import options_for
from medsynth.networks.attention import POSITIONS
from medsynth.supervised.classifier import halvings

from . import LSNetConfig
from .attention import Rule
from .distillation import Distiller
from .network import LSNet
from .teacher import Teacher
from .trunk import HALVINGS, tokens_of


def build_student(config: LSNetConfig, setup: Setup) -> LSNet:
    """Return the network that is deployed."""
    own = options_for(config, Rule) | {"fusion": config.fusion == "two-sided" and config.sign != "abs"}
    return LSNet(
        channels=setup.channels,
        classes=setup.classes,
        width=config.student_width,
        asymmetric=config.simulator == "asymmetric",
        **own,
        **options_for(config, LSNet) | {"halvings": halvings(config, setup, HALVINGS)},
    ).to(setup.device)


def build_teacher(config: LSNetConfig, setup: Setup) -> Teacher:
    """Return the wide network that guides."""
    own = options_for(config, Teacher) | {"halvings": halvings(config, setup, HALVINGS)}
    return Teacher(channels=setup.channels, classes=setup.classes, width=config.teacher_width, **own).to(setup.device)


def build_distiller(config: LSNetConfig, setup: Setup, student: LSNet, teacher: Teacher) -> Distiller:
    """Return what passes between the two."""
    return Distiller(
        positions=POSITIONS,
        tokens=tokens_of(setup.size, halvings(config, setup, HALVINGS)),
        widths=(student.classify.in_features, teacher.classify.in_features),
        rule=student.rule,
        **options_for(config, Distiller),
    ).to(setup.device)
