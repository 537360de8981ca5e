"""The texts behind a forecast: what was said, when it was known, how it sounds; and what texts added to the run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

from engine.evaluation.metrics.texts import Added, TextMetrics
from engine.runs.folder import read_run
from engine.runs.stored import require_same_bars
from forewalk.data.columns.texts.behind import TextBehind, texts_behind
from forewalk.data.loading import load_bars
from forewalk.errors import ForewalkError
from forewalk.settings.loading import load_settings
from forewalk.settings.sections import Settings
from forewalk.types import Bars

MOST = 200  # texts of one bar on the page
LONGEST = 300  # characters of a headline
ADDED = (
    ("rank_ic", "ranks the symbols, rank IC"),
    ("log_likelihood", "likelihood of what came"),
    ("qlike", "error of the likely range (QLIKE)"),
    ("account", "account, a bar after costs"),
)


@dataclass(frozen=True)
class TextsScreen:
    """The screen.

    Attributes:
        symbols: of the run, () where it used no texts. symbol: shown. day: of the bar shown, as text.
        near: (what, day) of the bars beside. rows: (known, written, kind, weight, tone, headline, notes), as text.
        count: texts of this bar. added: (what, with texts, without, gain, p), as text.
        trap: what the usual mistake would have shown, "" without evidence. silent: why there are no rows.
    """

    symbols: tuple[str, ...]
    symbol: str | None
    day: str
    near: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, ...], ...]
    count: int
    added: tuple[tuple[str, ...], ...]
    trap: str
    silent: str


def texts_screen(folder: Path, symbol: str | None = None, day: str | None = None) -> TextsScreen:
    """Return the screen of a run's folder.

    Args:
        symbol: one of the run; another, or None, means the first. day: YYYY-MM-DD; the last bar that closed by its
            end, or of all where it is none.

    Raises:
        ForewalkError: a file of the run is missing or damaged.
    """
    settings = load_settings(folder / "config.toml", environment={})
    if settings.news.path is None:
        return TextsScreen((), None, "", (), (), 0, (), "", "This run used no texts.")
    added, trap = _added(folder / "metrics.json")
    try:
        bars = _bars(folder, (folder / "manifest.json").stat().st_mtime_ns)
        chosen = symbol if symbol in bars.symbols else bars.symbols[0]
        row = _row(bars, day)
        found = texts_behind(settings.news, bars, chosen, bars.timestamps[row])
    except ForewalkError as problem:
        return TextsScreen((), None, "", (), (), 0, added, trap, str(problem))
    beside = (("bar before", row - 1), ("bar after", row + 1))
    return TextsScreen(
        symbols=bars.symbols,
        symbol=chosen,
        day=f"{bars.timestamps[row]:%Y-%m-%d}",
        near=tuple((what, f"{bars.timestamps[at]:%Y-%m-%d}") for what, at in beside if 0 <= at < len(bars)),
        rows=tuple(_cells(text) for text in found[:MOST]),
        count=len(found),
        added=added,
        trap=trap,
        silent="",
    )


@lru_cache(maxsize=4)
def _bars(folder: Path, written: int) -> Bars:
    """Read the bars of a run with its texts; `written` is when it was, since a name may be used again."""
    settings: Settings = load_settings(folder / "config.toml", environment={})
    require_same_bars(read_run(folder), settings)
    return load_bars(settings.data, columns=settings.features.columns, news=settings.news)[0]


def _row(bars: Bars, day: str | None) -> int:
    end = pd.to_datetime(day, utc=True, errors="coerce") if day else pd.NaT
    if pd.isna(end):
        return len(bars) - 1
    return max(0, int(bars.timestamps.searchsorted(end.normalize() + pd.Timedelta(days=1))) - 1)


def _cells(text: TextBehind) -> tuple[str, ...]:
    notes = [("repeats an earlier one", text.repeats), ("when it was known is a guess", text.backfilled)]
    notes += [
        (f"changed, known {at:%Y-%m-%d %H:%M}: {words[:LONGEST]}", True) for at, words in text.later[:1]
    ]
    return (
        f"{text.known_at:%Y-%m-%d %H:%M}",
        "" if text.published is None else f"{text.published:%Y-%m-%d %H:%M}",
        text.kind,
        f"{text.weight:.2f}",
        "none yet" if text.tone is None else f"{text.tone:+.2f}",
        text.headline[:LONGEST],
        "; ".join(note for note, said in notes if said),
    )


def _added(path: Path) -> tuple[tuple[tuple[str, ...], ...], str]:
    """Return what texts added, and the trap in words; nothing where the run was not judged with and without."""
    if not path.is_file():
        return (), ""
    told = json.loads(path.read_text(encoding="utf-8")).get("texts")
    if told is None:
        return (), ""
    texts = TextMetrics.from_json(told)
    rows = [(what, getattr(texts, name)) for name, what in ADDED]
    shown = tuple((what, *_numbers(value)) for what, value in rows if value is not None)
    known, late = texts.tone_known, texts.tone_by_day
    if known.t is None or late.t is None:
        return shown, ""
    return shown, (
        f"Joined by the day of the outcome, as is usual, their tone would have shown a rank IC of {late.mean:+.3f} "
        f"(t = {late.t:+.1f}); known in time it shows {known.mean:+.3f} (t = {known.t:+.1f})."
    )


def _numbers(added: Added) -> tuple[str, ...]:
    shown = (added.with_texts, added.without, added.gain)
    luck = "not known" if added.p is None else "less than 0.001" if added.p < 0.001 else f"{added.p:.3f}"
    return (*("not known" if value is None else f"{value:.4g}" for value in shown), luck)
