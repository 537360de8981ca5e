"""Try thousands of policy settings on the forecasts of a finished run, and record every one as a trial.

`python -m engine.sweep RUN` and `forewalk sweep RUN` are the same code. Nothing is trained: the forecasts are
the stored ones, the accounts are simulated in compiled code that equals the backtest order by order. The best
of many tries is good by luck alone, so each try goes into the ledger beside the run before anything is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.runs.stored import require_same_bars, stored_forecasts, stored_hashes

if TYPE_CHECKING:
    import pandas as pd

    from engine.runs.folder import StoredRun
    from engine.sweep.grid import Axis
    from engine.sweep.result import Sweep
    from forewalk.compute.workers import Workers
    from forewalk.settings.sections import Settings
    from forewalk.types import Bars, Forecasts

MOST_BY_CEREBRO = 500  # settings that the compiled account does not know
BATCH = 512  # settings simulated and recorded together
Progress = Callable[[str, int, int], None]


def sweep(
    run: Path,
    axes: Sequence[Axis] = (),
    workers: Workers | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Sweep:
    """Simulate every combination of the axes' values and record each in the ledger beside the run.

    Args:
        run: folder of a finished run.
        axes: what to vary; none means `default_axes`.
        workers: who simulates; None means a thread per core. Never changes a result.

    Raises:
        DataError: `run` is no run folder, or its data cannot be had any more as they were.
        ConfigError, UsageError: an axis cannot be varied.
        ConnectionFailed: no cluster answers.
        ForewalkError: numba is missing, or the ledger cannot be written.
    """
    import pandas as pd

    from engine.runs.folder import read_run
    from engine.runs.ledger import LEDGER_FILE, Ledger
    from engine.sweep.grid import default_axes, grid_settings, setting
    from engine.sweep.result import Sweep, luck_of_the_best
    from forewalk.compute.pool import Processes
    from forewalk.errors import ConfigError
    from forewalk.settings.loading import load_settings

    run = run.resolve()
    stored = read_run(run)
    base = load_settings(run / "config.toml", environment={})
    if base.strategy.is_own:
        raise ConfigError(
            f"a sweep runs the built-in policies in compiled code; the run's own strategy.kind = "
            f"{base.strategy.kind!r} must be varied by backtests, each with its --set"
        )
    axes = tuple(axes) or default_axes(base)
    grid = grid_settings(base, axes)
    progress("data", 0, 1)
    bars = require_same_bars(stored, base)
    times = pd.DatetimeIndex(stored.equity["time"])
    _refuse_slow(bars, grid)
    forecasts = stored_forecasts(
        stored.forecasts, times, bars.symbols, base.label.horizon_bars, daily=bool(bars.calendars)
    )
    equals_run = _equals_run(stored, bars, forecasts, base)
    ledger = Ledger(run.parent / LEDGER_FILE)
    name = f"{run.name}/{_next_folder(run).relative_to(run).as_posix()}"
    who = workers or Processes()
    tables = []
    for start in range(0, len(grid), BATCH):
        batch = grid[start : start + BATCH]
        tables.append(_run_batch(batch, axes, bars, forecasts, ledger, name, who, stored_hashes(stored)))
        progress("settings", start + len(batch), len(grid))
    table = pd.concat(tables, ignore_index=True)
    return Sweep(
        run=run,
        name=name,
        axes=axes,
        table=table,
        own={axis.key: setting(base, axis.key) for axis in axes},
        equals_run=equals_run,
        luck=luck_of_the_best(
            table, ledger, bars, _held_returns(stored), all(each.strategy.market_neutral for each in grid)
        ),
        held=_held(stored, bars),
    )


def write_sweep(result: Sweep) -> Path:
    """Write heat map, table, page and the receipt of its last trial into `RUN/sweeps/NNN`; return that folder."""
    from engine.runs.ledger import LEDGER_FILE, Ledger, leave_receipt
    from engine.sweep.page import heat_map, standalone, sweep_page
    from engine.sweep.stored import write_outcome

    folder = _next_folder(result.run)
    folder.mkdir(parents=True)
    (folder / "heatmap.svg").write_text(standalone(heat_map(result, "sharpe")), encoding="utf-8")
    (folder / "index.html").write_text(sweep_page(result), encoding="utf-8")
    write_outcome(result, folder)
    own = [trial for trial in Ledger(result.run.parent / LEDGER_FILE).trials() if trial.name == result.name]
    if own:
        leave_receipt(folder, own[-1])
    return folder


def _refuse_slow(bars: Bars, grid: Sequence[Settings]) -> None:
    """Raise UsageError where too many settings would have to go through Cerebro one by one."""
    from engine.simulation.compiled.scope import unsupported
    from forewalk.errors import UsageError

    why = next((reason for each in grid if (reason := unsupported(bars, each))), "")
    if why and len(grid) > MOST_BY_CEREBRO:
        raise UsageError(
            f"the compiled simulation does not know {why}: each setting would take a run of Cerebro, and "
            f"{len(grid):,} of them are too many; {MOST_BY_CEREBRO} is the limit: vary less with --vary"
        )


def _run_batch(
    batch: Sequence[Settings],
    axes: Sequence[Axis],
    bars: Bars,
    forecasts: Forecasts,
    ledger: Any,
    name: str,
    workers: Workers,
    plugins: Mapping[str, str],
) -> pd.DataFrame:
    import json

    import pandas as pd

    from engine.runs.trial import make_trial
    from engine.simulation.compiled.run import simulate_settings
    from engine.sweep.grid import setting
    from forewalk.returns import simple_returns

    result = simulate_settings(bars, forecasts, batch, workers)
    varied = [{axis.key: setting(each, axis.key) for axis in axes} for each in batch]
    recorded = ledger.record_many(
        [
            make_trial("sweep", name, bars, each, simple_returns(equity), json.dumps(values), plugins)
            for each, equity, values in zip(batch, result.equity, varied, strict=True)
        ]
    )
    # the ledger's ratio, not the compiled one: the last digits differ
    result.table["sharpe_per_bar"] = [trial.sharpe_per_bar for trial in recorded]
    return pd.concat([pd.DataFrame(varied, dtype=object), result.table], axis=1)


def _equals_run(stored: StoredRun, bars: Bars, forecasts: Forecasts, settings: Settings) -> bool:
    import numpy as np

    from engine.simulation.compiled.run import simulate_settings

    (equity,) = simulate_settings(bars, forecasts, [settings]).equity
    return bool(np.array_equal(equity, stored.equity["equity"].to_numpy(dtype=np.float64)))


def _next_folder(run: Path) -> Path:
    number = 1
    while (run / "sweeps" / f"{number:03d}").exists():
        number += 1
    return run / "sweeps" / f"{number:03d}"


def _held(stored: StoredRun, bars: Bars) -> dict[str, float]:
    """Sharpe ratio per year and total return of buying and holding over the run's bars."""
    from forewalk.returns import bars_per_year_covered, sharpe_sample, simple_returns
    from forewalk.sessions import bars_per_year

    values = stored.equity["benchmark"].to_numpy(dtype="float64")
    usual = bars_per_year(bars.calendar, bars.interval)
    year = bars_per_year_covered(bars.timestamps[-len(values) :], usual)
    ratio = sharpe_sample(simple_returns(values)).sharpe * year**0.5
    found = {"sharpe": ratio, "total_return": float(values[-1] / values[0]) - 1.0}
    return {name: value for name, value in found.items() if value == value}


def _held_returns(stored: StoredRun) -> pd.Series:
    """Returns of buying and holding by time in seconds."""
    import pandas as pd

    from engine.runs.trial import seconds_of
    from forewalk.returns import same_symbols, simple_returns

    times = seconds_of(pd.DatetimeIndex(stored.equity["time"]))
    return pd.Series(simple_returns(same_symbols(stored.equity)), index=times)
