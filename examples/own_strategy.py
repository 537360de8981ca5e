"""Your own backtrader strategy on walk-forward forecasts: buy when a rise is likely, sell when it is not.

python examples/own_strategy.py
"""

import backtrader as bt

import forewalk as fw


class ProbabilityStrategy(bt.Strategy):
    params = (("table", None), ("buy_above", 0.52), ("sell_below", 0.49))

    def __init__(self):
        self.forecast = {data: fw.ForecastIndicator(data, table=self.p.table) for data in self.datas}

    def next(self):
        for data in self.datas:
            p_up = self.forecast[data].p_up[0]  # NaN while there is no forecast: both tests fail
            if p_up > self.p.buy_above and not self.getposition(data):
                self.order_target_percent(data, 0.95 / len(self.datas))
            elif p_up < self.p.sell_below and self.getposition(data):
                self.close(data)


if __name__ == "__main__":
    fast = {"model.seeds": 1, "model.max_epochs": 5, "folds.refit_every_bars": 504}
    result = fw.backtest(settings=fast, strategy=ProbabilityStrategy)
    print(result.verdict)
    print(f"{len(result.orders)} orders; fw.audit(result) looks for look-ahead in all of it")
