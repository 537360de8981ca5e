"""G. A million events: of the stream, of the log, of the journal's diary. Memory and files stay as they are."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest
from in_process import KEYS, Desk
from soak import rss_mb

from broker.alpaca.stream import HintStream, TradeHints
from broker.journal.diary import add_line
from broker.journal.journal import Journal
from broker.simulator.harness import Simulator
from engine.live.watch.notify import LOG_FILES, Watch, start_log
from helpers.live_values import live_settings, random_forecasts, some_bars

MILLION = 1_000_000
FRAMES = [
    {"stream": "trade_updates", "data": {"event": event, "order": {"id": str(number), "symbol": "AAPL"}}}
    for number, event in enumerate(["new", "partial_fill", "fill", "canceled", "never_seen_before"])
]
pytestmark = [pytest.mark.faults, pytest.mark.row(64)]


def test_a_million_events_of_the_stream_are_a_number():
    hints = TradeHints(KEYS, "http://127.0.0.1:1")
    stream = HintStream(hints, KEYS, "ws://127.0.0.1:1/stream")

    async def hear(count):
        for number in range(count):
            await stream._dispatch(FRAMES[number % len(FRAMES)])

    asyncio.run(hear(10_000))
    before = rss_mb()
    asyncio.run(hear(MILLION))
    assert hints.drain() == (MILLION + 10_000, 0)
    assert rss_mb() - before < 2


def test_a_million_things_told_fill_six_log_files_at_the_most(tmp_path, monkeypatch):
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])  # pytest would keep them all
    monkeypatch.setattr(root, "level", root.level)
    watch = Watch("paper")
    handler = start_log(tmp_path / "log.jsonl", 1.0, console=False)
    before = rss_mb()
    for number in range(MILLION):
        watch.notify("fill", "AAPL", f"buy 10 at {number}")
    handler.close()
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert watch.counts == {"fill": MILLION}
    assert len(sizes) == LOG_FILES + 1
    assert max(sizes) <= 2**20
    assert rss_mb() - before < 2


def test_a_diary_of_a_million_lines_is_no_burden_to_a_session(tmp_path, socket_enabled):
    bars = some_bars(30)
    journal = Journal(tmp_path / "journal.db", "paper")
    write_diary(journal)
    journal.close()
    with Simulator(
        bars, start=bars.timestamps[20].isoformat(), cash=100_000, market_fill="open"
    ) as simulator:
        desk = Desk(live_settings(), simulator, tmp_path, random_forecasts(bars))
        desk.session()
        before = rss_mb()
        for _ in range(3):
            desk.session()
        assert rss_mb() - before < 10
        assert len(desk.daemon.journal.decisions.all()) >= 3
        desk.daemon.journal.close()


def write_diary(journal):
    start = datetime(2024, 1, 2, tzinfo=UTC)
    with journal.file.transaction() as write:
        for number in range(MILLION):
            add_line(write, start + timedelta(seconds=number), "fill", "AAPL", "", f"buy 10 at {number}")
