"""A torch module as the forecaster. From this folder, or with this file beside your settings:

python -m engine.backtest --set model.kind=own_model_torch:Perceptron --set model.params.hidden=16
"""

import torch
from torch import nn

from models.arrays import ArrayForecaster, learning_cells


class Perceptron(ArrayForecaster):
    def network(self, features):
        hidden = self.settings.params.get("hidden", 8)
        return nn.Sequential(nn.Linear(features, hidden), nn.Tanh(), nn.Linear(hidden, 2))

    def fit(self, data):
        torch.manual_seed(
            self.seed
        )  # equal seeds must give equal weights: the audit trains again and compares
        features, labels = (
            torch.tensor(values, dtype=torch.float32) for values in learning_cells(data, data.train)
        )
        mean, scale = features.mean(0), features.std(0).clamp(min=1e-6)
        network = self.network(features.shape[1])
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.1)
        for _ in range(self.settings.max_epochs):
            for rows in torch.randperm(len(labels)).split(1024):
                level, log_std = network((features[rows] - mean) / scale).T
                loss = nn.functional.gaussian_nll_loss(level, labels[rows].clamp(-8, 8), (2 * log_std).exp())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        weights = {name: weight.numpy() for name, weight in network.state_dict().items()}
        return {**weights, "mean": mean.numpy(), "scale": scale.numpy()}

    def predict(self, arrays, panel, first, stop):
        network = self.network(len(arrays["mean"]))
        network.load_state_dict({name: torch.tensor(arrays[name]) for name in network.state_dict()})
        scaled = (panel.values[first:stop] - arrays["mean"]) / arrays["scale"]
        with torch.no_grad():
            level, log_std = network(torch.tensor(scaled)).unbind(-1)
        return level.numpy(), log_std.exp().numpy()
