"""A scikit-learn model as the forecaster. From this folder, or with this file beside your settings:

python -m engine.backtest --set model.kind=own_model_sklearn:Lasso --set model.params.penalty=0.003
"""

from sklearn.linear_model import ElasticNet
from sklearn.preprocessing import StandardScaler

from models.arrays import ArrayForecaster, learning_cells


class Lasso(ArrayForecaster):
    def fit(self, data):
        features, labels = learning_cells(data, data.train)  # [n, features] and [n]
        scaler = StandardScaler().fit(features)
        penalty = self.settings.params.get("penalty", 0.001)
        model = ElasticNet(alpha=penalty, l1_ratio=0.9, random_state=self.seed)
        model.fit(scaler.transform(features), labels.clip(-8, 8))
        return {
            "mean": scaler.mean_,
            "scale": scaler.scale_,
            "slope": model.coef_,
            "level": [model.intercept_],
        }

    def predict(self, arrays, panel, first, stop):
        scaled = (panel.values[first:stop] - arrays["mean"]) / arrays["scale"]  # [rows, symbols, features]
        return scaled @ arrays["slope"] + arrays["level"]
