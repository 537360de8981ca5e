"""What a server has to show: a finished run, a forecast log, a paper book with an order that waits."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd

from broker.journal.journal import Journal
from broker.journal.records import DecisionRow, NewOrder
from engine.runs.record import ForecastRecord, Foretold, Question

LONG_AGO = datetime(2024, 1, 2, 21, tzinfo=UTC)


def write_log(path, symbols=("AAPL", "MSFT"), days=3):
    """Write a log of forecasts, each made when its day had closed; the last one's outcome is not known."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(3)
    for day in range(days):
        asof = pd.Timestamp(LONG_AGO + timedelta(days=day))
        known = ForecastRecord(path, now=lambda asof=asof: asof.to_pydatetime())
        known.write([foretold(symbol, asof, float(random.normal(0, 0.01))) for symbol in symbols])
        if day:
            before = [
                {"asof": asof - pd.Timedelta(days=1), "symbol": symbol, "actual": 0.01} for symbol in symbols
            ]
            known.settle(pd.DataFrame(before), QUESTION)


QUESTION = Question(1, "1d", "close", False)


def foretold(symbol, asof, mean):
    return Foretold(
        symbol=symbol,
        asof=asof,
        closes_at=asof + pd.Timedelta(days=1),
        question=QUESTION,
        close=100.0,
        mean=mean,
        std=0.02,
        p_up=0.51,
        p_up_model=0.52,
        bands={"50": (-0.01, 0.01), "80": (-0.02, 0.02), "95": (-0.04, 0.04)},
        model="fold-00",
        run=None,
    )


def write_book(folder):
    """Write the settings and the journal of a paper book with an order that waits; return its file and the order."""
    state = folder / "live"
    state.mkdir(parents=True)
    file = folder / "paper.toml"
    file.write_text(f'[live]\nbook = "paper"\nstate = "{state}"\napprove = true\n', encoding="utf-8")
    now = datetime.now(UTC)
    with closing(Journal(state / "journal.db", "paper")) as journal:
        decision = DecisionRow(
            "decision-1",
            now,
            now.date(),
            now,
            now,
            now + timedelta(hours=1),
            Decimal(1000),
            Decimal(1000),
            "m",
            "f",
        )
        order = NewOrder(
            "order-1", "AAPL", "buy", Decimal(3), "market", "opg", Decimal(100), False, "a forecast"
        )
        journal.decisions.record(decision, [], [order], ask=True)
    return file, "order-1"
