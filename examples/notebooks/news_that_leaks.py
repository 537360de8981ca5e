# %% [markdown]
# # News that leaks
#
# Texts are written about what has just happened. Joined to prices by calendar day, they "foretell" the very move that they report.
# Here a market is made up in which texts follow the moves of the day and say nothing about tomorrow.

# %%
import json
from pathlib import Path

import numpy as np
import pandas as pd

import forewalk as fw

quick = {
    "name": "news",
    "data.start": "2010-01-01",
    "folds": {"train_bars": 400, "refit_every_bars": 300},
    "model": {"seeds": 1, "max_epochs": 2},
    "evaluation": {"baselines": False, "bootstrap_repetitions": 200},
}
bars = fw.load_bars(settings=quick)
moves = np.log(bars.close[1:] / bars.close[:-1])
random = np.random.default_rng(3)
GOOD, BAD = (
    "shares surge after strong results beat forecasts",
    "shares plunge after weak results miss forecasts",
)

texts = []
for row, closed in enumerate(bars.timestamps[1:]):
    for column, symbol in enumerate(bars.symbols):
        if np.isfinite(moves[row, column]) and random.random() < 0.3:
            written = closed + pd.Timedelta(hours=2)  # after the close, about the day that is over
            words = GOOD if moves[row, column] + random.normal(0, 0.01) > 0 else BAD
            texts.append(
                {
                    "id": len(texts),
                    "headline": f"{symbol} {words} ({len(texts)})",
                    "symbols": [symbol],
                    "published": written.isoformat(),
                    "first_seen": written.isoformat(),
                }
            )
Path("texts.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")
len(texts)

# %% [markdown]
# The tutorial's join: tone of the texts of a day beside the return of that day.

# %%
frame = pd.DataFrame(texts)
frame["tone"] = np.where(frame["headline"].str.contains("surge"), 1.0, -1.0)
frame["day"] = pd.to_datetime(frame["published"]).dt.tz_convert("America/New_York").dt.date
frame["symbol"] = frame["symbols"].str[0]
dates = bars.timestamps.tz_convert("America/New_York").date
returns = pd.DataFrame(moves, index=dates[1:], columns=bars.symbols)
tone = frame.pivot_table(index="day", columns="symbol", values="tone")
same = returns.reindex(index=tone.index, columns=tone.columns)
tomorrow = returns.shift(-1).reindex(index=tone.index, columns=tone.columns)


def correlation(a, b):
    known = np.isfinite(a.to_numpy()) & np.isfinite(b.to_numpy())
    return np.corrcoef(a.to_numpy()[known], b.to_numpy()[known])[0, 1]


print(f"tone with the return of the same day: {correlation(tone, same):+.2f}")
print(f"tone with the return of the next day: {correlation(tone, tomorrow):+.2f}")

# %% [markdown]
# Forewalk gives each text the moment at which it was known, so that a text after the close belongs to the next bar. The report says
# what the texts added, which here is nothing.

# %%
result = fw.backtest(bars, {**quick, "news.path": "texts.jsonl"})
print(result.verdict)

# %%
print("\n".join(fw.audit(result).lines()))
