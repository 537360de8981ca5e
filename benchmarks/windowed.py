"""The training loop that everybody writes: one window of 60 bars for each target. It is what we measure against.

Windows come as views and are copied batch by batch, which is the best this loop can do: the cost is in running
the recurrence 60 times for each bar. Network, loss, optimiser, targets and number of passes are our own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from forewalk.features.panel import FeaturePanel
from forewalk.settings.sections import ModelSettings
from forewalk.types import FloatArray
from models.base import TrainingData
from models.recurrent.networks import gaussian_nll
from models.scaler import Scaler

BATCH = 256
LEARNING_RATE = 1e-3


@dataclass
class Windowed:
    """LSTM over windows [B, 60, F], mean and log std from the last hidden state."""

    settings: ModelSettings
    seed: int = 0

    def fit(self, data: TrainingData, passes: int) -> None:
        """Train for `passes` passes over the same targets that our own loop sees."""
        torch.manual_seed(self.seed)
        self.scaler = Scaler.fit(data.panel.values[data.train])
        features = len(data.panel.names)
        self.cell = nn.LSTM(features, self.settings.hidden_size, batch_first=True)
        self.head = nn.Linear(self.settings.hidden_size, 2)
        nn.init.zeros_(self.head.bias)
        nn.init.normal_(self.head.weight, std=0.01)
        optimizer = torch.optim.AdamW([*self.cell.parameters(), *self.head.parameters()], lr=LEARNING_RATE)
        windows = self._windows(data.panel)
        rows, columns = np.nonzero(np.isfinite(data.target[data.train]))
        rows = data.train[rows]
        y = torch.from_numpy(np.clip(data.target[rows, columns], -8, 8).astype(np.float32))
        row, column = torch.from_numpy(rows), torch.from_numpy(columns)
        generator = torch.Generator().manual_seed(self.seed)
        for _ in range(passes):
            for pick in torch.randperm(len(y), generator=generator).split(BATCH):
                mean, log_std = self._answer(windows[row[pick], column[pick]])
                loss = gaussian_nll(mean, log_std, y[pick]).mean()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.cell.parameters(), 1.0)
                optimizer.step()

    @torch.no_grad()
    def predict(self, panel: FeaturePanel, first: int, stop: int) -> tuple[FloatArray, FloatArray]:
        """Return mean and std of rows `first` to `stop - 1` in multiples of the panel's scale, [n, S]."""
        windows = self._windows(panel)
        answers = [self._answer(windows[row]) for row in range(first, stop)]
        mean = torch.stack([mean for mean, _ in answers]).double().numpy()
        std = torch.stack([log_std for _, log_std in answers]).double().exp().numpy()
        return mean, std

    def _windows(self, panel: FeaturePanel) -> Tensor:
        """View of the panel as windows ending at each row, [N, S, F, lookback]; nothing is copied."""
        x = torch.from_numpy(self.scaler.transform(panel.values))
        before = torch.zeros(self.settings.lookback_bars - 1, *x.shape[1:])
        return torch.cat([before, x]).unfold(0, self.settings.lookback_bars, 1)

    def _answer(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        hidden, _ = self.cell(windows.transpose(1, 2).contiguous())  # [B, F, 60] -> [B, 60, F]
        out = self.head(hidden[:, -1])
        return out[:, 0], out[:, 1]
