"""Every command takes or refuses the same files, and shows its network the same pixels."""

from __future__ import annotations

import csv
import re
import shutil
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch

from medsynth.base.errors import InputError
from medsynth.base.progress import Silent
from medsynth.base.stopping import Stop
from medsynth.data.check import check_data
from medsynth.data.config import DataConfig
from medsynth.data.formats.chains import DomainInfo, FileDecoder
from medsynth.data.formats.windows import parse_windows
from medsynth.data.images import Record
from medsynth.data.listing.examination import examine_files
from medsynth.data.preparing import prepare
from medsynth.door.given import take, translate_given
from medsynth.inference.inputs.decoding import InputDecoder
from medsynth.inference.inputs.fitting import make_fitting
from medsynth.inference.translate.translation import TranslationJob, synthesize_files
from medsynth.inference.translate.translator import Translator

CONFIG = DataConfig(size=16)


@lru_cache
def decoders(window):
    """Return what a run reads 8-bit and other files with, and what predict reads all with."""
    asked = parse_windows(window).get("source")
    run = {eight_bit: FileDecoder(DomainInfo(eight_bit, asked), CONFIG) for eight_bit in (True, False)}
    return run, InputDecoder(replace(CONFIG, window=window))


def by_check(path, window=""):
    """`medsynth data check` and `medsynth run`."""
    record = Record(path.name, "target", 0, "p", "")
    facts, problems = examine_files([record], path.parent, CONFIG)
    if problems:
        raise InputError(problems[0].message)
    (found,) = facts.values()
    indices = range(found.format.depth) if found.format.depth > 1 else [None]
    return decoders(window)[0][found.eight_bit].read(path, list(indices))


def by_predict(path, window=""):
    """`medsynth predict` and `medsynth evaluate`."""
    images = [image for _, image in decoders(window)[1].read(path)]
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
        self.seen_by_numpy(images.numpy())
        return images

    def seen_by_numpy(self, images):
        self.seen += list(images)
        return images


def by_synthesize(source, out, window=""):
    """`medsynth synthesize`: return what the network has seen, the sources in their order, and what was refused."""
    network = Recorder()
    facts = {"name": "toy", "version": "1", "digest": "0", "generator": "toy", "device": "cpu"}
    translator = Translator(config=replace(CONFIG, window=window), network=network, **facts)
    summary = synthesize_files(
        TranslationJob(translator=translator, source=source, out=out, watch=Silent(), stop=Stop())
    )
    with (out / "manifest.csv").open() as stream:
        names = [row["source"] for row in csv.DictReader(stream)]
    return network.seen, names, dict(summary.failures), summary.left_out


def by_python(path, window=""):
    """`medsynth.load(bundle).translate`."""
    network, config = Recorder(), replace(CONFIG, window=window)
    given = take(path, config, (-1.0, 1.0), path.name)
    translate_given([given], make_fitting("network", config), network.seen_by_numpy, config, 16)
    return network.seen


@pytest.mark.parametrize("window", ["", "-500.5:60000"])
def test_all_commands_take_the_same_files_and_show_the_same_pixels(window, zoo, unusable, tmp_path):
    seen, names, _, _ = by_synthesize(next(iter(zoo.values())).parent, tmp_path / "out", window)
    # it is translated, because a volume may hold such slices
    assert sorted(names) == sorted((zoo.keys() - unusable.keys()) | {"constant.png"})
    rest = iter(seen)
    for name in names:
        if name == "constant.png":
            next(rest)
            continue
        expected = by_check(zoo[name], window)
        for found in (by_predict(zoo[name], window), by_python(zoo[name], window), [next(rest) for _ in expected]):
            assert len(found) == len(expected), name
            assert max(np.abs(one - other).max() for one, other in zip(found, expected, strict=True)) < 1e-6, name


def test_all_commands_refuse_the_same_files_for_the_same_reason(zoo, unusable, tmp_path):
    _, _, failures, left_out = by_synthesize(next(iter(zoo.values())).parent, tmp_path / "out")
    assert left_out == {".txt files": 1, "structured reports": 1}
    for name, word in unusable.items():
        several = (by_check, by_predict) if name == "constant.png" else (by_check, by_predict, by_python)
        for command in several:
            with pytest.raises(InputError) as caught:
                command(zoo[name])
            assert re.search(word, str(caught.value)), (name, command, str(caught.value))
        if name not in ("constant.png", "notes.txt", "report.dcm"):
            assert re.search(word, failures[name]), name


@pytest.mark.parametrize("seed", range(6))
def test_a_check_finds_errors_exactly_where_a_run_refuses(seed, zoo, unusable, tmp_path):
    rng = np.random.default_rng(seed)
    sound = sorted(zoo.keys() - unusable.keys())
    for place in ("source", "target/ill", "target/well"):
        names = [*rng.choice(sound, 4, replace=False), *rng.choice(sorted(unusable), seed % 2)]
        for name in names:
            folder = tmp_path / "in" / place / f"p{rng.integers(9)}"
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(zoo[name], folder / f"{rng.integers(1000)}{name}")
    intensity = rng.choice(["auto", "percentile"])
    config = DataConfig(path=str(tmp_path / "in"), size=16, positive="ill", source_label="0", intensity=intensity)
    try:
        prepare(config, tmp_path / "run", seed=config.seed)
        refused = ""
    except InputError as error:
        refused = error.message
    assert bool(check_data(config, config.seed).errors) == bool(refused), refused
