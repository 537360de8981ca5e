"""`forewalk forecast`: make the next forecast, score what came due, write it down, draw it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.forecast.answer import Answer
    from engine.forecast.log import Entered, ForecastLog
    from engine.training.walked import Progress
    from forewalk.settings.sections import Settings


@dataclass(frozen=True, eq=False)
class Given:
    """A forecast that was given.

    Attributes:
        answer: what is expected. entered: what writing it down came to. scored: outcomes that came due.
    """

    answer: Answer
    entered: Entered
    scored: int


def give(
    what: Settings | Path,
    log: ForecastLog,
    progress: Progress,
    overrides: Sequence[str] = (),
    positions: Path | None = None,
    page: Path | None = None,
) -> Given:
    """Make the next forecast and write it down.

    Args:
        what: settings to train by, or the folder of a finished run whose newest model is asked.
        log: of forecasts. overrides: of a run's settings, data.* only.
        positions: file of positions, or the daemon's folder; None means cash only. page: file of the chart.

    Raises:
        DataError, ConfigError, ConnectionFailed, PluginError: see `forewalk.errors`.
        ForewalkError: the log cannot be written.
    """
    from engine.forecast.answer import answer
    from engine.forecast.basis import from_run, trained
    from engine.forecast.orders import read_holdings

    basis = from_run(what, progress, overrides) if isinstance(what, Path) else trained(what, progress)
    holdings = None if positions is None else read_holdings(positions, basis.settings)
    found = answer(basis, holdings)
    scored = log.score(basis.history, found)
    entered = log.enter(found)
    if page is not None:
        from engine.forecast.page import write_page

        write_page(found, basis.bars, page)
    return Given(found, entered, scored)


Give = Callable[[], Given]
