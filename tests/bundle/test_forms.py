"""Both forms of a bundle work with MONAI's own commands where medsynth cannot be imported, and say the same."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from medsynth.base.errors import InputError
from medsynth.bundle.audit import Verdict, audit_bundle
from medsynth.bundle.checking.description import describe_bundle
from medsynth.bundle.checking.verification import verify_bundle
from medsynth.bundle.format.manifest import digest_of, read_manifest
from medsynth.bundle.opening.opened import CLASSIFIER, TRANSLATOR, open_bundle
from medsynth.inference.bundle_classifier import load_classifier
from medsynth.inference.export.forms import FORMS, export_bundle
from medsynth.inference.exports import read_exports
from medsynth.inference.reproduction import reproduce
from tests import starting

from .schema import SCHEMA

HAS_ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxscript"))
DRIVER = """
import importlib.util, json, runpy, sys
try:
    import medsynth
except ImportError:
    pass
else:
    raise SystemExit("medsynth can be imported")
commands, workflows, place, report = json.loads(sys.argv[1])
for arguments in commands:
    sys.argv = ["monai.bundle", *arguments]
    runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)
from monai.bundle import ConfigWorkflow
wrong = {}
for path in workflows:
    workflow = ConfigWorkflow(path, workflow_type="inference", bundle_root=place, output_dir=report + ".outputs")
    workflow.initialize()
    wrong[path] = workflow.check_properties()
with open(report, "w") as stream:
    json.dump(wrong, stream)
"""


@pytest.fixture(scope="module")
def made(make_bundle) -> Path:
    """A bundle of the paper's two networks, as a run writes it."""
    from medsynth_lsnet.network import LSNet

    torch.manual_seed(2)
    return make_bundle("sg-cyclegan", classifier=LSNet(channels=1, width=0.25), samples=4)


@pytest.fixture(scope="module")
def exported(made, tmp_path_factory) -> dict[str, Path]:
    """Each form, in a folder of its own."""
    return {form: export_bundle(made, tmp_path_factory.mktemp(form), form=form) for form in FORMS}


def commands(bundle: Path, elsewhere: Path, form: str) -> list[list[str]]:
    """Return the arguments of `python -m monai.bundle` that a reader of a bundle would use."""
    configs, models = bundle / "configs", bundle / "models"
    place = ["--bundle_root", str(bundle)]
    (elsewhere / "schema.json").write_text(json.dumps(SCHEMA))
    meta = ["--meta_file", str(configs / "metadata.json")]
    found = [
        ["run", "--config_file", str(configs / f"{name}.json"), *place, "--output_dir", str(elsewhere / name)]
        for name in ("inference", "translate", "evaluate")
    ]
    found.append(["verify_metadata", *meta, "--filepath", str(elsewhere / "schema.json")])
    check = ["verify_net_in_out", "network_def", *meta, *place, "--device", "cpu", "--config_file"]
    found.append([*check, str(configs / "inference.json")])
    translated = ["--_meta_#network_data_format#outputs#pred#num_channels", "1"]
    found.append([*check, str(configs / "translate.json"), *translated])
    source = ["--net_id", "network_def", *meta, *place, "--ckpt_file", str(models / "model.pt")]
    source += ["--config_file", str(configs / "inference.json"), "--input_shape", "[1,1,32,32]"]
    found.append(["ckpt_export", *source, "--filepath", str(elsewhere / "exported.ts"), "--use_trace", "True"])
    if HAS_ONNX:
        onnx = ["onnx_export", *source, "--filepath", str(elsewhere / "exported.onnx"), "--use_trace", "True"]
        # torch's newer exporter takes no TorchScript
        found.append([*onnx, *(["--converter_kwargs", "{'dynamo': False}"] if form == "portable" else [])])
    return found


@pytest.fixture(scope="module", params=FORMS)
def strangers(request, exported, tmp_path_factory) -> tuple[Path, Path]:
    """A bundle, and where somebody without medsynth left what MONAI's commands made of it."""
    bundle, elsewhere = exported[request.param], tmp_path_factory.mktemp("elsewhere")
    blocked = elsewhere / "blocked"
    for name in ("medsynth", "medsynth_lsnet", "medsynth_sg_cyclegan"):
        (blocked / name).mkdir(parents=True)
        (blocked / name / "__init__.py").write_text("raise ImportError('not installed here')\n")
    # MONAI finds a bundle's own code by itself in `run` only
    path = [str(blocked), *([str(bundle)] if request.param == "source" else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1"}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    workflows = [str(bundle / f"configs/{name}.json") for name in ("inference", "translate", "evaluate")]
    called = commands(bundle, elsewhere, request.param)
    arguments = json.dumps([called, workflows, str(bundle), str(elsewhere / "properties.json")])
    done = starting.run(["-c", DRIVER, arguments], imported=starting.MONAI, cwd=elsewhere, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return bundle, elsewhere


def expected(bundle: Path) -> dict[str, float]:
    return dict(json.loads((bundle / "samples/expected.json").read_text())["probabilities"])


def test_monai_classifies_as_medsynth_does(strangers):
    bundle, elsewhere = strangers
    with (elsewhere / "inference/predictions.csv").open() as stream:
        found = {name: float(probability) for name, probability in csv.reader(stream)}
    assert found == pytest.approx(expected(bundle), abs=1e-5)
    assert len(found) == 4


def test_monai_translates_as_medsynth_does(strangers, made):
    _, elsewhere = strangers
    network = open_bundle(made, TRANSLATOR).network()
    for path in sorted((made / "samples/source").iterdir()):
        pixels = np.asarray(Image.open(path), dtype=np.float32) / 127.5 - 1
        with torch.no_grad():
            wanted = (network(torch.from_numpy(pixels)[None, None])[0, 0].clip(-1, 1).numpy() + 1) * 127.5
        found = np.asarray(Image.open(elsewhere / f"translate/{path.stem}_translated.png"), dtype=np.float32)
        # the file has whole grey levels
        assert np.abs(found - wanted).max() <= 0.5 + 255e-5


def test_monai_evaluates_labeled_images(strangers):
    bundle, elsewhere = strangers
    lines = (elsewhere / "evaluate/metrics.csv").read_text().split()
    found = {name: float(value) for name, value in (line.split(",") for line in lines)}
    labels = {path.name: int(path.parent.name) for path in (bundle / "samples/labeled").rglob("*.png")}
    pairs = [(labels[name], probability) for name, probability in expected(bundle).items()]
    positive, negative = ([p for label, p in pairs if label == wanted] for wanted in (1, 0))
    threshold = read_manifest(bundle)["threshold"]
    assert found["roc_auc"] == pytest.approx(np.mean([p > n for p in positive for n in negative]))
    assert found["sensitivity"] == pytest.approx(np.mean([p >= threshold for p in positive]))
    assert found["specificity"] == pytest.approx(np.mean([n < threshold for n in negative]))
    assert found["accuracy"] == pytest.approx(np.mean([(p >= threshold) == label for label, p in pairs]))


def test_monais_torchscript_export_computes_the_same(strangers, made):
    images = torch.rand(1, 1, 32, 32) * 2 - 1
    network = torch.jit.load(strangers[1] / "exported.ts")
    with torch.no_grad():
        torch.testing.assert_close(network(images), open_bundle(made, CLASSIFIER).network()(images), atol=1e-5, rtol=0)


@pytest.mark.skipif(not HAS_ONNX, reason="onnx is not installed")
def test_monai_exports_onnx(strangers):
    assert (strangers[1] / "exported.onnx").stat().st_size > 1000


def test_running_changes_no_file_of_the_bundle(strangers):
    assert verify_bundle(strangers[0]).deviations == ()


def test_the_portable_form_needs_no_trust_and_holds_no_code(exported):
    audit = audit_bundle(exported["portable"])
    assert audit.verdict is Verdict.ALLOWED, audit.objections
    assert not list(exported["portable"].rglob("*.py"))
    assert audit_bundle(exported["source"]).verdict is Verdict.TRUST


def test_the_source_form_is_the_bundle_as_it_was_made(exported, made):
    assert digest_of(exported["source"]) == digest_of(made)


def test_the_portable_form_names_the_source_it_was_made_of(exported, made):
    assert read_manifest(exported["portable"])["source"] == digest_of(made)
    card = (exported["portable"] / "docs/README.md").read_text()
    assert digest_of(made) in card
    assert (exported["portable"] / "README.md").read_text().endswith(f"\n---\n\n{card}")
    assert describe_bundle(exported["portable"]).form == "portable"


def test_medsynth_runs_the_portable_form_and_gets_the_same(exported):
    found = reproduce(exported["portable"])
    assert found.succeeded
    assert (found.probabilities, found.translations) == (4, 4)


def test_a_changed_program_is_not_loaded(made, tmp_path):
    bundle = export_bundle(made, tmp_path, form="portable")
    program = bundle / "models/model.ts"
    program.write_bytes(program.read_bytes() + b"\0")
    with pytest.raises(InputError, match=r"models/model\.ts was changed"):
        load_classifier(bundle).bundle.network()


def test_a_zip_unpacks_into_a_folder_of_the_bundles_name(made, tmp_path):
    path = export_bundle(made, tmp_path, form="portable", zipped=True)
    assert path.name == "toy.zip"
    with zipfile.ZipFile(path) as archive:
        assert {name.partition("/")[0] for name in archive.namelist()} == {"toy"}
    assert verify_bundle(path).deviations == ()
    assert audit_bundle(path).verdict is Verdict.ALLOWED


def test_equal_bundles_give_equal_zips(made, tmp_path):
    first, second = (export_bundle(made, tmp_path / name, form="source", zipped=True) for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_a_changed_bundle_is_not_exported(make_bundle, tmp_path):
    bundle = make_bundle()
    (bundle / "LICENSE").write_text("mine")
    with pytest.raises(InputError, match="LICENSE changed"):
        export_bundle(bundle, tmp_path, form="source")


def test_the_portable_form_is_no_source_of_another(exported, tmp_path):
    with pytest.raises(InputError, match="has the form 'portable'"):
        export_bundle(exported["portable"], tmp_path, form="source")


def test_an_export_does_not_replace_the_bundle_it_is_made_of(made):
    with pytest.raises(InputError, match="would replace the bundle itself"):
        export_bundle(made, made.parent, form="portable")


@pytest.mark.skipif(not HAS_ONNX, reason="onnx is not installed")
def test_the_portable_form_holds_the_classifier_as_onnx_where_that_is_installed(exported):
    assert "onnx" in read_exports(open_bundle(exported["portable"], CLASSIFIER))


def test_every_workflow_has_the_properties_that_monai_asks_of_inference(strangers):
    missing = json.loads((strangers[1] / "properties.json").read_text())
    assert list(missing.values()) == [[], [], []]


@pytest.mark.parametrize("form", FORMS)
def test_the_checks_of_monais_model_zoo_pass(exported, form):
    bundle = exported[form]
    for needed in ("LICENSE", "configs/metadata.json", "configs/inference.json", "models/model.pt", "docs/README.md"):
        assert (bundle / needed).is_file(), needed
    metadata = json.loads((bundle / "configs/metadata.json").read_text())
    assert metadata["version"] in metadata["changelog"]
    assert metadata["name"] == bundle.name
    assert not (bundle / "large_files.yml").exists()
    assert max(path.stat().st_size for path in bundle.rglob("*") if path.is_file()) < 25 << 20
    config = json.loads((bundle / "configs/inference.json").read_text())
    required = ["bundle_root", "device", "dataset_dir", "dataset", "evaluator", "network_def", "inferer"]
    assert set(required) <= config.keys()
    assert {name for name in metadata if name.endswith("_data_format")} >= {"network_data_format"}
    torch.load(bundle / "models/model.pt", weights_only=True)
