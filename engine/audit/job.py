"""`python -m engine.audit RUN|CONFIG`: the leak certificate.

The whole pipeline is run on the real data; then, for several cut dates, everything after the cut is replaced
and the whole pipeline is run again: data, cleaning, features, labels, folds, scaler and training, forecasts,
orders. Whatever was known at the cut must not have changed by one bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

    from engine.audit.certificate import Certificate, Check
    from engine.audit.doctoring import Cut
    from engine.audit.pipeline import Pipeline, Prepared
    from engine.audit.rerun import Rerun
    from forewalk.data.table import Table
    from forewalk.plugins.holding import Own
    from forewalk.settings.sections import Settings
    from forewalk.types import Bars, Forecasts, SimulationResult
    from models.timeline import Timeline

Progress = Callable[[str, int, int], None]  # (what, done, total)


def _silent(what: str, done: int, total: int) -> None:
    pass


@dataclass(frozen=True, eq=False)
class RealRun:
    """The run over the real data, which all others are compared with."""

    table: Table
    prepared: Prepared
    parts: tuple[tuple[bytes, ...], ...]
    timeline: Timeline
    forecasts: Forecasts
    simulation: SimulationResult


def audit(
    settings: Settings,
    pipeline: Pipeline | None = None,
    progress: Progress = _silent,
    run: Path | None = None,
    earlier: Bars | None = None,
) -> Certificate:
    """Look for look-ahead in the whole pipeline and certify what was found; nothing is written.

    Models are trained on the CPU, whatever `model.device` says: only there are equal bits promised.

    Args:
        settings: what to audit.
        pipeline: stages other than the product's own; None for those.
        progress: called with (what, done, total).
        run: folder of a stored run of these settings, whose forecasts and orders must be these.
        earlier: the same bars as an earlier download had them, cleaned.

    Raises:
        DataError, ConfigError, ConnectionFailed, PluginError: the real run is not possible; see `forewalk.errors`.
    """
    from engine.audit.pipeline import Pipeline
    from forewalk.plugins.holding import held
    from forewalk.plugins.reads import watched

    with watched() as opened, held(settings) as own:
        return _audit(settings, pipeline or Pipeline(), own, opened, progress, run, earlier)


def _audit(
    settings: Settings,
    stages: Pipeline,
    own: Own,
    opened: Set[tuple[str, str]],
    progress: Progress,
    run: Path | None,
    earlier: Bars | None,
) -> Certificate:
    from engine.audit.certificate import Certificate
    from engine.runs.folder import code_version
    from forewalk.errors import LeakError, LookaheadError

    started = time.monotonic()
    device = settings.model.device
    settings = settings.model_copy(update={"model": settings.model.model_copy(update={"device": "cpu"})})
    fingerprint, fits = "", 0
    cuts: tuple[Cut, ...] = ()
    try:
        real = real_run(settings, stages, progress)
        fingerprint = real.prepared.bars.fingerprint
        stored = None if run is None else _stored_check(run, real, device, own)  # first: it takes a moment
        cuts = _cuts(real, settings)
        reruns = rerun_all(real, settings, stages, cuts, progress)
        fits = len(real.parts) + sum(found.fits for found in reruns)
        checks = [*_future_checks(reruns), *_other_checks(real, settings, stages, earlier)]
        if stored is not None:
            checks.insert(-1, stored)
    except (LeakError, LookaheadError) as error:  # the pipeline's own guards have found it
        checks = [_refusal(error)]
    return Certificate(
        name=settings.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        data_fingerprint=fingerprint,
        code_sha256=str(code_version()["sha256"]),
        cuts=tuple(str(cut) for cut in cuts),
        fits=fits,
        seconds=round(time.monotonic() - started, 1),
        checks=tuple(checks),
        plugins=tuple(f"{source}: sha256 {source.sha256}" for source in own.sources),
        uncovered=tuple(f"{who} reads {what}" for who, what in sorted(opened)),
    )


def audit_command(
    what: Path | None = None,
    overrides: Sequence[str] = (),
    where: Sequence[str] = (),
    earlier: Path | None = None,
    progress: Progress = _silent,
) -> Certificate:
    """Audit a stored run, a settings file or the default settings; a run keeps its certificate.

    Args:
        what: folder of a run, or a TOML file, or None.
        overrides: `section.key=value`, not for a stored run.
        where: overrides that change no result: `jobs=2`, `executor=local`, `address=HOST:PORT`.
        earlier: csv or parquet file or folder with an earlier download of the same bars.
        progress: called with (what, done, total).

    Raises:
        UsageError: a stored run with overrides.
        DataError, ConfigError, ConnectionFailed: see `forewalk.errors`.
    """
    from forewalk.errors import UsageError
    from forewalk.settings.loading import load_settings

    run = what if what is not None and what.is_dir() else None
    if run is not None and overrides:
        raise UsageError("a stored run is audited as it is; use --set with a settings file, or with neither")
    if run is not None:
        settings = load_settings(run / "config.toml", where, environment={})
    else:
        settings = load_settings(what, [*overrides, *where])
    bars = None if earlier is None else earlier_bars(settings, earlier)
    certificate = audit(settings, progress=progress, run=run, earlier=bars)
    if run is not None:
        keep_certificate(certificate, run)
    return certificate


def earlier_bars(settings: Settings, path: Path) -> Bars:
    """Read an earlier download of the bars of `settings`; raises like `load_bars`."""
    from forewalk.data.loading import load_bars

    kind = "csv" if path.suffix.lower() in (".csv", ".txt") else "parquet"
    update = {"path": path, "source": settings.data.source if path.is_dir() else kind}
    return load_bars(settings.data.model_copy(update=update))[0]


def keep_certificate(certificate: Certificate, run: Path) -> None:
    """Write the certificate into a run folder and on top of its pages."""
    from engine.report.certificate import show_certificate

    certificate.write(run)
    show_certificate(run, certificate.to_html())


def real_run(settings: Settings, pipeline: Pipeline, progress: Progress = _silent) -> RealRun:
    """Run every stage on the real data; folds are trained in parallel."""
    from forewalk.compute.workers import workers_of

    workers = workers_of(settings)
    workers.prepare()
    from engine.audit.pipeline import finish, prepare
    from engine.audit.rerun import AuditSubject, FitTask, fit_fold, table_arrays

    progress("data", 0, 1)
    table = pipeline.read(settings)
    prepared = prepare(table, settings, pipeline)
    subject = AuditSubject.of(table, settings, pipeline)
    newest_first = [FitTask(subject, fold) for fold in reversed(range(len(prepared.folds)))]
    counted = _count("training", progress, newest_first)
    parts = workers.run(fit_fold, newest_first, table_arrays(table), counted)[::-1]
    progress("simulation", 0, 1)
    timeline, forecasts, simulation = finish(prepared, prepared.training, parts, settings, pipeline)
    return RealRun(table, prepared, tuple(parts), timeline, forecasts, simulation)


def rerun_all(
    real: RealRun, settings: Settings, pipeline: Pipeline, cuts: Sequence[Cut], progress: Progress = _silent
) -> list[Rerun]:
    """Run the pipeline again for every cut and every false future, and compare."""
    from engine.audit.compare import pack_blocks
    from engine.audit.doctoring import DOCTORINGS
    from engine.audit.known import prepared_blocks, result_blocks
    from engine.audit.pipeline import training_digest
    from engine.audit.rerun import AuditSubject, RerunTask, part_arrays, rerun, table_arrays
    from forewalk.compute.workers import workers_of
    from forewalk.sessions import microseconds

    prepared = real.prepared
    results = result_blocks(prepared.bars, real.forecasts, real.simulation)
    headers, blocks = pack_blocks([*prepared_blocks(prepared), *results])
    arrays: dict[str, npt.NDArray[Any]] = {**table_arrays(real.table), **part_arrays(real.parts), **blocks}
    subject = AuditSubject.of(real.table, settings, pipeline)
    digests = tuple(training_digest(data) for data in prepared.training)
    members = tuple(len(parts) for parts in real.parts)
    first_valid = int(microseconds(real.forecasts.timestamps)[0])
    latest_first = [
        RerunTask(subject, cut, doctoring, number, headers, digests, members, first_valid)
        for number, cut in reversed(list(enumerate(cuts)))
        for doctoring in DOCTORINGS
    ]
    counted = _count("audit", progress, latest_first)
    return workers_of(settings).run(rerun, latest_first, arrays, counted)[::-1]


def _cuts(real: RealRun, settings: Settings) -> tuple[Cut, ...]:
    from engine.audit.doctoring import choose_cuts

    prepared = real.prepared
    usable = int(prepared.panel.eligible.any(axis=1).argmax())
    return choose_cuts(
        real.table, settings.data, prepared.bars, prepared.folds, prepared.quality, first=usable
    )


def _future_checks(reruns: Sequence[Rerun]) -> list[Check]:
    """One check for each kind of false future."""
    from engine.audit.certificate import Check
    from engine.audit.compare import STAGES
    from engine.audit.doctoring import DOCTORINGS, TRUNCATED

    checks = []
    for doctoring in DOCTORINGS:
        mine = [found for found in reruns if found.doctoring == doctoring]
        by_stage = {stage: sum(found.comparison.values.get(stage, 0) for found in mine) for stage in STAGES}
        detail = f"{len(mine)} cuts, {sum(found.fits for found in mine)} models fitted again"
        if doctoring == TRUNCATED:
            detail += f", largest rounding of a forecast {max(f.comparison.rounding for f in mine):.1e}"
        offenders = [offender for found in mine for offender in found.comparison.offenders]
        order = {stage: number for number, stage in enumerate(STAGES)}
        first = min(offenders, key=lambda o: (order.get(o.stage, len(order)), o.bar), default=None)
        checks.append(
            Check(
                name=f"future replaced by {doctoring}",
                question="No value known at the cut changes when every bar after it does.",
                verdict="leak" if first else "clean",
                values=sum(by_stage.values()),
                by_stage=tuple((stage, count) for stage, count in by_stage.items() if count),
                detail=detail,
                offender=first,
            )
        )
    return checks


def _other_checks(real: RealRun, settings: Settings, pipeline: Pipeline, earlier: Bars | None) -> list[Check]:
    from engine.audit import checks
    from engine.audit.columns import check_columns
    from engine.audit.history import check_level, check_level_of_one, check_warm_up
    from engine.audit.texts import check_texts

    prepared, bars = real.prepared, real.prepared.bars
    found = [
        checks.check_windows(prepared, settings),
        checks.check_labels(prepared, settings),
        checks.check_model_dates(prepared, real.forecasts),
        checks.check_fills(bars, real.simulation, settings),
        checks.check_modes(bars, real.forecasts, real.simulation, settings, pipeline),
        checks.check_calendar(prepared, settings),
        check_level(real.table, prepared, settings, pipeline),
        check_level_of_one(real.table, prepared, settings, pipeline),
        checks.check_news(settings, pipeline),
        check_columns(real.table, prepared),
        check_texts(real.table, prepared),
    ]
    if earlier is not None:
        found.append(checks.check_vintages(earlier, bars))
    return [*found, check_warm_up(prepared, real.timeline, settings, pipeline)]


def _stored_check(run: Path, real: RealRun, device: str, own: Own) -> Check:
    from engine.audit.stored import check_stored_run

    fingerprint = real.prepared.bars.fingerprint
    return check_stored_run(run, real.forecasts, real.simulation, fingerprint, device, own.sources)


def _refusal(error: Exception) -> Check:
    from engine.audit.certificate import Check, Offender

    return Check(
        name="guards",
        question="The pipeline's own guards let it run.",
        verdict="leak",
        offender=Offender("folds", type(error).__name__, message=str(error)),
    )


def _count(what: str, progress: Progress, tasks: Sequence[object]) -> Callable[[int], None]:
    done = iter(range(1, len(tasks) + 1))
    progress(what, 0, len(tasks))
    return lambda _: progress(what, next(done), len(tasks))
