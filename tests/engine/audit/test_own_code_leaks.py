"""A leak planted in each kind of code of the user's own, named in the settings, is caught by the certificate."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from engine.audit.job import audit
from forewalk.data.cleaning.rules import clean
from forewalk.data.columns.reading import column_rows
from forewalk.data.columns.rows import NO_TIME
from helpers.audit_tables import GAP, pipeline_on, small_settings, small_table
from helpers.making import make_bars
from helpers.own_code import price_table, write_module

HONEST = {
    "feature": """\
        import numpy as np

        def mine(bars):
            steps = np.diff(np.log(bars.close), axis=0, prepend=np.nan)
            return {"change": np.nan_to_num(steps), "busy": np.log1p(bars.volume)}
        """,
    "model": """\
        import numpy as np
        from models.arrays import ArrayForecaster, learning_cells

        class Mine(ArrayForecaster):
            def fit(self, data):
                x, y = learning_cells(data, data.train)
                return {"slope": np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ y)}

            def predict(self, arrays, panel, first, stop):
                return panel.values[first:stop] @ arrays["slope"]
        """,
    "class": """\
        import backtrader as bt

        class Mine(bt.Strategy):
            params = (("table", None), ("share", 0.3))

            def __init__(self):
                self.mean = {data: bt.ind.SMA(data.close, period=5) for data in self.datas}

            def next(self):
                for data in self.datas:
                    up = data.close[0] > self.mean[data][0]
                    self.order_target_percent(data, self.p.share if up else 0.0)
        """,
    "policy": """\
        import numpy as np

        def mine(outlook, positions, settings):
            return np.where(outlook.mean > 0, 0.3, 0.0)
        """,
}
LEAKS = {
    "feature of the next bar": (
        "feature",
        """\
        import numpy as np

        def mine(bars):
            return np.append(np.diff(np.log(bars.close), axis=0), np.zeros((1, len(bars.symbols))), axis=0)
        """,
        "features",
        "mine",
    ),
    "feature scaled over the whole history": (
        "feature",
        """\
        def mine(bars):
            import numpy as np
            return (bars.volume - np.nanmean(bars.volume)) / np.nanstd(bars.volume)
        """,
        "features",
        "mine",
    ),
    "model that reads the next bar's features": (
        "model",
        """\
        import numpy as np
        from models.arrays import ArrayForecaster

        class Mine(ArrayForecaster):
            def fit(self, data):
                return {"slope": np.ones(1)}

            def predict(self, arrays, panel, first, stop):
                return np.roll(panel.values[first:stop, :, 0], -1, axis=0)
        """,
        "forecasts",
        "mean",
    ),
    "model that remembers the longest panel it ever saw": (
        "model",
        """\
        import numpy as np
        from models.arrays import ArrayForecaster

        SEEN = []

        class Mine(ArrayForecaster):
            def fit(self, data):
                SEEN.append(float(np.nansum(data.panel.values)))
                return {"sum": np.array([SEEN[-1] + len(SEEN)])}

            def predict(self, arrays, panel, first, stop):
                return np.full((stop - first, len(panel.symbols)), arrays["sum"][0] % 1.0)
        """,
        "fit",
        "fold-0",
    ),
    "class that reads the next bar where there is one": (
        "class",
        """\
        import backtrader as bt

        class Mine(bt.Strategy):
            def next(self):
                for data in self.datas:
                    if len(data) < data.buflen():
                        self.order_target_percent(data, 0.3 if data.close[1] > data.close[0] else 0.0)
        """,
        "orders",
        "",
    ),
    "class that reads the next bar": (
        "class",
        """\
        import backtrader as bt

        class Mine(bt.Strategy):
            def next(self):
                if self.data.close[1] > self.data.close[0]:
                    self.buy()
        """,
        "folds",
        "LookaheadError",
    ),
    "class that reads before the first bar, which is the end of what is loaded": (
        "class",
        """\
        import backtrader as bt

        class Mine(bt.Strategy):
            def next(self):
                if self.data.close[-30] > self.data.close[0]:
                    self.order_target_percent(target=0.3)
                else:
                    self.order_target_percent(target=0.0)
        """,
        "orders",
        "",
    ),
    "class that looks up a later forecast": (
        "class",
        """\
        import backtrader as bt

        class Mine(bt.Strategy):
            params = (("table", None),)

            def next(self):
                forecasts = self.p.table.forecasts
                row = self.p.table.rows[self.data.datetime[0]]
                later = min(row + 3, len(forecasts) - 1)
                self.order_target_percent(target=0.3 if forecasts.mean[later, 0] > 0 else 0.0)
        """,
        "orders",
        "",
    ),
    "policy that climbs to the strategy that calls it": (
        "policy",
        """\
        import sys

        import numpy as np

        def mine(outlook, positions, settings):
            frame = sys._getframe()
            while "self" not in frame.f_locals:
                frame = frame.f_back
            datas = frame.f_locals["self"].datas
            later = np.array([d.close[1] if len(d) < d.buflen() else d.close[0] for d in datas])
            return np.where(later > outlook.close, 0.3, 0.0)
        """,
        "decisions",
        "target_weight",
    ),
}
SETTINGS = {
    "model": {"model__kind": "mine:Mine"},
    "feature": {"features__extra": ["mine:mine"]},
    "class": {"strategy__kind": "mine:Mine"},
    "policy": {"strategy__kind": "mine:mine"},
}


@pytest.fixture
def audited(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(kind, text):
        write_module(tmp_path, "mine", text)
        return audit(small_settings(**SETTINGS[kind]), pipeline_on(small_table()))

    return run


@pytest.mark.parametrize("kind", HONEST)
def test_honest_code_of_ones_own_gets_a_clean_certificate(audited, kind):
    certificate = audited(kind, HONEST[kind])
    assert certificate.clean, certificate.headline()
    (line,) = certificate.plugins
    assert ": sha256 " in line


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_in_code_of_ones_own_is_caught(audited, leak):
    kind, text, stage, what = LEAKS[leak]
    certificate = audited(kind, text)
    assert not certificate.clean
    assert certificate.first_offender.stage == stage
    assert certificate.first_offender.what.startswith(what)
    assert certificate.plugins


def test_a_file_that_own_code_reads_by_itself_is_named_as_not_covered(audited, tmp_path):
    (tmp_path / "vix.csv").write_text("1.0\n")
    text = """\
        from pathlib import Path

        import numpy as np

        LEVEL = float(Path("vix.csv").read_text())

        def mine(bars):
            return np.log1p(bars.volume) * np.loadtxt("vix.csv")
        """
    certificate = audited("feature", text)
    assert certificate.clean
    assert certificate.uncovered == (f"features.extra = 'mine:mine' reads {tmp_path / 'vix.csv'}",)
    assert f"NOT COVERED: features.extra = 'mine:mine' reads {tmp_path / 'vix.csv'}" in certificate.headline()


# Columns of one's own: they are rows of a table, so they are planted there.


def table_with(score, known_at=None):
    """The small table with a column beside its prices; `score` and `known_at` are functions of the bars."""
    bars = make_bars(175, 2, 0, (GAP,))
    frame = price_table(bars)
    where = {symbol: bars.present[:, column] for column, symbol in enumerate(bars.symbols)}
    parts = {s: pd.Series(score(bars)[there, n]) for n, (s, there) in enumerate(where.items())}
    frame["score"] = pd.concat(list(parts.values()), ignore_index=True)
    if known_at is not None:
        frame["known_at"] = np.concatenate([known_at(bars)[there] for there in where.values()])
    rows = column_rows(frame, ["score"], "made up", np.arange(len(frame)), "row")
    return replace(small_table(), columns=rows)


def step_after(bars):
    return np.append(np.diff(np.log(bars.close), axis=0), np.full((1, 2), np.nan), axis=0)


def noise(bars):
    return np.random.default_rng(3).normal(size=bars.close.shape)


def at_the_close(bars):
    return bars.timestamps


def a_day_later(bars):
    return bars.timestamps + pd.Timedelta(days=1)


def audited_column(table, **changes):
    settings = small_settings(features__columns=["score"], **changes)
    return audit(settings, pipeline_on(table))


def test_a_column_known_at_its_close_gets_a_clean_certificate():
    certificate = audited_column(table_with(noise, at_the_close))
    assert certificate.clean, certificate.headline()
    assert certificate.check("columns of your own").verdict == "clean"


def test_a_column_that_does_not_say_when_it_was_known_is_noted():
    certificate = audited_column(table_with(noise))
    assert certificate.clean, certificate.headline()
    assert certificate.check("columns of your own").verdict == "note"
    assert "score: no time at which values were known" in certificate.check("columns of your own").detail


def test_late_values_that_are_moved_on_or_left_out_are_no_leak():
    for policy in ("repair", "drop"):
        known_at = a_day_later if policy == "repair" else at_the_close
        cleaning = {"late_values": policy}
        certificate = audited_column(
            table_with(noise, known_at), data={"min_history_bars": 60, "cleaning": cleaning}
        )
        assert certificate.clean, certificate.headline()


def test_a_column_written_with_hindsight_is_caught():
    certificate = audited_column(table_with(step_after, at_the_close))
    assert [check.name for check in certificate.leaks] == ["columns of your own"]
    assert "it knows what comes" in certificate.first_offender.message


def test_a_column_used_before_it_was_known_is_caught():
    def careless(table, settings):
        undated = replace(table.columns, known=np.full(table.columns.known.shape, NO_TIME))
        return clean(replace(table, columns=undated), settings.data)

    settings = small_settings(features__columns=["score"])
    certificate = audit(settings, pipeline_on(table_with(noise, a_day_later), clean=careless))
    assert not certificate.clean
    assert (certificate.first_offender.stage, certificate.first_offender.what) == ("cleaning", "score S00")
