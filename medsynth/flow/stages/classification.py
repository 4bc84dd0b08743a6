"""Train the classifier rows under one budget and let them judge the real test images.

Rows: ``synthetic`` pre-trains on real + synthetic images, ``real-only`` on real ones alone, ``untranslated`` on real
ones + the source images as they are, ``oracle`` on real ones + the true counterparts of the sources, where these are
known. All fine-tune on real images, take the same number of steps, and are selected and given their threshold on the
same validation images.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.special import expit, logit
from torch import Tensor, nn

from medsynth.api import Phase, Predictions, Subject
from medsynth.base.files import write_text
from medsynth.data.images import Images
from medsynth.data.loaders import LabelledLoader
from medsynth.statistics import CALIBRATION_BINS, choose_threshold, fit_temperature, selection_key
from medsynth.training.config import BASELINES
from medsynth.training.devices import Policy
from medsynth.training.job import Key

ROWS = (Subject.SYNTHETIC, *BASELINES)
BATCH = 32


@dataclass(frozen=True)
class TrainingRow:
    """Training images of one classifier row."""

    real: Images
    added: Images | None
    steps: int
    """Steps that one epoch of pre-training takes when the plan does not say; the same for all rows."""

    def loader(
        self, phase: Phase, *, seed: int, balance: bool, augment: float, pinned: bool, workers: int
    ) -> LabelledLoader:
        """Return the loader of a phase: ``mixed`` sees real and added images, ``real`` only real ones."""
        sets = [self.real] if self.added is None or phase.data == "real" else [self.real, self.added]
        own = max(1, len(self.real) // phase.batch_size) if phase.data == "real" else self.steps
        return LabelledLoader(
            sets,
            batch_size=phase.batch_size,
            steps=phase.epoch_steps or own,
            seed=seed,
            balance=balance,
            augment=augment,
            pinned=pinned,
            workers=workers,
        )


def make_rows(real: Images, added: Mapping[str, Images], batch_size: int) -> dict[str, TrainingRow]:
    """Return the rows by name; images without a label are left out of training.

    Args:
        real: target images that all rows see.
        added: what a row sees beside them, the synthetic images among them. A row of `BASELINES` whose images are
            missing, or none of which has a label, is left out, but for ``real-only``, which has none.
        batch_size: images in a step.
    """
    known = {name: images.where(lambda record: record.label is not None) for name, images in added.items()}
    steps = max(1, (len(real) + len(known[Subject.SYNTHETIC])) // batch_size)
    rows = {
        name: TrainingRow(real, images, steps)
        for name, images in known.items()
        if name == Subject.SYNTHETIC or len(images)
    }
    rows[Subject.REAL_ONLY] = TrainingRow(real, None, steps)
    return {name: rows[name] for name in ROWS if name in rows}


def classify(network: nn.Module, images: Images, policy: Policy) -> Tensor:
    """Return each image's logits, (N, classes) float64 on the CPU; computed in fp32 whatever the policy."""
    network.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), BATCH):
            stop = min(start + BATCH, len(images))
            batch = torch.from_numpy(np.stack([images.read(row) for row in range(start, stop)]))
            parts.append(network(batch.to(policy.device)).double().cpu())
    return torch.cat(parts)


def positive_share(logits: Tensor, temperature: float = 1.0) -> np.ndarray:
    """Return the positive class's probability from (N, classes) logits, (N,)."""
    shares: np.ndarray = torch.softmax(logits / temperature, dim=1)[:, 1].numpy()
    return shares


def validate(network: nn.Module, images: Images, policy: Policy) -> tuple[Key, dict[str, float]]:
    """Judge a classifier on validation images at probability 0.5; return the selection key and the figures."""
    from torchmetrics.functional.classification import binary_auroc, binary_calibration_error, binary_stat_scores

    shares = torch.from_numpy(np.ascontiguousarray(positive_share(classify(network, images, policy))))
    labels = torch.from_numpy(images.labels)
    # Counts, as a rate of 0.95 in single precision is less than 0.95; torchmetrics would not call 0.5 itself positive.
    hits, false_alarms, rejected, misses, _ = binary_stat_scores((shares >= 0.5).long(), labels).tolist()
    values = {
        "sensitivity": hits / (hits + misses),
        "specificity": rejected / (rejected + false_alarms),
        "roc_auc": round(float(binary_auroc(shares, labels)), 6),  # ties of epochs stay ties in single precision
    }
    apart = float(binary_calibration_error(shares, labels, n_bins=CALIBRATION_BINS, norm="l1"))
    return selection_key(*values.values()), {**values, "calibration_error": apart}


def judge(
    network: nn.Module, validation: Images, images: Images, *, policy: Policy, threshold_policy: str, calibrate: bool
) -> Predictions:
    """Choose threshold and, if asked for, temperature on validation images, then predict the test images.

    The threshold moves with the temperature, so that decisions are those without calibration.
    """
    known = classify(network, validation, policy)
    temperature = fit_temperature((known[:, 1] - known[:, 0]).numpy(), validation.labels) if calibrate else 1.0
    shares = positive_share(known)
    threshold = choose_threshold(shares, validation.labels, threshold_policy)
    if calibrate:
        called = positive_share(known[torch.from_numpy(shares >= threshold)], temperature)
        moved = float(expit(logit(threshold) / temperature))
        threshold = float(called.min(initial=moved))  # a case at the threshold itself must not fall below by rounding
    columns = sorted({name for record in images.records for name in record.extra})
    return Predictions(
        probabilities=positive_share(classify(network, images, policy), temperature),
        labels=images.labels,
        patients=images.patients,
        threshold=threshold,
        temperature=temperature,
        groups={c: np.array([r.extra.get(c, "") for r in images.records], dtype=object) for c in columns},
    )


def write_predictions(path: Path, predictions: Predictions, names: Sequence[str]) -> None:
    """Write one row per test image: image, patient, label, probability, decision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "patient", "label", "probability", "decision"])
    decisions = (predictions.probabilities >= predictions.threshold).astype(int)
    columns = (predictions.patients, predictions.labels, predictions.probabilities, decisions)
    for row in zip(names, *(column.tolist() for column in columns), strict=True):
        writer.writerow(row)
    write_text(path, text.getvalue())
