"""Every command takes or refuses the same files, and shows its network the same pixels."""

from __future__ import annotations

import re

import numpy as np
import pytest

from medsynth.base.errors import InputError
from medsynth.data.config import DataConfig
from medsynth.data.formats.chains import DomainInfo, FileDecoder
from medsynth.data.formats.probing import Facts, examine
from medsynth.inference.inputs.decoding import InputDecoder
from medsynth.inference.inputs.fitting import NetworkSize
from medsynth.inference.inputs.picture_reader import Reader

CONFIG = DataConfig(size=16)


def by_check(path):
    """`medsynth data check` and `medsynth run`."""
    facts = examine(path)
    if not isinstance(facts, Facts):
        raise InputError(facts.message)
    indices = range(facts.format.depth) if facts.format.depth > 1 else [None]
    return FileDecoder(DomainInfo(facts.eight_bit), CONFIG).read(path, list(indices))


def by_predict(path):
    """`medsynth predict` and `medsynth evaluate`."""
    images = [image for _, image in InputDecoder(CONFIG).read(path)]
    for image in images:
        if isinstance(image, str):
            raise InputError(image)
    return images


def by_synthesize(path):
    """`medsynth synthesize`."""
    picture = Reader(CONFIG).read(path, path.name)
    fitting = NetworkSize(CONFIG)
    return [fitting.forward(picture.values[..., k]).numpy() for k in range(len(picture))]


def test_all_commands_agree_on_every_file(zoo, unusable):
    for name, path in zoo.items():
        if name in unusable:
            continue
        expected = by_check(path)
        for command in (by_predict, by_synthesize):
            found = command(path)
            assert len(found) == len(expected), name
            assert max(np.abs(one - other).max() for one, other in zip(found, expected, strict=True)) < 1e-6, name


def test_all_commands_refuse_the_same_files_for_the_same_reason(zoo, unusable):
    for name, word in unusable.items():
        for command in (by_check, by_predict, by_synthesize):
            if name == "constant.png" and command is by_synthesize:
                continue  # it is translated, because a volume may hold such slices
            with pytest.raises(InputError) as caught:
                command(zoo[name])
            assert re.search(word, caught.value.message), (name, command, caught.value.message)
