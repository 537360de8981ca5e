"""Alpha against factors of a file: in the metrics, the verdict and on the page of a whole run."""

import json

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from engine.backtest.job import backtest
from engine.backtest.writing import write_backtest
from engine.evaluation.factors import factor_metrics
from engine.evaluation.subject import Metrics
from engine.reproduce.job import reproduce
from engine.runs.trial import settings_hash
from forewalk.data.factors.laying import FactorReturns, session_days
from forewalk.data.factors.reading import Factors
from forewalk.errors import DataError
from forewalk.settings.loading import load_settings
from helpers.making import make_bars
from helpers.own_code import price_table, write_project

BARS = make_bars(240, 2)
DAYS = pd.DatetimeIndex(session_days(BARS).astype("datetime64[D]"))
CHANGE = BARS.close[1:] / BARS.close[:-1] - 1


def laid(values, names, risk_free=None):
    return FactorReturns(
        Factors("f.csv", "0", "percent", np.arange(9), names, values, risk_free), values, risk_free
    )


def test_alpha_and_loadings_are_those_of_least_squares_beyond_cash():
    random = np.random.default_rng(1)
    values, cash = random.normal(0, 0.01, (500, 2)), np.full(500, 1e-4)
    returns = cash + 0.0003 + values @ [0.7, -0.3] + random.normal(0, 0.002, 500)
    found = factor_metrics(laid(values, ("Mkt-RF", "SMB"), cash), returns, values[:, 0], 252)
    fit = sm.OLS((returns - cash)[1:], sm.add_constant(values[1:])).fit()
    assert found.alpha.alpha_per_year == pytest.approx(fit.params[0] * 252)
    assert [one.beta for one in found.alpha.loadings.values()] == pytest.approx(list(fit.params[1:]))
    assert (found.risk_free, found.bars, list(found.alpha.loadings)) == (True, 499, ["Mkt-RF", "SMB"])


def test_a_file_without_a_market_stands_beside_buying_and_holding():
    random = np.random.default_rng(2)
    held, size = random.normal(0, 0.01, (2, 400))
    found = factor_metrics(laid(size[:, None], ("SMB",)), 0.8 * held + 0.2 * size, held, 252)
    assert {name: round(one.beta, 6) for name, one in found.alpha.loadings.items()} == {
        "buy_and_hold": 0.8, "SMB": 0.2,
    }  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("factors")
    size = np.random.default_rng(3).normal(0, 0.6, 240)
    market = 100 * np.concatenate([[0.0], CHANGE.mean(axis=1)])
    lines = [f"{day:%Y%m%d},{m:.4f},{s:.4f},0.001" for day, m, s in zip(DAYS, market, size, strict=True)]
    (folder / "ff.csv").write_text("words\n\n,Mkt-RF,SMB,RF\n" + "\n".join(lines) + "\n")
    write_project(folder, table=price_table(BARS), evaluation='factors = "ff.csv"')
    return folder


@pytest.fixture(scope="module")
def run(project):
    result = backtest(load_settings(project / "config.toml", environment={}))
    return write_backtest(result, project / "run"), result


def test_a_run_says_what_is_left_beyond_the_factors(run):
    folder, result = run
    assert "Against Mkt-RF and SMB of ff.csv an alpha of" in result.verdict
    stored = json.loads((folder / "metrics.json").read_text())
    assert list(stored["factors"]["alpha"]["loadings"]) == ["Mkt-RF", "SMB"]
    assert Metrics.from_json(stored).factors == result.metrics.factors
    page = (folder / "forecast.html").read_text()
    assert "Beyond factors" in page
    assert "119 of 119 bars have all factors, beyond the return of cash" in page


def test_a_run_is_the_same_without_them_but_for_what_they_say(run, project):
    plain = backtest(load_settings(project / "config.toml", ["evaluation.factors=none"], environment={}))
    own = run[1]
    assert np.array_equal(plain.subject.account, own.subject.account)
    assert plain.metrics.factors is None
    assert settings_hash(plain.subject.settings) == settings_hash(own.subject.settings)


def test_reproduce_names_a_file_that_was_changed(run, project):
    assert reproduce(run[0]).same
    text = (project / "ff.csv").read_text()
    (project / "ff.csv").write_text(text.replace("words", "other words"))
    try:
        assert any("factors" in cause for cause in reproduce(run[0]).causes)
    finally:
        (project / "ff.csv").write_text(text)


def test_a_file_that_does_not_fit_ends_the_run_before_it_trains(project):
    (project / "old.csv").write_text("date,Mkt\n20010102,0.4\n20010103,0.5\n")
    told = []
    with pytest.raises(DataError, match="must have 95%"):
        backtest(
            load_settings(
                project / "config.toml", [f"evaluation.factors={project / 'old.csv'}"], environment={}
            ),
            lambda what, done, total: told.append(what),
        )
    assert "training" not in told
