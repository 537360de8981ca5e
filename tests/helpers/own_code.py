"""Files of a user's own, written for a test, and a small project that uses them."""

from __future__ import annotations

from textwrap import dedent

import pandas as pd

from helpers.making import make_bars

CONFIG = """\
name = "own"
jobs = 1

[data]
source = "csv"
path = "{path}"
min_history_bars = 60

[folds]
train_bars = 120
refit_every_bars = 60

[model]
hidden_size = 4
seeds = 1
max_epochs = 1
lookback_bars = 8
sequence_targets = 16
{model}

[features]
ema_spans = [10]
{features}

[strategy]
entry = 0.0
min_hold_bars = 1
{strategy}

[evaluation]
baselines = false
garch = false
costs = false
bootstrap_repetitions = 100
{evaluation}
"""


def write_module(folder, name, text):
    """Write a module of the user's own; return its path."""
    path = folder / f"{name.replace('.', '/')}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), encoding="utf-8")
    return path


def price_table(bars):
    """The rows of a long price file: date, symbol, open, high, low, close, volume."""
    parts = []
    for symbol in bars.symbols:
        frame = bars.frame(symbol)
        frame.insert(0, "symbol", symbol)
        frame.insert(0, "date", frame.index.tz_convert("America/New_York").strftime("%Y-%m-%d"))
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def write_project(folder, rows=240, symbols=2, table=None, **lines):
    """Write `prices.csv` and `config.toml`, whose sections get the lines given; return the settings file."""
    folder.mkdir(parents=True, exist_ok=True)
    prices = folder / "prices.csv"
    (price_table(make_bars(rows, symbols)) if table is None else table).to_csv(prices, index=False)
    sections = {"model": "", "features": "", "strategy": "", "evaluation": "", **lines}
    (folder / "config.toml").write_text(CONFIG.format(path=prices, **sections), encoding="utf-8")
    return folder / "config.toml"
