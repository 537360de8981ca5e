"""The backtest as one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forewalk.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.notebook.given import Given
    from engine.notebook.result import Result
    from forewalk.types import Bars

    Part = Callable[..., object] | str | None  # code of the user's own: a class, a function, or its name
    Progress = Callable[[str, int, int], None]  # (what, done, total)


def backtest(
    bars: Bars | None = None,
    settings: Given = None,
    *,
    strategy: Part = None,
    forecaster: Part = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Result:
    """Train walk-forward, backtest and judge, as `forewalk backtest` does; no run folder is written.

    The try is recorded in `runs/trials.sqlite` of the current folder, since every try discounts the others.

    Args:
        bars: prices in memory, from `load_bars` or `Bars.from_frame`; None takes the source of the settings.
        settings: a `Settings`, the path of a TOML file, or a dict such as {"model.seeds": 1}.
        strategy: a backtrader strategy class or a policy of your own, or its name `module:Name`; stands for
            `strategy.kind`. Parameters are `strategy.params` in the settings.
        forecaster: a class of your own, or its name; stands for `model.kind`. Parameters are `model.params`.
        jobs: worker processes, 0 for one per core; never changes a result. None takes the settings'.
        progress: called with (what is being done, how much of it is done, how much there is).

    Raises:
        DataError, ConfigError, ConnectionFailed: as on the command line, with the same message.
    """
    from engine.backtest.job import backtest as run_backtest
    from engine.backtest.writing import earlier_trials, record_try
    from engine.notebook.given import load_settings, refuse_inside_an_import, with_bars
    from forewalk.types import Bars

    refuse_inside_an_import()
    given = {"strategy.kind": strategy, "model.kind": forecaster, "jobs": jobs}
    chosen = load_settings(settings, {key: value for key, value in given.items() if value is not None})
    table = None
    if bars is not None:
        if not isinstance(bars, Bars):
            raise UsageError(
                f"bars come as Bars, not as {type(bars).__name__}: fw.Bars.from_frame(frame) or "
                "fw.load_bars('file.csv')"
            )
        chosen, table = with_bars(chosen, bars)
    run = run_backtest(chosen, progress or _silent, earlier_trials(), table)
    record_try(run)
    from engine.notebook.result import Result  # its imports wait until the workers have begun theirs

    return Result.of(run)


def _silent(what: str, done: int, total: int) -> None:
    pass
