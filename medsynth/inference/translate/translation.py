"""Translate files with a bundle: read, translate in batches, write; one batch or one volume is in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from medsynth.base.errors import InputError, Interrupted, MedsynthError
from medsynth.base.files import new_file
from medsynth.base.progress import Task
from medsynth.base.version import __version__
from medsynth.data.formats.proportions import shown_aspects
from medsynth.data.formats.several import chosen_header
from medsynth.data.formats.windows import as_facts
from medsynth.inference.inputs.finding import InputItem, Inputs, Refusal
from medsynth.inference.inputs.fitting import Fitting, NativeToNetwork, make_fitting
from medsynth.inference.inputs.listing import GIVE
from medsynth.inference.inputs.origins import Capture, Identities, origin_of
from medsynth.inference.inputs.picture_reader import Picture, Reader
from medsynth.inference.inputs.reasons import reason_of
from medsynth.inference.translate.flag_table import FlagTable, VolumeJudge
from medsynth.inference.translate.picture_writer import Writer
from medsynth.inference.translate.record import (
    COLUMNS,
    MANIFEST,
    csv_line,
    forget_key,
    prepare_folder,
    read_earlier,
    read_key,
    write_errors,
)
from medsynth.inference.translate.translation_job import TranslationJob as TranslationJob
from medsynth.inference.translate.translation_job import TranslationSummary as TranslationSummary
from medsynth.inference.translate.volumes import translate_volumes
from medsynth.inference.translated_formats import FORMATS
from medsynth.reading import read_header, recognize

if TYPE_CHECKING:
    from medsynth.reading import Header
    from medsynth.statistics.flags.reference import Judgment


def synthesize_files(job: TranslationJob) -> TranslationSummary:
    """Translate everything at `job.source` into `job.out`.

    Writes the translations, ``manifest.csv`` (which source became which file), ``synthesis.json`` (by which bundle,
    how), ``flags.csv`` (which translations to distrust) and, if something failed, ``errors.csv``. Every file is
    complete or absent.

    Raises:
        InputError: nothing to translate, or a folder that must not be touched.
        RunError: the disk is full.
        Interrupted: on request; what is written stays.
    """
    inputs = Inputs(job.source, job.out, job.format, joined=bool(job.translator.stacks.neighbors))
    files = inputs.count()
    if not files and job.source.is_file():
        read_header(job.source)  # which says what is wrong with it
    if not files:
        raise InputError(f"input {job.source} holds no images", hint=GIVE)
    prepare_folder(job.out, job.source, _asked(job), resume=job.resume)
    summary = TranslationSummary(left_out=dict(Counter(one.reason for one in inputs.left_out).most_common()))
    by_slice = files == 1 and job.source.is_file() and recognize(job.source).kind is not None
    total = _slices(job) if by_slice else files
    with new_file(job.out / MANIFEST) as table, job.watch.task("synthesize", total) as task:
        table.write(csv_line(COLUMNS))
        work = _TranslationWork(job, summary, table, task, by_slice=by_slice)
        with work.flags_kept():
            for item in inputs:
                job.stop.check()
                work.take(item)
            work.finish()
    write_errors(job.out, summary.failures)
    if not summary.failures:
        forget_key(job.out)
    return summary


def _asked(job: TranslationJob) -> dict[str, object]:
    translator = job.translator
    return {
        "schema": 1,
        "bundle": translator.name,
        "version": translator.version,
        "sha256": translator.digest,
        "format": job.format,
        "size": job.size,
        "show_names": job.show_names,
        **({"values": as_facts({"target": translator.window})["target"]} if translator.window else {}),
    }


def _slices(job: TranslationJob) -> int:
    try:
        return chosen_header(job.source, job.translator.config.volume).count
    except InputError:
        return 1


@dataclass(frozen=True)
class _Open:
    """A source that is decoded and waits for its batch."""

    item: InputItem
    picture: Picture


class _TranslationWork:
    """Collects decoded sources until a batch is full."""

    def __init__(
        self, job: TranslationJob, summary: TranslationSummary, table: BinaryIO, task: Task, *, by_slice: bool
    ) -> None:
        translator = job.translator
        maker = f"medsynth {__version__} with bundle {translator.name} {translator.version}"
        self._job, self._summary, self._table, self._task, self._by_slice = job, summary, table, task, by_slice
        self._identities = Identities(read_key(job.out))
        self._earlier = read_earlier(job.out)
        self._reader = Reader(translator.config)
        self._fitting: Fitting = make_fitting(job.size, translator.config)
        self._writer = Writer(Capture(identities=self._identities, maker=maker), maker, translator.window)
        self._flags = FlagTable(job.out, job.flags.numbers) if job.flags else None
        self._resize = NativeToNetwork(translator.config) if job.flags and job.size == "native" else None
        self._waiting: list[_Open] = []
        self._done = 0

    @contextmanager
    def flags_kept(self) -> Iterator[None]:
        """Write down how translations were judged, also if something ends the work early."""
        complete = False
        try:
            yield
            complete = True
        finally:
            if self._flags:
                self._flags.write(complete=complete)
                self._summary.suspicious = self._flags.suspicious

    def take(self, item: InputItem | Refusal) -> None:
        """Read one source and, when a batch is full, translate and write."""
        if isinstance(item, Refusal):
            self._fail(item.source, item.problem, 1)
            return
        item = self._called(item)
        try:
            if self._is_written(item):
                self._skip(item)
                return
            self._check(read_header(item.paths[0]))
            several = len(item.paths) > 1
            read = self._reader.read_series(item.paths) if several else self._reader.read(item.paths[0], item.source)
        except InputError as error:
            self._fail(item.source, reason_of(error, item.paths[0]), len(item.paths))
            return
        if read.affine is None and item.format == "nifti":
            self._fail(item.source, f"{read.problem}; translate it with --format dicom", len(item.paths))
            return
        if item.patient:
            read = replace(read, origin=replace(read.origin, patient=item.patient))
        self._waiting.append(_Open(item, read))
        if sum(len(waiting.picture) for waiting in self._waiting) >= self._job.batch:
            self.finish()

    def _check(self, header: Header) -> None:
        _, rows, columns = header.shape
        aspects = shown_aspects(header, self._job.translator.config)
        self._fitting.check(str(header.path), (columns, rows), aspects)

    def finish(self) -> None:
        """Translate and write what waits."""
        waiting, self._waiting = self._waiting, []
        self._carry_out(waiting)

    def _carry_out(self, waiting: Sequence[_Open]) -> None:
        try:
            results = self._translated(waiting)
        except Interrupted:
            raise
        except Exception as error:  # the network is foreign code: too small an image, too little memory
            if len(waiting) > 1:
                for one in waiting:
                    self._carry_out([one])
            else:
                problem = f"cannot be translated: {type(error).__name__}: {error}"
                self._fail(waiting[0].item.source, problem, len(waiting[0].item.paths))
            return
        for one, (slices, judged) in zip(waiting, results, strict=True):
            self._write(one, slices, judged)

    def _write(self, one: _Open, slices: Sequence[np.ndarray], judged: Mapping[int, Judgment]) -> None:
        item = one.item
        name = item.folder if len(slices) > 1 and item.folder else item.file
        try:
            self._writer.write(self._job.out / name, item.format, one.picture, slices)
        except MedsynthError:
            raise
        except Exception as error:  # a format cannot hold it: too many rows, for example
            self._fail(item.source, f"cannot be written: {type(error).__name__}: {error}", len(item.paths))
            return
        self._summary.translated += 1
        self._row(item, name, self._patient(item, one.picture.origin.patient))
        if self._flags:
            self._flags.add(name, item.source, judged)
        self._advance(0 if self._by_slice else len(item.paths))

    def _translated(self, waiting: Sequence[_Open]) -> list[tuple[list[np.ndarray], Mapping[int, Judgment]]]:
        """Return for each source its slices, (C, rows, columns) float32 in [-1, 1], and what is thought of them."""
        job, volumes = self._job, [one.picture.values for one in waiting]
        aspects = [one.picture.aspects for one in waiting]
        judge = VolumeJudge(job.flags, volumes, aspects, self._resize)

        def before(done: int) -> None:
            self._advance(done if self._by_slice else 0)
            job.stop.check()

        found = translate_volumes(
            volumes,
            aspects,
            self._fitting,
            job.translator.translate,
            stacks=job.translator.stacks,
            batch=job.batch,
            before=before,
            judge=judge,
        )
        return [([image.numpy() for image in slices], of) for slices, of in zip(found, judge.found, strict=True)]

    def _called(self, item: InputItem) -> InputItem:
        """Return the item with names of its translation that do not show the source's, where it says it has none.

        DICOM says of itself that identifiers were removed; manifest.csv, which stays here, tells what became of which.
        """
        if item.format != "dicom" or self._job.show_names:
            return item
        stem = item.file.removesuffix(FORMATS["dicom"])
        name = self._earlier.get(item.source, (self._identities.path(stem), ""))[0].removesuffix(FORMATS["dicom"])
        return replace(item, file=name + FORMATS["dicom"], folder=name if item.folder else "")

    def _is_written(self, item: InputItem) -> bool:
        out = self._job.out
        return (out / item.file).is_file() or bool(item.folder and (out / item.folder).is_dir())

    def _skip(self, item: InputItem) -> None:
        name = item.file if (self._job.out / item.file).is_file() else item.folder
        patient = self._earlier.get(item.source, ("", ""))[1]
        if not patient:
            is_dicom = item.kind == "dicom"
            patient = self._patient(item, origin_of(read_header(item.paths[0])).patient if is_dicom else "")
        self._summary.skipped += 1
        self._row(item, name, patient)
        if self._flags:
            self._flags.keep(name, item.source)
        self._advance(len(item.paths))

    def _patient(self, item: InputItem, patient: str) -> str:
        """Return what the manifest calls a patient: as the given one does, a pseudonym, or the file itself."""
        if item.patient:
            return item.patient
        return self._identities.pseudonym(patient) if item.kind == "dicom" else item.source

    def _row(self, item: InputItem, name: str, patient: str) -> None:
        translator = self._job.translator
        cells = (name, "target", item.label, patient, "", "", item.source, translator.generator)
        self._table.write(csv_line((*cells, translator.name, translator.version)))

    def _fail(self, source: str, problem: str, files: int) -> None:
        self._summary.failures.append((source, problem))
        self._job.watch.say(f"{source}: {problem}")
        self._advance(files)

    def _advance(self, done: int) -> None:
        self._done += done
        self._task.advance(self._done)
