# %% [markdown]
# # A first forecast
#
# Four stocks that come with the installation, a small network, and what it says about the next close. Nothing is downloaded.

# %%
import forewalk as fw

quick = {
    "name": "first",
    "data.start": "2008-01-01",
    "folds": {"train_bars": 750, "refit_every_bars": 300},
    "model": {"seeds": 1, "max_epochs": 3},
    "evaluation": {"baselines": False, "bootstrap_repetitions": 200},
}
bars = fw.load_bars(settings=quick)
bars

# %% [markdown]
# The network is trained on the past, asked about the bars after it, trained again, and so on. Every number below comes from bars that
# the network asked had not seen.

# %%
result = fw.backtest(bars, settings=quick)
result

# %% [markdown]
# The last rows are the forecast of the close that is still to come: their outcome (`actual`) is missing.

# %%
result.forecasts[result.forecasts["actual"].isna()][["asof", "symbol", "mean", "std", "p_up"]]

# %% [markdown]
# A range from `mean` and `std` (both of the log return) is what is worth something here. Of the ranges for 80 of 100 days so many
# held:

# %%
result.metrics.forecast.overall.coverage

# %%
result.plot()
