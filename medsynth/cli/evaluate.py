"""``medsynth evaluate``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsynth.base.errors import InputError
from medsynth.cli.foreign import GIB, MINUTES, MemoryLimit, TimeLimit, Trust, guard
from medsynth.cli.run import show_scores
from medsynth.cli.shared import BUNDLE_OR_RUN, Json, Set, check_choice, errors, friendly, left_out_shown, output
from medsynth.inference.export_formats import RUNTIMES

if TYPE_CHECKING:
    from medsynth.inference.bundle_classifier import BundleClassifier

EVALUATOR = "diagnostic"
SECTIONS = ("data", f"evaluators.{EVALUATOR}")
SPLITS = ("", "train", "val", "test")


@friendly
def evaluate_command(
    bundle: Annotated[Path, typer.Argument(help=BUNDLE_OR_RUN, show_default=False)],
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="Manifest, or folder of labeled images, e.g. one folder per class.", show_default=False
        ),
    ],
    split: Annotated[str, typer.Option(help="Only this split of a manifest: train, val or test.")] = "",
    out: Annotated[Path, typer.Option(help="Scores to write.")] = Path("scores.json"),
    sets: Set = None,
    runtime: Annotated[
        str, typer.Option(help=f"auto, {', '.join(RUNTIMES)}; auto: the first that is installed and exported.")
    ] = "auto",
    batch: Annotated[int, typer.Option(help="Images in one step.", min=1)] = 4,
    show_names: Annotated[
        bool, typer.Option("--show-names", help="Call centers and other groups by name in the scores.")
    ] = False,
    trust: Trust = False,
    time_limit: TimeLimit = MINUTES,
    memory_limit: MemoryLimit = GIB,
    as_json: Json = False,
) -> None:
    """Score the classifier of a bundle on labeled images: metrics with intervals from resampling patients.

    Of DATA the target images with a label count, at the threshold that the bundle brings. Centers are
    called A, B, ... in the scores; a key beside them, which is not to be given away, resolves that. --set takes
    data.FIELD=VALUE and evaluators.diagnostic.FIELD=VALUE. Executes what `medsynth predict` does.
    """
    check_choice("--runtime", runtime, ("auto", *RUNTIMES))
    check_choice("--split", split, SPLITS)
    if out.is_dir():
        raise InputError(f"--out {out} is a folder", hint="Name a file, for example scores.json.")
    from medsynth.bundle.opening.opened import CLASSIFIER
    from medsynth.data.pseudonyms import KEY, Pseudonyms

    key = out.with_name(f"{out.stem}-{KEY}")
    opened = guard(bundle, CLASSIFIER, trust=trust, minutes=time_limit, gib=memory_limit, tables=[out, key])

    from medsynth.base.progress import watch
    from medsynth.base.stopping import Stop, stop_on_signals
    from medsynth.inference.bundle_classifier import load_classifier
    from medsynth.inference.predict.judging import as_evidence, find_labeled, predict_labeled
    from medsynth.inference.runtimes import choose_runtime, load_runtime
    from medsynth.results.score_files import write_scores

    classifier = load_classifier(opened)
    config, evaluator = _resolved(classifier, data, [*(sets or ()), *(["data.show_names=true"] if show_names else [])])
    labeled = find_labeled(config, split)
    logits = load_runtime(classifier, choose_runtime(classifier.bundle, runtime, "cpu"), threads=1)
    with stop_on_signals(Stop("stopped on request; no scores were written", hint="Run the command again.")) as stop:
        predictions = predict_labeled(classifier, logits, labeled, batch=batch, watch=watch(errors), stop=stop)
    pseudonyms = Pseudonyms.of(labeled.records, shown=config.show_names)
    predictions = replace(predictions, groups=pseudonyms.groups(predictions.groups))
    scores = list(evaluator.scores(as_evidence(predictions, config.seed)))
    write_scores(out, scores)
    if predictions.groups:
        pseudonyms.write_key(key)
    if as_json:
        typer.echo(out.read_text(encoding="utf-8"))
        return
    show_scores([score for score in scores if score.evaluator == EVALUATOR])
    output.print(
        "\n".join([*left_out_shown(labeled.left_out), f"out  {out}"]), markup=False, highlight=False, soft_wrap=True
    )


def _resolved(classifier: BundleClassifier, data: str, sets: list[str] | None) -> tuple[Any, Any]:
    """Return the data's config and the evaluator, after refusing what has no effect here."""
    from medsynth.base.configuration import resolve
    from medsynth.data.config import DataConfig
    from medsynth.plan.plan import parse_overrides
    from medsynth.plugins import Registry

    given = parse_overrides(sets or ())
    if foreign := [section for section in given if section not in SECTIONS]:
        raise InputError(f"--set {foreign[0]}.… has no effect here", hint=f"Use {' or '.join(SECTIONS)}.FIELD=VALUE.")
    positive = str(classifier.bundle.origin.get("positive", ""))
    known: dict[str, Any] = {"slices": classifier.slices}
    if positive not in ("", "positive"):  # a run calls the class so where labels are numbers
        known["positive"] = positive
    registry = Registry()
    spec = registry.load("evaluator", EVALUATOR)
    options: Any = resolve(spec.config, [given.get(SECTIONS[1], {})], where=SECTIONS[1])
    config = resolve(DataConfig, [known, {"path": data}, given.get("data", {})], where="data")
    return config, registry.create(spec, options)
