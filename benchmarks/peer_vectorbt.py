"""Measure vectorbt, in its own environment: `python peer_vectorbt.py SIGNALS.npz RUNS` prints JSON.

The same signals and costs as ours; what is asked of it is what ours always computes, less the turnover.
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
    index = pd.bdate_range("2010-01-04", periods=len(arrays["close"]))
    close, entries, exits = (
        pd.DataFrame(arrays[name], index=index) for name in ("close", "entries", "exits")
    )

    def once() -> None:
        account = vbt.Portfolio.from_signals(
            close, entries, exits, fees=1e-4, slippage=4e-4, init_cash=1e5, freq="1D"
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
