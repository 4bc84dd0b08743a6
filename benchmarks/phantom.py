"""Print how well a small network tells the phantom's classes apart, by the real ultrasound images it trains on.

Rows: ``plentiful`` = 400 + 400 ultrasound images, ``scarce`` = 210 + 16 (what a default run trains on), ``oracle`` =
scarce + the true ultrasound of 105 + 105 further patients, as if they had been translated without fault. All take 400
steps of 16 balanced images and are tested on 300 + 300 other patients.

    python benchmarks/phantom.py
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torchmetrics.functional.classification import binary_auroc

from medsynth.data.phantom.cohort import draw_patient
from medsynth.data.phantom.rendering import render_ultrasound

SIZE, BATCH, RATE, STEPS = 64, 16, 2e-3, 400
SEEDS = (0, 1, 2, 3)
Classes = tuple[torch.Tensor, torch.Tensor]


def render(count: int, label: int, group: int) -> torch.Tensor:
    """Return (count, 1, 64, 64) images in [-1, 1] of patients that no other group contains."""
    numbers = [(group * 2 + label) * 100_000 + number for number in range(count)]
    drawn = [(draw_patient(n, label, seed=0), np.random.default_rng([1, n])) for n in numbers]
    return (
        torch.from_numpy(np.stack([render_ultrasound(patient, SIZE, rng) for patient, rng in drawn]))[:, None] * 2 - 1
    )


def network() -> nn.Sequential:
    """Return five convolutions, two of which keep the size, and a linear layer."""
    layers: list[nn.Module] = []
    for inputs, outputs, stride in ((1, 16, 2), (16, 32, 1), (32, 48, 2), (48, 64, 1), (64, 96, 2)):
        layers += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, 2))


def batch(classes: Classes, rng: torch.Generator) -> torch.Tensor:
    """Draw 8 images of each class, flipped at random and shifted by up to 3 pixels."""
    drawn = torch.cat([images[torch.randint(len(images), (BATCH // 2,), generator=rng)] for images in classes])
    flip = torch.rand(len(drawn), generator=rng) < 0.5
    drawn[flip] = drawn[flip].flip(-1)
    shifts = torch.randint(-3, 4, (len(drawn), 2), generator=rng).tolist()
    return torch.stack([image.roll(shift, (-2, -1)) for image, shift in zip(drawn, shifts, strict=True)])


def train(model: nn.Module, classes: Classes, *, rng: torch.Generator) -> None:
    """Train with AdamW on a one-cycle schedule."""
    optimizer = torch.optim.AdamW(model.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS, pct_start=0.1)
    labels = torch.arange(2).repeat_interleave(BATCH // 2)
    model.train()
    for _ in range(STEPS):
        optimizer.zero_grad()
        F.cross_entropy(model(batch(classes, rng)), labels).backward()
        optimizer.step()
        schedule.step()


def area_under_curve(model: nn.Module, classes: Classes) -> float:
    """Return the ROC AUC on test images."""
    model.eval()
    with torch.inference_mode():
        scores = torch.cat([model(images).softmax(1)[:, 1] for images in classes])
    return float(binary_auroc(scores, torch.arange(2).repeat_interleave(torch.tensor([len(c) for c in classes]))))


def main() -> None:
    """Measure and print; every seed draws its own training patients, all are tested on the same ones."""
    test = (render(300, 0, 0), render(300, 1, 0))
    found: dict[str, list[float]] = {"plentiful": [], "scarce": [], "oracle": []}
    for seed in SEEDS:
        plenty = (render(400, 0, 1 + 2 * seed), render(400, 1, 1 + 2 * seed))
        scarce = (plenty[0][:210], plenty[1][:16])
        further = (render(105, 0, 2 + 2 * seed), render(105, 1, 2 + 2 * seed))
        oracle = (torch.cat([scarce[0], further[0]]), torch.cat([scarce[1], further[1]]))
        for name, classes in (("plentiful", plenty), ("scarce", scarce), ("oracle", oracle)):
            torch.manual_seed(seed)
            model = network()
            train(model, classes, rng=torch.Generator().manual_seed(seed))
            found[name].append(area_under_curve(model, test))
    for name, values in found.items():
        print(f"{name:10} AUC {np.mean(values):.3f}  ({', '.join(f'{value:.3f}' for value in values)})", flush=True)


if __name__ == "__main__":
    main()
