"""The backtest: from settings to a run folder."""
