"""Every command takes or refuses the same files, and shows its network the same pixels."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from medsynth.base.errors import InputError
from medsynth.base.progress import Silent
from medsynth.base.stopping import Stop
from medsynth.data.config import DataConfig
from medsynth.data.formats.chains import DomainInfo, FileDecoder
from medsynth.data.images import Record
from medsynth.data.listing.examination import examine_files
from medsynth.inference.inputs.decoding import InputDecoder
from medsynth.inference.translate.translation import TranslationJob, synthesize_files
from medsynth.inference.translate.translator import Translator

CONFIG = DataConfig(size=16)


def by_check(path):
    """`medsynth data check` and `medsynth run`."""
    record = Record(path.name, "target", 0, "p", "")
    facts, problems = examine_files([record], path.parent, CONFIG)
    if problems:
        raise InputError(problems[0].message)
    (found,) = facts.values()
    indices = range(found.format.depth) if found.format.depth > 1 else [None]
    return FileDecoder(DomainInfo(found.eight_bit), CONFIG).read(path, list(indices))


def by_predict(path):
    """`medsynth predict` and `medsynth evaluate`."""
    images = [image for _, image in InputDecoder(CONFIG).read(path)]
    for image in images:
        if isinstance(image, str):
            raise InputError(image)
    return images


class Recorder(torch.nn.Module):
    """Changes nothing and keeps what it has seen."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, images):
        self.seen += list(images.numpy())
        return images


@pytest.fixture
def by_synthesize(tmp_path):
    """`medsynth synthesize`."""

    def run(path):
        network = Recorder()
        facts = {"name": "toy", "version": "1", "digest": "0", "generator": "toy", "device": "cpu"}
        translator = Translator(config=CONFIG, network=network, **facts)
        out = tmp_path / path.name
        summary = synthesize_files(
            TranslationJob(translator=translator, source=path, out=out, watch=Silent(), stop=Stop())
        )
        for _, problem in summary.failures:
            raise InputError(problem)
        return network.seen

    return run


def test_all_commands_agree_on_every_file(zoo, unusable, by_synthesize):
    for name, path in zoo.items():
        if name in unusable:
            continue
        expected = by_check(path)
        for command in (by_predict, by_synthesize):
            found = command(path)
            assert len(found) == len(expected), name
            assert max(np.abs(one - other).max() for one, other in zip(found, expected, strict=True)) < 1e-6, name


def test_all_commands_refuse_the_same_files_for_the_same_reason(zoo, unusable, by_synthesize):
    for name, word in unusable.items():
        for command in (by_check, by_predict, by_synthesize):
            if name == "constant.png" and command is by_synthesize:
                continue  # it is translated, because a volume may hold such slices
            with pytest.raises(InputError) as caught:
                command(zoo[name])
            assert re.search(word, str(caught.value)), (name, command, str(caught.value))
