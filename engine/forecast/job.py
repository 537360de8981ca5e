"""`forewalk forecast`: make the next forecast, score what came due, write it down, draw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.forecast.answer import Answer
    from engine.forecast.log import Entered, ForecastLog
    from engine.runs.record import Clock
    from engine.training.walked import Progress
    from forewalk.settings.sections import Settings


@dataclass(frozen=True, eq=False)
class Given:
    """A forecast that was given.

    Attributes:
        answer: what is expected. entered: what writing it down came to. scored: outcomes that came due.
        made_of: the parts of each forecast, see `engine.forecast.explaining`; None where nobody asked.
    """

    answer: Answer
    entered: Entered
    scored: int
    made_of: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types: the answer, and what writing it down came to."""
        entered = self.entered
        logged = {"written": entered.written, "known": entered.known, "closed": entered.closed}
        told = {} if self.made_of is None else {"made_of": self.made_of}
        return {**self.answer.to_dict(), **told, "log": {**logged, "settled": self.scored}}


def give(
    what: Settings | Path,
    log: ForecastLog,
    progress: Progress,
    overrides: Sequence[str] = (),
    positions: Path | None = None,
    page: Path | None = None,
    now: Clock | None = None,
    explain: bool = False,
) -> Given:
    """Make the next forecast and write it down.

    Args:
        what: settings to train by, or the folder of a finished run whose newest model is asked.
        log: of forecasts. overrides: of a run's settings, data.* only.
        positions: file of positions, or the daemon's folder; None means cash only. page: file of the chart.
        now: the clock, this machine's by default; bars that have not closed by then are left out.
        explain: also tell what each forecast is made of; of a finished run only.

    Raises:
        DataError, ConfigError, ConnectionFailed, PluginError: see `forewalk.errors`.
        ForewalkError: the log cannot be written.
        UsageError: `explain` without a run, or of a model without a gradient.
    """
    from engine.forecast.answer import answer
    from engine.forecast.basis import from_run, trained
    from engine.forecast.orders import read_holdings
    from engine.runs.record import wall_clock
    from forewalk.errors import UsageError

    clock = now or wall_clock
    if explain and not isinstance(what, Path):
        raise UsageError(
            "--explain asks the stored model of a finished run; name its folder, e.g. runs/latest"
        )
    if isinstance(what, Path):
        basis = from_run(what, progress, overrides, clock)
    else:
        basis = trained(what, progress, clock)
    made_of = None
    if explain and basis.run is not None:
        from engine.forecast.explaining.job import newest_parts

        made_of = newest_parts(basis.run, basis.bars, basis.settings, basis.forecasts.model_ids[-1])
    holdings = None if positions is None else read_holdings(positions, basis.settings)
    basis = basis.noting(log.revised(basis.closes()))
    found = answer(basis, holdings)
    scored = log.score(basis.history, found)
    entered = log.enter(found)
    if page is not None:
        from engine.forecast.page import write_page

        write_page(found, basis.bars, page)
    return Given(found, entered, scored, made_of)
