"""Audit, reproduce and sweep as calls, of a result or of a run folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.notebook.given import Given, load_settings, refuse_inside_an_import
from engine.notebook.result import Result
from forewalk.errors import UsageError
from forewalk.settings.loading import load_settings as read_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.audit.certificate import Certificate
    from engine.reproduce.job import Reproduction
    from engine.sweep.grid import Axis
    from engine.sweep.result import Sweep
    from forewalk.settings.sections import Settings
    from forewalk.types import Bars

    Progress = Callable[[str, int, int], None]  # (what, done, total)


def audit(
    what: Result | Given = None,
    *,
    earlier: Bars | str | Path | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Certificate:
    """Replace the future at many dates, rerun the whole pipeline, and compare the past, as `forewalk audit` does.

    Args:
        what: a result, the folder of a run, or what stands for settings (see `load_settings`).
        earlier: the same bars as an earlier download had them: `Bars`, or a CSV or Parquet file or folder.
        jobs: worker processes, 0 for one per core; never changes a result.
        progress: called with (what is being done, how much of it is done, how much there is).

    Returns:
        The certificate: `clean`, `checks`, `lines()`. A result keeps it, and so does a run folder.

    Raises:
        DataError, ConfigError, ConnectionFailed: as on the command line, with the same message.
    """
    from engine.audit.job import audit as run_audit
    from engine.audit.job import keep_certificate

    refuse_inside_an_import()
    given = Path(what).expanduser() if isinstance(what, str | Path) else what
    if isinstance(given, Result) or (isinstance(given, Path) and given.is_dir()):
        with folder_of(given) as run:
            settings = read_settings(run / "config.toml", _where(jobs), environment={})
            certificate = run_audit(settings, None, progress or _silent, run, _earlier(settings, earlier))
        saved = given.path if isinstance(given, Result) else given
        if isinstance(given, Result):
            given.certificate = certificate
        if saved is not None:
            keep_certificate(certificate, saved)
        return certificate
    settings = load_settings(given, _where(jobs))
    return run_audit(settings, None, progress or _silent, None, _earlier(settings, earlier))


def reproduce(
    run: Result | str | Path, *, jobs: int | None = None, progress: Progress | None = None
) -> Reproduction:
    """Run the settings again and compare forecasts, orders, equity and metrics, as `forewalk reproduce` does.

    Returns:
        What differs: `same`, `differences`, `causes`, `lines()`.

    Raises:
        DataError: `run` is no run folder.
    """
    from engine.reproduce.job import reproduce as rerun

    refuse_inside_an_import()
    with folder_of(run) as folder:
        where = [f"{key}={value}" for key, value in _where(jobs).items()]
        return rerun(folder, where, progress or _silent)


def sweep(
    run: Result | str | Path,
    vary: Mapping[str, Sequence[Any]] | Sequence[str] = (),
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Try many policy settings on a run's stored forecasts, as `forewalk sweep` does; each is recorded as a trial.

    Args:
        run: a saved result, or the folder of a run.
        vary: values to try by setting, {"strategy.entry": [0, 0.05, 0.1]}, or texts as on the command line,
            ["strategy.entry=0:0.2:0.01"]; nothing means the thresholds (or ranks) and the holding time.
        jobs: threads, 0 for one per core; never changes a result.
        progress: called with (what is being done, how much of it is done, how much there is).

    Returns:
        The sweep: `table` (a row for each setting), `luck`. Its pages are in the run's folder `sweeps/`.

    Raises:
        UsageError: the result is not saved, or the axes make no sense.
        DataError, ConfigError: as on the command line, with the same message.
    """
    from engine.sweep.job import sweep as run_sweep
    from engine.sweep.job import write_sweep
    from forewalk.compute.workers import workers_of

    path = run.path if isinstance(run, Result) else Path(run).expanduser()
    if path is None:
        raise UsageError("a sweep is kept with its run: call result.save() first")
    found = run_sweep(path, _axes(vary), workers_of(load_settings({}, _where(jobs))), progress or _silent)
    write_sweep(found)
    return found


@contextmanager
def folder_of(run: Result | str | Path) -> Iterator[Path]:
    """Yield the folder of a run; of a result that is not saved, a temporary one without its pages."""
    if not isinstance(run, Result):
        yield Path(run).expanduser()
    elif run.path is not None:
        yield run.path
    else:
        from engine.backtest.writing import write_parts

        assert run.run is not None  # what was not opened was made just now
        with tempfile.TemporaryDirectory(prefix="forewalk-") as folder:
            write_parts(Path(folder), run.run)
            yield Path(folder)


def _earlier(settings: Settings, given: Bars | str | Path | None) -> Bars | None:
    from engine.audit.job import earlier_bars

    return earlier_bars(settings, Path(given).expanduser()) if isinstance(given, str | Path) else given


def _axes(vary: Mapping[str, Sequence[Any]] | Sequence[str]) -> list[Axis]:
    from engine.sweep.grid import make_axis, parse_axis

    if isinstance(vary, Mapping):
        return [
            parse_axis(f"{key}={values}") if isinstance(values, str) else make_axis(key, values)
            for key, values in vary.items()
        ]
    return [parse_axis(text) for text in ([vary] if isinstance(vary, str) else vary)]


def _where(jobs: int | None) -> dict[str, Any]:
    return {} if jobs is None else {"jobs": jobs}


def _silent(what: str, done: int, total: int) -> None:
    pass
