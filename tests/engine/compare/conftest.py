"""Small runs that differ in one thing each."""

import pytest

from engine.backtest.job import backtest
from engine.backtest.writing import write_parts
from engine.runs.folder import write_run
from forewalk.settings.loading import load_settings
from helpers.making import make_bars
from helpers.own_code import price_table, write_project

ROWS = 240
PRICES = price_table(make_bars(ROWS, 3))


def revised(table):
    """The same prices, one of them late in the span corrected by a hundredth."""
    changed = table.copy()
    changed.loc[changed.index[-20], ["open", "high", "low", "close"]] *= 1.01
    return changed


TWO = PRICES[PRICES["symbol"] != "S02"]
KINDS = {
    "base": (TWO, []),
    "seed": (TWO, ["seed=8"]),
    "feature": (TWO, ["features.ema_spans=[10, 30]"]),
    "entry": (TWO, ["strategy.entry=0.05", "seed=8"]),
    "wider": (PRICES, []),
    "revised": (revised(TWO), []),
    "week": (TWO, ["label.horizon_bars=5"]),
    "beside": (TWO, ["label.kind=market_relative"]),
    "other": (PRICES[PRICES["symbol"] == "S02"], []),
    "later": (price_table(make_bars(ROWS, 2, start="2021-01-04")), []),
}


@pytest.fixture(scope="package")
def run_of(tmp_path_factory):
    """Return the folder of a run of one of KINDS; each is made once."""
    home = tmp_path_factory.mktemp("runs")

    def made(kind):
        folder = home / kind
        if not folder.exists():
            table, overrides = KINDS[kind]
            project = home / f"of-{kind}"
            config = write_project(project, table=table)
            settings = load_settings(config, [f"name={kind}", *overrides], environment={})
            result = backtest(settings)
            write_run(folder, kind, lambda inside: write_parts(inside, result))
        return folder

    return made
