"""A run starts from the plan and weights of a bundle, and its own bundle names that one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from medsynth.base.errors import InputError, RunError
from medsynth.bundle.checking.description import compare_bundles
from medsynth.bundle.checking.verification import verify_bundle
from medsynth.bundle.format.manifest import digest_of, read_manifest
from medsynth.bundle.trust.snapshot import Snapshot
from medsynth.cli import app
from medsynth.data.formats.windows import Window
from medsynth.flow.stages.finetuning import ParentBundle, read_parent, start_from, take_weights
from medsynth.inference.export.forms import export_bundle

DATA = ["data.phantom_source=20", "data.phantom_negative=20", "data.phantom_positive=10", "data.phantom_test=10"]
DATA += ["evaluators.diagnostic.resamples=100"]
SMALL = ["data.size=32", "generator.width=4", "generator.blocks=1", "generator.discriminator_width=4"]
SHORT = ["generator.epochs=1", "generator.epoch_steps=2", "generator.batch_size=2"]
SHORT += [
    "classifier.batch_size=8",
    "classifier.pretrain_epochs=1",
    "classifier.finetune_epochs=1",
    "classifier.epoch_steps=2",
]


def run(out: Path, *more: str, sets: list[str]) -> None:
    arguments = ["run", "--preset", "quick", "--device", "cpu", "--evaluators", "diagnostic", "--out", str(out), *more]
    done = CliRunner().invoke(app, [*arguments, *(part for item in sets for part in ("--set", item))])
    assert done.exit_code == 0, done.output


@pytest.fixture(scope="module")
def generations(tmp_path_factory) -> tuple[Path, Path]:
    """The exported bundle of a run, and the run that started from it on other data."""
    folder = tmp_path_factory.mktemp("generations")
    names = ["--generator", "cyclegan", "--classifier", "mobilenet-v2"]
    run(folder / "first", *names, sets=[*DATA, *SMALL, *SHORT])
    parent = export_bundle(folder / "first", folder / "given", form="source")
    shutil.rmtree(folder / "first")
    run(folder / "second", "--from", str(parent), sets=[*DATA, "data.seed=7"])
    return parent, folder / "second"


def test_the_new_bundle_names_its_parent(generations, tmp_path):
    parent, second = generations
    again = export_bundle(second, tmp_path, form="source")
    assert verify_bundle(again).deviations == ()
    assert read_manifest(again)["parent"] == digest_of(parent)
    assert json.loads((second / "run.json").read_text())["parent"] == digest_of(parent)
    assert digest_of(parent) in json.loads((again / "configs/metadata.json").read_text())["changelog"]["0.1.0"]
    assert digest_of(parent) in (again / "docs/README.md").read_text()
    differences = {(one.kind, one.what): (one.first, one.second) for one in compare_bundles(parent, again)}
    assert differences["plan", "parent"] == ("", digest_of(parent))
    assert differences["plan", "data.seed"] == ("42", "7")
    assert ("file", "models/model.pt") in differences


def test_the_plan_is_the_parents_where_nothing_else_is_asked_for(generations):
    parent, second = generations
    old, new = (read_manifest(path)["plan"] for path in (parent, second / "bundle"))
    assert new["generator"] == old["generator"]
    assert new["classifier"] == old["classifier"]
    assert new["data"]["size"] == old["data"]["size"] == 32


class Model:
    def __init__(self, *networks: torch.nn.Module) -> None:
        self._networks = {str(number): network for number, network in enumerate(networks)}

    def networks(self) -> dict[str, torch.nn.Module]:
        return self._networks


def test_training_starts_from_the_parents_weights(make_bundle, tmp_path):
    from medsynth_mobilenet_v2.network import MobileNetV2

    bundle = make_bundle()
    parent = plan_of(bundle)
    take_weights(parent, tmp_path)
    network, other = MobileNetV2(channels=1), torch.nn.Linear(2, 2)
    before = other.weight.clone()
    start_from(tmp_path, "classifier", Model(network, other))  # type: ignore[arg-type]
    weights = torch.load(bundle / "models/model.pt", weights_only=True)
    torch.testing.assert_close(dict(network.state_dict()), weights, atol=0, rtol=0)
    assert torch.equal(other.weight, before)


def plan_of(bundle: Path) -> ParentBundle:
    return ParentBundle(
        snapshot=Snapshot(bundle), digest=digest_of(bundle), generator="cyclegan", classifier="mobilenet-v2", values={}
    )


def test_weights_that_do_not_fit_are_refused(make_bundle, tmp_path):
    take_weights(plan_of(make_bundle()), tmp_path)
    with pytest.raises(RunError, match="the classifier cannot start from the bundle's weights"):
        start_from(tmp_path, "classifier", Model(torch.nn.Linear(2, 2)))  # type: ignore[arg-type]


def test_a_changed_bundle_is_no_parent(make_bundle):
    bundle = make_bundle()
    (bundle / "models/model.pt").write_bytes(b"other")
    with pytest.raises(InputError, match=r"models/model\.pt changed"):
        read_parent(bundle)


def test_a_portable_bundle_is_no_parent(make_bundle, tmp_path):
    with pytest.raises(InputError, match="no bundle in source form"):
        read_parent(export_bundle(make_bundle(), tmp_path, form="portable"))


def test_a_bundle_without_its_plan_is_no_parent(make_bundle):
    with pytest.raises(InputError, match="does not say how it was trained"):
        read_parent(make_bundle())


def test_a_plan_makes_this_machine_open_no_file(make_bundle, monkeypatch):
    bundle = make_bundle()
    images = {"size": 32, "channels": 1, "fit": "pad", "intensity": "range"}
    classifier = {"name": "mobilenet-v2", "width": 0.5, "weights": "/home/someone/weights.pt"}
    stated = {"data": images, "generator": {"name": "cyclegan"}, "classifier": classifier}
    content = read_manifest(bundle) | {"plan": stated}
    monkeypatch.setattr("medsynth.flow.stages.finetuning.read_manifest", lambda _: content)
    # it is of a version that took all pixels as square
    known = images | {"square": False}
    assert read_parent(bundle).values == {"data": known, "generator": {}, "classifier": {"width": 0.5}}


def test_networks_go_on_with_the_values_and_the_neighbors_that_they_saw(make_bundle, monkeypatch):
    bundle = make_bundle(windows={"source": Window(-160, 240, "HU"), "target": Window(0.5, 99)})
    images = {"size": 32, "channels": 1, "fit": "pad", "intensity": "dataset", "neighbors": 1, "smooth": True}
    images["square"] = True
    stated = {"data": images | {"window": ""}, "generator": {"name": "cyclegan"}, "classifier": {"name": "lsnet"}}
    content = read_manifest(bundle) | {"plan": stated}
    monkeypatch.setattr("medsynth.flow.stages.finetuning.read_manifest", lambda _: content)
    assert read_parent(bundle).values["data"] == images | {"window": "source=-160.0:240.0,target=0.5:99.0"}


def test_what_is_no_folder_is_no_parent(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        read_parent(tmp_path / "none")


def test_another_plugin_than_the_parents_is_refused(generations, tmp_path):
    arguments = ["run", "--from", str(generations[0]), "--classifier", "lsnet", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert "--classifier lsnet: the bundle of --from holds weights of mobilenet-v2" in done.output
    assert not (tmp_path / "out").exists()
