# %% [markdown]
# # Currencies
#
# A pair is not paid for: a position gains or loses in the quote currency, which is turned into the account's money at the rate of the
# same bar. Two pairs are made up here, daily bars of the New York day.

# %%
import numpy as np
import pandas as pd

import forewalk as fw

days = pd.bdate_range("2015-01-02", periods=800)
random = np.random.default_rng(5)
tables = []
for symbol, start, decimals in (("EURUSD", 1.1, 5), ("USDJPY", 110.0, 3)):
    close = start * np.exp(np.cumsum(random.normal(0, 0.005, len(days))))
    opened = np.r_[start, close[:-1]]
    high = np.maximum(opened, close) * (1 + abs(random.normal(0, 0.001, len(days))))
    low = np.minimum(opened, close) * (1 - abs(random.normal(0, 0.001, len(days))))
    table = pd.DataFrame({"open": opened, "high": high, "low": low, "close": close}).round(decimals)
    tables.append(table.assign(date=days, symbol=symbol))
pd.concat(tables).to_csv("pairs.csv", index=False)

settings = {
    "name": "pairs",
    "data": {"market": "forex", "min_history_bars": 60, "currency": "USD"},
    "folds": {"train_bars": 400, "refit_every_bars": 300},
    "model": {"seeds": 1, "max_epochs": 2},
    "evaluation": {"baselines": False, "bootstrap_repetitions": 200},
}
bars = fw.load_bars("pairs.csv", settings=settings)
print(bars)

# %%
result = fw.backtest(bars, settings=settings)
print(result.verdict)
result.metrics.costs

# %% [markdown]
# Costs are half a spread for each fill: the spread of the file where it has bid and ask, else `execution.spread_pips`. What the
# account holds and earns is in dollars, whatever the pair.

# %%
result.trades.head()
