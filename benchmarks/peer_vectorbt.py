"""Measure vectorbt, in its own environment: `python peer_vectorbt.py SIGNALS.npz RUNS` prints JSON.

A sweep over thresholds on the same scores and costs as ours, one account with shared cash for each threshold; what is
asked of it is what ours always computes, less the turnover. A position takes an equal share of the symbols.
"""

import json
import statistics
import sys
import time

import numpy as np
import pandas as pd
import vectorbt as vbt


def main(file: str, runs: int) -> None:
    arrays = np.load(file)
    score, thresholds = arrays["score"], arrays["entries"].tolist()
    bars, symbols = score.shape
    index = pd.bdate_range("2010-01-04", periods=bars)
    columns = pd.MultiIndex.from_product([thresholds, range(symbols)], names=["entry", "symbol"])

    def once() -> None:
        entries, exits = (
            pd.DataFrame(np.hstack(parts), index=index, columns=columns)
            for parts in zip(*((score >= entry, score < -entry) for entry in thresholds), strict=True)
        )
        close = pd.DataFrame(np.tile(arrays["close"], len(thresholds)), index=index, columns=columns)
        account = vbt.Portfolio.from_signals(
            close,
            entries,
            exits,
            size=1e5 / symbols,
            size_type="value",
            group_by="entry",
            cash_sharing=True,
            fees=1e-4,
            slippage=4e-4,
            init_cash=1e5,
            freq="1D",
        )
        account.total_return()
        account.sharpe_ratio()
        account.max_drawdown()

    once()  # compiles
    seconds = []
    for _ in range(runs):
        before = time.process_time()
        once()
        seconds.append(time.process_time() - before)
    print(json.dumps({"version": vbt.__version__, "seconds": statistics.median(seconds), "all": seconds}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
