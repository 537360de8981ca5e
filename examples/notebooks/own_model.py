# %% [markdown]
# # A model of your own
#
# A forecaster is a class with `fit` and `predict`, in a file of its own so that other processes and the certificate can import it.

# %%
from pathlib import Path

Path("my_ridge.py").write_text('''
import numpy as np

import forewalk as fw


class Ridge(fw.ArrayForecaster):
    """Ridge regression of the scaled label on the features of the same bar."""

    def fit(self, data):
        X, y = fw.learning_cells(data, data.train)
        penalty = self.settings.params.get("penalty", 100.0) * np.eye(X.shape[1])
        return {"weights": np.linalg.solve(X.T @ X + penalty, X.T @ y)}

    def predict(self, arrays, panel, first, stop):
        return panel.values[first:stop] @ arrays["weights"]


class Peeks(Ridge):
    """The same with a mistake that is easily made: it looks at the rows after the one it is asked about."""

    def predict(self, arrays, panel, first, stop):
        seen = super().predict(arrays, panel, first, stop)
        return np.vstack([seen[1:], seen[-1:]])
''')

# %%
import sys

import forewalk as fw

sys.path.insert(0, ".")
import my_ridge

quick = {
    "name": "own-model",
    "data.start": "2010-01-01",
    "folds": {"train_bars": 400, "refit_every_bars": 300},
    "evaluation": {"baselines": False, "bootstrap_repetitions": 200},
}
bars = fw.load_bars(settings=quick)
mine = fw.backtest(bars, quick, forecaster=my_ridge.Ridge)
mine

# %%
print("\n".join(fw.audit(mine).lines()))

# %% [markdown]
# And the one that peeks. Its numbers may look fine; the certificate names the first value that betrays it.

# %%
peeks = fw.backtest(bars, quick, forecaster=my_ridge.Peeks)
certificate = fw.audit(peeks)
print("\n".join(certificate.lines()))
assert not certificate.clean
