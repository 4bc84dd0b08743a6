"""docs/README.md, the model card, and LICENSE."""

from __future__ import annotations

from importlib import metadata as distributions
from pathlib import Path

from medsynth.api import Score
from medsynth.bundle.format.versions import install_command, installed
from medsynth.bundle.writing.contents import BundleContents
from medsynth.bundle.writing.metadata import INTENDED_USE, PAPER, kept_scores, required_packages
from medsynth.data.formats.otherwise import READ_OTHERWISE

_NOTICE = """\
Licensed under the Apache License, Version 2.0 (the "License"); you may not use these files except in compliance
with the License. You may obtain a copy of the License at

    http://www.apache.org/licenses/LICENSE-2.0

Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on
an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the
specific language governing permissions and limitations under the License.
"""


def license_text() -> str:
    """Return medsynth's license, or its standard notice where the installation has no full text."""
    beside = Path(__file__).parents[3] / "LICENSE"
    if beside.is_file() and "Apache License" in (text := beside.read_text(encoding="utf-8")):
        return text
    try:
        text = distributions.distribution("medsynth-monai").read_text("licenses/LICENSE") or ""
    except distributions.PackageNotFoundError:
        text = ""
    return text if "Apache License" in text else _NOTICE


def model_card(contents: BundleContents) -> str:
    """Return docs/README.md: how to run the bundle, what it is worth, what it was trained on, what it is not for."""
    return (
        "\n\n".join(
            [
                f"# {contents.name}",
                f"Two networks: a classifier that gives the probability of **{contents.positive}** in an image of the "
                "target modality, and the generator that translates images of the source modality into it. "
                f"{_state(contents)}",
                f"**Intended use.** {INTENDED_USE}",
                _usage(contents),
                _figures(contents),
                _training(contents),
                _limits(contents),
                _citation(contents),
                "## License\n\nThe network code and this card are under the license in `LICENSE`. The weights were "
                "trained on data whose own terms also apply.",
            ]
        )
        + "\n"
    )


def _state(contents: BundleContents) -> str:
    if contents.trained:
        return "Part of the classifier's training images were synthetic."
    return (
        "**They are not trained: their weights are random.** Train them with `medsynth run --from BUNDLE --data DATA`, "
        "where BUNDLE is this folder."
    )


def _usage(contents: BundleContents) -> str:
    pins = {"monai": installed("monai"), "torch": installed("torch"), **required_packages()}
    height, width = contents.size
    chosen = "was chosen on validation images" if contents.trained else "stands until training chooses one"
    return f"""## Use

    {install_command(pins)}

medsynth itself is not needed. Classify a folder of images (the samples, unless told otherwise):

    python -m monai.bundle run --config_file BUNDLE/configs/inference.json --bundle_root BUNDLE --dataset_dir FOLDER

writes `BUNDLE/eval/predictions.csv`: one line per image, its name and its probability of {contents.positive}. A
probability of at least {contents.threshold:.6g} is called positive; this threshold {chosen}.

    python -m monai.bundle run --config_file BUNDLE/configs/evaluate.json --bundle_root BUNDLE --dataset_dir FOLDER

classifies labeled images, those of {contents.positive} in `FOLDER/1`, all others in `FOLDER/0`, and writes
`BUNDLE/eval/metrics.csv`: ROC AUC, and sensitivity, specificity and accuracy at the threshold.

    python -m monai.bundle run --config_file BUNDLE/configs/translate.json --bundle_root BUNDLE --dataset_dir FOLDER

writes translated source images as PNG files into `BUNDLE/eval/translated`. Images are brought to {height} x {width}
pixels and {contents.channels} channel(s). `--output_dir FOLDER` writes elsewhere, `--device cpu` runs without a GPU.
`samples/expected.json`, where present, says what the samples must give.{_windows(contents)}"""


def _windows(contents: BundleContents) -> str:
    if not contents.windows:
        return ""
    shown = "\n".join(f"- {domain}: {window}" for domain, window in sorted(contents.windows.items()))
    text = f"\n\nValues that are shown, from darkest to brightest:\n\n{shown}"
    if target := contents.windows.get("target"):
        extent = f"{target.high - target.low:g} {target.unit}".rstrip()
        text += (
            f"\n\nA grey level g of a translated PNG file stands for {target.low:g} + g / 255 x {extent}. NIfTI and "
            "DICOM files by `medsynth synthesize` hold these values themselves."
        )
    return text


def _figures(contents: BundleContents) -> str:
    scores = kept_scores(contents)
    if not scores:
        return "## Figures\n\nNo figures were given."
    rows = [f"| {s.evaluator} | {s.name} | {s.subject} | {_value(s)} | {'' if s.n is None else s.n} |" for s in scores]
    return "\n".join(
        [
            "## Figures",
            "",
            "On held-out images; intervals in brackets. `synthetic` is this classifier, `real-only` one trained under",
            "the same budget without synthetic images, `untranslated` one with the source images as they are in their",
            "place; `gain` is the AUC of this classifier minus theirs.",
            "",
            "| evaluator | score | subject | value | n |",
            "| --- | --- | --- | --- | --- |",
            *rows,
        ]
    )


def _value(score: Score) -> str:
    value = f"{score.value:.4g}" + (f" {score.unit}" if score.unit else "")
    return value if score.low is None or score.high is None else f"{value} ({score.low:.4g} to {score.high:.4g})"


def _training(contents: BundleContents) -> str:
    counts = [f"| {what} | {count} |" for what, count in contents.counts.items()]
    table = "\n".join(["| images | number |", "| --- | --- |", *counts]) if counts else "No counts were given."
    start = (
        f"Training started from the bundle `{contents.parent}` (sha256 of its manifest). " if contents.parent else ""
    )
    if not contents.trained:
        return "## Training data\n\nNone."
    return f"## Training data\n\n{start}Split by patient.\n\n{table}"


def _limits(contents: BundleContents) -> str:
    figures = "The test set is limited: read the intervals, not the values alone."
    if not contents.scores:
        figures = "It was not evaluated."
    otherwise = "\n".join(f"    - {name}: {what}." for name, what in READ_OTHERWISE.items())
    return f"""## Limits

- Nothing is known about its behavior on other scanners, centers or populations than those of its test images.
- {figures}
- Synthetic images may show structures that the patient does not have. Never use them as images of a patient.
- {_slices(contents)}
- MONAI alone reads some files in another way than medsynth, which trained the networks; use `medsynth predict` and
  `medsynth synthesize` for them:
{otherwise}"""


def _slices(contents: BundleContents) -> str:
    if not contents.neighbors:
        return "2D images only; a volume must be cut into slices first."
    return (
        f"The generator translates stacks of {2 * contents.neighbors + 1} slices, of which the middle one is kept; an "
        "image that stands alone is repeated. MONAI alone translates one slice of a volume and averages no overlapping "
        "stacks, `medsynth synthesize` translates all."
    )


def _citation(contents: BundleContents) -> str:
    references = [PAPER, *dict.fromkeys(plugin.reference for plugin in contents.plugins if plugin.reference)]
    return "## Citation\n\n" + "\n".join(f"- {reference}" for reference in references)
