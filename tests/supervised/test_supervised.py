"""What classifiers of one network share."""

from __future__ import annotations

import json
import struct
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from medsynth_mobilenet_v2 import MobileNetV2Config
from medsynth_mobilenet_v2.model import MobileNetV2Classifier
from medsynth_mobilenet_v2.network import MobileNetV2

from medsynth.api import Setup
from medsynth.base.errors import InputError
from medsynth.supervised.weights import load_weights, read_weights


def network(classes: int = 2, width: float = 0.1) -> MobileNetV2:
    return MobileNetV2(channels=1, classes=classes, width=width, hidden=8)


def equal(first: torch.nn.Module, second: torch.nn.Module) -> list[str]:
    other = second.state_dict()
    return [name for name, value in first.state_dict().items() if torch.equal(value, other[name])]


def safetensors(state: dict[str, torch.Tensor]) -> bytes:
    header, values = {}, b""
    kinds = {torch.float32: "F32", torch.int64: "I64"}
    for name, tensor in state.items():
        raw = tensor.numpy().tobytes()
        header[name] = {
            "dtype": kinds[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [len(values), len(values) + len(raw)],
        }
        values += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + values


def test_label_smoothing_equals_cross_entropy_with_softened_targets():
    torch.manual_seed(0)
    config = MobileNetV2Config(width=0.1, label_smoothing=0.2, dropout=0.0)
    model = MobileNetV2Classifier(config, Setup(channels=1, size=(32, 32)))
    batch = {"image": torch.rand(4, 1, 32, 32), "label": torch.tensor([0, 1, 1, 0])}
    logits = model.network(batch["image"]).detach().double().numpy()
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    targets = 0.8 * np.eye(2)[batch["label"]] + 0.1
    loss = model.phases()[0].step(SimpleNamespace(), batch)["classification"]
    assert loss.item() == pytest.approx(-(targets * np.log(shares)).sum(1).mean(), abs=1e-5)


@pytest.mark.parametrize("wrapper", [None, "network", "state_dict", "model"])
def test_training_starts_from_the_weights_of_a_torch_file(tmp_path, wrapper):
    given = network()
    torch.save(given.state_dict() if wrapper is None else {wrapper: given.state_dict()}, tmp_path / "w.pt")
    config = MobileNetV2Config(width=0.1, hidden=8, weights=str(tmp_path / "w.pt"))
    model = MobileNetV2Classifier(config, Setup(channels=1, size=(32, 32)))
    assert equal(model.network, given) == list(given.state_dict())


def test_safetensors_are_read(tmp_path):
    state = network().state_dict()
    (tmp_path / "w.safetensors").write_bytes(safetensors(state))
    found = read_weights(str(tmp_path / "w.safetensors"))
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)


def test_a_head_of_other_classes_starts_anew_with_a_warning(tmp_path):
    torch.save(network(classes=5).state_dict(), tmp_path / "w.pt")
    target = network()
    before = target.head[-1].weight.clone()
    with pytest.warns(UserWarning, match=r"head\.3\.weight \(5, 8\) instead of \(2, 8\)"):
        load_weights(target, str(tmp_path / "w.pt"))
    assert torch.equal(target.head[-1].weight, before)


def test_weights_of_another_network_are_refused_by_name(tmp_path):
    torch.save(network(width=0.5).state_dict(), tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"do not fit MobileNetV2.*features"):
        load_weights(network(), str(tmp_path / "w.pt"))


@pytest.mark.parametrize(
    "content", [b"", b"no weights", struct.pack("<Q", 2) + b"{}", safetensors({"a": torch.zeros(3)})[:-1]]
)
@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_a_file_without_tensors_is_refused(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="no named tensors"):
        read_weights(str(tmp_path / name))


def test_a_file_that_would_execute_code_is_refused(tmp_path):
    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "canary"), "w"))

    torch.save({"a": Harm()}, tmp_path / "w.pt")
    with pytest.raises(InputError, match="no named tensors"):
        read_weights(str(tmp_path / "w.pt"))
    assert not (tmp_path / "canary").exists()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.pt"):
        read_weights(str(tmp_path / "absent.pt"))
