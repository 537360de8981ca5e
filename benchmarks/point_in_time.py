"""Skill on companies as they were seen at the time, those that have gone since among them.

`python -m benchmarks.point_in_time [--symbols N]` reads the shared unadjusted bars of 1,186 US names of 2015 to 2017
with their splits and dividends, makes a universe of when each was there, and runs `benchmarks.skill` on it: a symbol
that stops early is sold at its last price less `--lost`. Beside it stands what its survivors alone would have shown:
the same bars, without those that have gone. Two years are short: most of them are the history that features need.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.data import SHARED
from benchmarks.skill import BARS_A_YEAR, Judged, judge, lines_of, settings_of

BARS = SHARED / "market" / "equity_pit_unadjusted_daily_2015_2017.parquet"
ACTIONS = SHARED / "market" / "equity_pit_corporate_actions_2015_2017.parquet"
SPLITS = ("split_like", "reverse_or_other")
LEAP = 2.0
TRAIN, REFIT = 378, 63  # bars: a year and a half, then a quarter at a time


def spans_of(bars: pd.DataFrame, still_there: bool = False) -> pd.DataFrame:
    """Return when each symbol was there: symbol, from, to (empty: to the end); with `still_there` survivors only."""
    ends = bars.groupby("symbol")["date"].agg(["min", "max"])
    gone = ends["max"] < ends["max"].max()
    until = ends["max"].where(gone, "")
    spans = pd.DataFrame({"symbol": ends.index, "from": ends["min"].to_numpy(), "to": until.to_numpy()})
    return spans[~gone.to_numpy()] if still_there else spans


def without_leaps(bars: pd.DataFrame, actions: pd.DataFrame) -> pd.DataFrame:
    """Return bars without those from the first close on that is more than `LEAP` times the one before, unexplained.

    Such a name has become another share (a company out of bankruptcy, one exchanged for another), or the close is an
    error; nobody who held it has earned that. It leaves on the bar before. Falls stay: they may be true.
    """
    bars = bars.sort_values(["symbol", "date"])
    told = set(zip(actions["symbol"], actions["ex_date"].dt.strftime("%Y-%m-%d"), strict=True))
    explained = pd.Series(list(zip(bars["symbol"], bars["date"], strict=True)), index=bars.index).isin(told)
    leap = (bars["close"] > LEAP * bars.groupby("symbol")["close"].shift()) & ~explained
    return bars[~leap.groupby(bars["symbol"]).cummax()]


def events_of(actions: pd.DataFrame) -> pd.DataFrame:
    """Return splits (new shares for an old one) and dividends (money a share), told by ratios of adjusted to raw."""
    split = actions["kind"].isin(SPLITS)
    ratio = actions["ratio"].astype(float)
    dividend = actions["prev_close_raw"].astype(float) * (1.0 - ratio)
    return pd.DataFrame(
        {
            "symbol": actions["symbol"],
            "date": actions["ex_date"].dt.strftime("%Y-%m-%d"),
            "split": (1.0 / ratio).where(split),
            "dividend": dividend.where(~split & (dividend > 0)),
        }
    )


def judged(
    bars: pd.DataFrame, actions: pd.DataFrame, lost: float, seeds: int, still_there: bool = False
) -> Judged:
    """Run `benchmarks.skill` on these bars, [rows of symbol, date, open, high, low, close, volume]."""
    spans = spans_of(bars, still_there)
    with tempfile.TemporaryDirectory(prefix="forewalk-") as name:
        folder = Path(name)
        there = bars[bars["symbol"].isin(spans["symbol"])]
        there.to_parquet(folder / "bars.parquet")
        spans.to_csv(folder / "universe.csv", index=False)
        events_of(actions[actions["symbol"].isin(spans["symbol"])]).to_csv(folder / "events.csv", index=False)
        source = {
            "universe": str(folder / "universe.csv"),
            "events": str(folder / "events.csv"),
            "adjusted": False,
            "delisting_return": -lost,
        }
        settings = settings_of(folder / "bars.parquet", seeds, REFIT, source, TRAIN)
        return judge(settings, fewest_bars=1)


def flattery(everyone: Judged, survivors: Judged) -> str:
    """Say what leaving out those that have gone would have added to owning them all."""
    yearly = [
        float(np.prod(1.0 + each.accounts["equal_weight"])) ** (BARS_A_YEAR / len(each.times)) - 1.0
        for each in (everyone, survivors)
    ]
    return (
        f"Equal weight earned {yearly[0]:.1%} a year of all that were there, {yearly[1]:.1%} of those that still "
        f"are: leaving out the others adds {yearly[1] - yearly[0]:+.1%} a year."
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables of all and of the survivors."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.point_in_time", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--symbols", type=int, default=0, help="the first so many by name; 0 means all")
    parser.add_argument(
        "--lost", type=float, default=0.3, help="of its last price by a symbol that stops early"
    )
    given = parser.parse_args(arguments)
    if not BARS.exists():
        parser.error(f"{BARS} is not there: the shared data are needed")
    bars, actions = pd.read_parquet(BARS), pd.read_parquet(ACTIONS)
    bars["date"] = bars["date"].astype(str)
    names = sorted(bars["symbol"].unique())[: given.symbols or None]
    bars = without_leaps(bars[bars["symbol"].isin(names)], actions)
    found = []
    for title, still_there in (("All that were there", False), ("Those that still are", True)):
        print(f"\n## {title}", flush=True)
        found.append(judged(bars, actions, given.lost, given.seeds, still_there))
        print("\n".join(lines_of(found[-1])))
        print(f"\n{len(found[-1].times)} bars out of sample", flush=True)
    print(f"\n{flattery(*found)}")


if __name__ == "__main__":
    main()
