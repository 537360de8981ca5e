"""Run the pipeline again over doctored data, and compare what it knew with what the real run knew.

Which models are trained again. Let D(k) be the training data of fold k, everything its forecaster is given.
At each cut, D(k) of every model known by then is rebuilt from the doctored rows and compared with the real
one, byte for byte. The newest of these models is always trained again. An older one is trained again only
if its D(k) differs; otherwise the weights of the real run stand in. That is sound if training is a function of
D(k) alone, and this is not taken on trust: each fold is the newest at three cuts or so (the end of its
training, its first test bar, the middle of its test window), so its training is repeated under every kind of
false future, and must give the same bytes. A hidden channel to later bars (a global, a file, an array it
holds on to) would show there. A cut further on changes only a part of what those cuts have changed already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.audit.certificate import Offender
from engine.audit.compare import (
    Agreement,
    BlockHeader,
    compare,
    unpack_blocks,
)
from engine.audit.doctoring import TRUNCATED, Cut, doctored, iso_utc
from engine.audit.known import prepared_blocks, result_blocks
from engine.audit.pipeline import Parts, Pipeline, Prepared, finish, fit_parts, prepare, training_digest
from forewalk.data.cleaning.closing import row_closes
from forewalk.data.columns.rows import ARRAYS
from forewalk.data.columns.texts.rows import TEXT_ARRAYS
from forewalk.data.table import Table
from forewalk.errors import ForewalkError
from forewalk.plugins.holding import held, plugin_of
from forewalk.plugins.sources import Source
from forewalk.sessions import microseconds
from forewalk.settings.sections import Settings
from forewalk.types import Arrays
from models.base import TrainingData

_TABLE_ARRAYS = ("code", "wall", "instant", "line", "prices", "volume")


@dataclass(frozen=True)
class AuditSubject:
    """What is audited: `empty` is its table without rows, `plugins` are the sources of the user's own code."""

    settings: Settings
    pipeline: Pipeline
    empty: Table
    plugins: tuple[Source, ...] = ()

    @classmethod
    def of(cls, table: Table, settings: Settings, pipeline: Pipeline) -> AuditSubject:
        """Describe a table and what is to be done with it."""
        plugins = tuple(plugin_of(settings, *key).source for key in settings.own_code)
        empty = table.keep(np.zeros(len(table), bool))
        if empty.columns is not None:
            empty = replace(empty, columns=empty.columns.keep(np.zeros(len(empty.columns), bool)))
        if empty.texts is not None:
            empty = replace(empty, texts=empty.texts.keep(np.zeros(len(empty.texts), bool)))
        return cls(settings, pipeline, empty, plugins)

    def table(self, arrays: Arrays) -> Table:
        """Return the table again from `table_arrays`."""
        rows: dict[str, Any] = {name: arrays[f"table-{name}"] for name in _TABLE_ARRAYS}
        columns = self.empty.columns
        if columns is not None:
            own: dict[str, Any] = {name: arrays[f"columns-{name}"] for name in ARRAYS}
            columns = replace(columns, **own)
        texts = self.empty.texts
        if texts is not None:
            told: dict[str, Any] = {name: arrays[f"texts-{name}"] for name in TEXT_ARRAYS}
            texts = replace(texts, **told)
        return replace(self.empty, columns=columns, texts=texts, **rows)


def table_arrays(table: Table) -> dict[str, npt.NDArray[Any]]:
    """Return the table's arrays under the names that `AuditSubject.table` expects."""
    arrays = {f"table-{name}": getattr(table, name) for name in _TABLE_ARRAYS}
    if table.columns is not None:
        arrays |= {f"columns-{name}": getattr(table.columns, name) for name in ARRAYS}
    if table.texts is not None:
        arrays |= {f"texts-{name}": getattr(table.texts, name) for name in TEXT_ARRAYS}
    return arrays


@dataclass(frozen=True)
class FitTask:
    """Train the model of one fold on the real data."""

    subject: AuditSubject
    fold: int

    def __repr__(self) -> str:
        return f"fold {self.fold}"


def fit_fold(task: FitTask, arrays: Arrays) -> Parts:
    """Run the stages up to training on the real data and train one fold's model."""
    subject = task.subject
    with held(subject.settings, subject.plugins):
        settings, pipeline = subject.settings, subject.pipeline
        prepared = prepare(subject.table(arrays), settings, pipeline, with_folds=False)
        fold = pipeline.folds(prepared.bars, prepared.labels, settings)[task.fold]
        return fit_parts(pipeline.training(prepared.panel, prepared.labels, fold), settings, pipeline)


@dataclass(frozen=True)
class RerunTask:
    """Run the pipeline with another future, and compare.

    Attributes:
        subject: what is run.
        cut, doctoring: where the future begins and what replaces it.
        number: seeds the noise.
        headers: of the real run's blocks.
        digests: of the real run's training data, by fold.
        members: how many parts the real model of each fold has.
        first_valid: microseconds UTC of the first forecast of the real run.
    """

    subject: AuditSubject
    cut: Cut
    doctoring: str
    number: int
    headers: tuple[BlockHeader, ...]
    digests: tuple[str, ...]
    members: tuple[int, ...]
    first_valid: int

    def __repr__(self) -> str:
        return f"{self.cut}: {self.doctoring}"

    @property
    def truncated(self) -> bool:
        """Whether nothing follows the cut."""
        return self.doctoring == TRUNCATED


@dataclass(frozen=True)
class Rerun:
    """What one doctored run showed; `fits` models were trained for it."""

    cut: Cut
    doctoring: str
    comparison: Agreement
    fits: int


def rerun(task: RerunTask, arrays: Arrays) -> Rerun:
    """Doctor the rows after the cut, run every stage again, and compare what was known at the cut.

    A stage that fails over doctored data, though the real run passed it, is an offence too.
    """
    subject = task.subject
    table = subject.table(arrays)
    closes = row_closes(table, subject.settings.data)
    seed = (subject.settings.seed, task.number)
    other = doctored(table, closes, task.cut.time, task.doctoring, seed, subject.settings.data)
    with held(subject.settings, subject.plugins):
        return _attempt(task, other, arrays)


def _attempt(task: RerunTask, table: Table, arrays: Arrays) -> Rerun:
    try:
        return _rerun(task, table, arrays)
    except (ForewalkError, ValueError, LookupError, ArithmeticError) as error:
        offender = Offender(
            "run", type(error).__name__, cut=iso_utc(task.cut.time), message=f"the run failed: {error}"
        )
        return Rerun(task.cut, task.doctoring, Agreement(offenders=(offender,)), 0)


def _rerun(task: RerunTask, table: Table, arrays: Arrays) -> Rerun:
    settings, pipeline, cut = task.subject.settings, task.subject.pipeline, task.cut.time
    reference = unpack_blocks(task.headers, arrays)
    has_folds = not (task.truncated and cut < task.first_valid)
    prepared = prepare(table, settings, pipeline, with_folds=has_folds)
    blocks = list(prepared_blocks(prepared))
    known = [
        number
        for number, fold in enumerate(prepared.folds)
        if microseconds(pd.DatetimeIndex([fold.trained_until]))[0] <= cut
    ]
    models = _models(task, prepared, known, arrays)
    if known and cut >= task.first_valid:
        training = [prepared.training[number] for number in known]
        _, forecasts, simulation = finish(prepared, training, models.parts, settings, pipeline, again=True)
        blocks += list(result_blocks(prepared.bars, forecasts, simulation))
    later = bool(microseconds(prepared.bars.timestamps[-1:])[0] > cut)
    found = _with_fits(compare(reference, blocks, cut, task.truncated, later), models)
    return Rerun(task.cut, task.doctoring, found, models.fits)


@dataclass(frozen=True)
class _Models:
    """Weights of the known models, how many were trained anew, and what their bytes say."""

    parts: tuple[Parts, ...]
    fits: int
    compared: int
    offender: Offender | None


def _models(task: RerunTask, prepared: Prepared, known: Sequence[int], arrays: Arrays) -> _Models:
    """Train what must be trained again; take the other weights from the real run."""
    result: list[Parts] = []
    fits, compared, offender = 0, 0, None
    for number in known:
        data = prepared.training[number]
        real = _real_parts(task, number, arrays)
        same_data = number < len(task.digests) and training_digest(data) == task.digests[number]
        if same_data and number != known[-1]:
            result.append(real)
            continue
        parts = fit_parts(data, task.subject.settings, task.subject.pipeline)
        result.append(parts)
        fits += 1
        if same_data:  # else the difference of the data itself is what is reported
            compared += sum(len(part) for part in parts) // 4  # float32
            offender = offender or _weights_differ(task, data, real, parts)
    return _Models(tuple(result), fits, compared, offender)


def _weights_differ(task: RerunTask, data: TrainingData, real: Parts, parts: Parts) -> Offender | None:
    if real == parts:
        return None
    member = next((i for i, (a, b) in enumerate(zip(real, parts, strict=False)) if a != b), len(real))
    names = task.subject.pipeline.forecaster(task.subject.settings).members(data.symbols)
    return Offender(
        stage="fit",
        what=f"{data.model_id} {names[min(member, len(names) - 1)]}",
        bar=data.trained_until.isoformat(),
        cut=iso_utc(task.cut.time),
        message="equal training data gave other weights: training sees something else, or is not repeatable",
    )


def _real_parts(task: RerunTask, number: int, arrays: Arrays) -> Parts:
    if number >= len(task.members):
        return ()
    return tuple(arrays[part_name(number, part)].tobytes() for part in range(task.members[number]))


def part_name(fold: int, part: int) -> str:
    """Return the name under which one part of a model is shared."""
    return f"part-{fold:03d}-{part:05d}"


def part_arrays(models: Sequence[Parts]) -> dict[str, npt.NDArray[Any]]:
    """Return the real run's weights as arrays that worker processes can share."""
    return {
        part_name(fold, number): np.frombuffer(part, np.uint8)
        for fold, parts in enumerate(models)
        for number, part in enumerate(parts)
    }


def _with_fits(found: Agreement, models: _Models) -> Agreement:
    values = {**found.values, "fit": models.compared} if models.compared else found.values
    offenders = found.offenders
    if models.offender:
        before = [o for o in offenders if o.stage in ("cleaning", "features", "labels", "folds", "training")]
        offenders = (*before, models.offender, *offenders[len(before) :])
    return Agreement(values, offenders, found.rounding)
