# %% [markdown]
# # An honest backtest of your own file
#
# Here the file is made up: two random walks, in which there is nothing to find. An honest program says so.

# %%
import numpy as np
import pandas as pd

import forewalk as fw

days = pd.bdate_range("2015-01-02", periods=800)
random = np.random.default_rng(1)
tables = []
for symbol in ("AAA", "BBB"):
    close = 50 * np.exp(np.cumsum(random.normal(0.0003, 0.015, len(days))))
    opened = close * np.exp(random.normal(0, 0.004, len(days)))
    tables.append(
        pd.DataFrame(
            {
                "Date": days,
                "Name": symbol,
                "Open": opened,
                "High": np.maximum(opened, close) * 1.005,
                "Low": np.minimum(opened, close) * 0.995,
                "Close": close,
                "Volume": 1_000_000,
            }
        )
    )
pd.concat(tables).round(4).to_csv("prices.csv", index=False)

# %% [markdown]
# What is it understood as? Exchange, bar length, zone and what was wrong with it are told before anything is run. Some days of the
# made-up file are holidays of the exchange; they are named and left out.

# %%
bars = fw.load_bars("prices.csv", settings={"data.min_history_bars": 60})
for note in bars.notes:
    print(note)
bars

# %%
settings = {
    "name": "own-file",
    "data.min_history_bars": 60,
    "folds": {"train_bars": 300, "refit_every_bars": 300},
    "model": {"seeds": 1, "max_epochs": 2},
    "evaluation": {"baselines": False, "bootstrap_repetitions": 200},
}
result = fw.backtest(bars, settings=settings)
print(result.verdict)

# %% [markdown]
# Whether anything looked into the future is checked by replacing the future by nonsense and running everything again.

# %%
certificate = fw.audit(result)
print("\n".join(certificate.lines()))
