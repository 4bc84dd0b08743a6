"""Of NIfTI files with several volumes one is chosen, and all commands, bundles and plain MONAI take that one."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch

from medsynth.base.errors import InputError
from medsynth.base.progress import Silent
from medsynth.base.stopping import Stop
from medsynth.bundle.opening.preprocessing import config_of
from medsynth.data.check import check_data
from medsynth.data.config import DataConfig
from medsynth.data.formats.chains import DomainInfo, FileDecoder, instantiate, preprocessing_config
from medsynth.data.formats.probing import Facts, examine
from medsynth.data.preparing import inspect
from medsynth.inference.inputs.decoding import InputDecoder
from medsynth.inference.translate.translation import TranslationJob, synthesize_files
from medsynth.inference.translate.translator import Translator

AFFINE = np.array([[2.0, 0, 0, -5], [0, 3.0, 0, 7], [0, 0, 4.0, 9], [0, 0, 0, 1]])
CONFIG = DataConfig(size=16, volume=1)


@pytest.fixture
def moments(tmp_path):
    """A file with three volumes of four slices, and the values of each."""
    values = np.random.default_rng(4).normal(0, 100, (12, 10, 4, 3)).astype(np.float32)
    path = tmp_path / "in" / "bold.nii.gz"
    path.parent.mkdir()
    nib.save(nib.Nifti1Image(values, AFFINE), path)
    return path, values


class Keeps(torch.nn.Module):
    def forward(self, images):
        return images


def translator(config):
    facts = {"name": "toy", "version": "1", "digest": "0", "generator": "toy", "device": "cpu"}
    return Translator(config=config, network=Keeps(), **facts)


@pytest.mark.parametrize("channels", [1, 3])
def test_check_predict_run_and_plain_monai_see_the_chosen_volume_alone(moments, channels, tmp_path):
    path, values = moments
    config = replace(CONFIG, channels=channels)
    alone = tmp_path / "alone.nii.gz"
    nib.save(nib.Nifti1Image(values[..., 1], AFFINE), alone)
    expected = FileDecoder(DomainInfo(False), replace(config, volume=-1)).read(alone, range(4))
    facts = examine(path, volume=1)
    assert isinstance(facts, Facts)
    assert (facts.format.depth, facts.format.volume, facts.shape) == (4, 1, (12, 10, 4))
    assert [index for index, _ in InputDecoder(config).read(path)] == [0, 1, 2, 3]
    chains = [preprocessing_config(DomainInfo(False), config, facts.format, k) for k in range(4)]
    for found in (
        FileDecoder(DomainInfo(False), config).read(path, range(4)),
        [image for _, image in InputDecoder(config).read(path)],
        [np.asarray(instantiate(chain)({"image": str(path)})["image"]) for chain in chains],
    ):
        assert max(np.abs(a - b).max() for a, b in zip(found, expected, strict=True)) < 1e-6
    read = config_of(chains[2], {"volume": 1}, None)
    assert (read.volume, read.channels) == (1, channels)


def test_its_translation_lies_where_the_chosen_volume_lies(moments, tmp_path):
    path, values = moments
    job = TranslationJob(
        translator=translator(replace(CONFIG, square=False)),
        source=path,
        out=tmp_path / "out",
        size="native",
        watch=Silent(),
        stop=Stop(),
    )
    assert synthesize_files(job).failures == []
    found = nib.load(tmp_path / "out/bold.nii.gz")
    assert found.shape == (12, 10, 4)
    np.testing.assert_allclose(found.affine, AFFINE)
    low, high = np.percentile(values[..., 1], [0.5, 99.5])
    expected = (np.clip(values[..., 1], low, high) - low) / (high - low) * 255
    np.testing.assert_allclose(found.get_fdata(), expected, atol=0.02)


def test_without_a_choice_every_command_refuses_and_names_the_option(moments, tmp_path):
    path, _ = moments
    undecided = replace(CONFIG, volume=-1)
    for command in (
        lambda: list(InputDecoder(undecided).read(path)),
        lambda: FileDecoder(DomainInfo(False), undecided).read(path, [0]),
    ):
        with pytest.raises(InputError, match="holds 3 volumes") as caught:
            command()
        assert "--set data.volume=0, for predict and synthesize --volume 0" in caught.value.hint
    job = TranslationJob(
        translator=translator(undecided), source=path, out=tmp_path / "out", watch=Silent(), stop=Stop()
    )
    assert "3 volumes" in dict(synthesize_files(job).failures)["bold.nii.gz"]
    with pytest.raises(InputError, match="has no volume 7"):
        list(InputDecoder(replace(CONFIG, volume=7)).read(path))


def test_a_data_set_of_such_files_can_be_checked_and_run_beside_others(moments, tmp_path):
    path, values = moments
    rows = ["image,domain,label,patient"]
    for k, domain in enumerate(["source"] * 6 + ["target"] * 6):
        name = f"{k}.nii.gz"
        stored = values + k if domain == "source" else values[..., 0] + k
        nib.save(nib.Nifti1Image(stored, AFFINE), path.parent / name)
        rows.append(f"{name},{domain},{k % 2},p{k}")
    (path.parent / "manifest.csv").write_text("\n".join(rows))
    config = replace(CONFIG, path=str(path.parent / "manifest.csv"), ratio="1:1:1")
    assert check_data(config, 0).errors == ()
    records, _, _ = inspect(config, 0)
    assert [record.slice for record in records if record.image == "0.nii.gz"] == [0, 1, 2, 3]
    refused = check_data(replace(config, volume=-1), 0).errors
    assert sum("holds 3 volumes" in text for text in refused) == 6
    assert all("data.volume" in text for text in refused if "volumes" in text)
