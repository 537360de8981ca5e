"""What makes no sense is refused with the number; what is odd is said before the results."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.evaluation.cautions import cautions, of_adjusted_shares, refuse_nonsense
from engine.live.tradable import refuse_untradable
from engine.simulation.cerebro import simulate
from forewalk.data.cleaning.together import by_day
from forewalk.data.quality import QualityReport, Understanding
from forewalk.errors import ConfigError
from forewalk.sessions import session_closes, sessions_between
from forewalk.settings.loading import settings_from
from forewalk.types import Bars
from helpers.live_values import random_forecasts
from helpers.making import make_bars


def of(data=None, **sections):
    return settings_from({"data": {"min_history_bars": 60, **(data or {})}, **sections})


RANKED = {"kind": "cross_section", "direction": "long_short", "top": 20}


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"label": {"kind": "market_relative"}}, "'market_relative' with 1 symbol"),
        ({"strategy": {"kind": "cross_section"}}, "'cross_section' with 1 symbol"),
    ],
)
def test_one_symbol_has_no_market_and_no_rank(sections, words):
    with pytest.raises(ConfigError, match=words):
        refuse_nonsense(make_bars(rows=80, symbols=1), of(**sections))
    refuse_nonsense(make_bars(rows=80, symbols=2), of(**sections))


def test_symbols_without_enough_history_do_not_count():
    bars = make_bars(rows=80, symbols=2, missing=[(slice(0, 50), 1)])
    with pytest.raises(ConfigError, match="with 1 symbol"):
        refuse_nonsense(bars, of(label={"kind": "market_relative"}))


@pytest.mark.parametrize(
    ("symbols", "strategy", "words"),
    [
        (4, RANKED, "strategy.top = 20 of 4 symbols on each side holds up to 4 of them: more than half"),
        (4, {**RANKED, "top": 1}, "A cross-section of 4 symbols says little"),
        (10, {**RANKED, "direction": "long_flat", "top": 6}, "strategy.top = 6 of 10 symbols holds up to 6"),
        (30, {**RANKED, "top": 5}, ""),
        (4, {}, ""),
    ],
)
def test_a_ranking_that_decides_little_is_said_with_its_numbers(symbols, strategy, words):
    said = " ".join(cautions(make_bars(rows=80, symbols=symbols), of(strategy=strategy), 0))
    assert words in said
    assert bool(words) == bool(said)


def test_a_price_above_the_size_of_a_position_names_the_remedy():
    bars = make_bars(rows=80, symbols=4)
    (said,) = cautions(bars, of(execution={"cash": 150.0}), 40)
    assert "One share of S00" in said
    assert "execution.fractional = true" in said
    assert cautions(bars, of(execution={"cash": 150.0, "fractional": True}), 40) == ()
    assert cautions(bars, of(), 40) == ()


def test_one_symbol_may_be_invested_fully_and_four_not_more_than_a_quarter_each():
    strategy = of().strategy
    assert [round(strategy.weight_limit(count), 4) for count in (1, 2, 3, 4, 500)] == [
        0.95,
        0.475,
        0.3167,
        0.25,
        0.25,
    ]
    assert of(strategy={"max_weight": 0.1}).strategy.weight_limit(1) == 0.1


def test_one_symbol_is_bought_with_almost_all_the_cash():
    from engine.simulation.cerebro import simulate
    from helpers.small_panels import make_forecasts

    bars = make_bars(rows=20, symbols=1)
    run = simulate(bars, make_forecasts(bars, np.full((20, 1), 0.01), first=0), of())
    assert run.equity["gross_exposure"].iloc[2] == pytest.approx(0.95, abs=0.02)


def test_what_the_risk_gate_would_refuse_is_refused_at_the_start_of_the_daemon():
    with pytest.raises(ConfigError, match=r"one of 1 symbols may take 95%.*risk.max_weight = 0.35"):
        refuse_untradable(of({"symbols": ["AAPL"]}))
    refuse_untradable(of({"symbols": ["AAPL"]}, strategy={"max_weight": 0.3}))
    refuse_untradable(of({"symbols": ["AAPL"]}, risk={"max_weight": 1.0}))
    refuse_untradable(of({"symbols": ["AAPL", "IBM", "MSFT"]}))


def two_markets(*markets, until="2015-06-30"):
    """Bars of one symbol a market, on the closes of its own sessions, as a panel of several markets has them."""
    times = {name: session_closes(name, sessions_between(name, "2015-01-05", until)) for name in markets}
    rows = times[markets[0]].union(times[markets[1]])
    prices = np.full((len(rows), 2), np.nan)
    for column, name in enumerate(markets):
        prices[rows.isin(times[name]), column] = 10.0
    return Bars(rows, ("A", "B"), *[prices] * 5, calendar=markets[0], calendars=markets)


@pytest.mark.parametrize("other", ["FX", "24/7", "XLON", "XTKS", "XTSE"])
def test_markets_that_close_at_different_times_run_together(other):
    assert refuse_nonsense(two_markets("XNYS", other), of()) is None


def test_a_label_that_compares_symbols_needs_two_that_close_together():
    with pytest.raises(ConfigError, match=r"A is alone on XNYS: set label.kind = 'absolute'"):
        refuse_nonsense(by_day(two_markets("XNYS", "XTKS")), of(label={"kind": "market_relative"}))


def test_the_daemon_refuses_a_second_market():
    with pytest.raises(ConfigError, match="names XLON beside XNYS: the daemon trades one market"):
        refuse_untradable(of({"symbols": ["AAPL", "VOD.L"], "calendars": {"VOD.L": "XLON"}}))


@pytest.mark.parametrize(("symbol", "said"), [("^RUI", True), ("$SPX", True), ("IWB", False)])
def test_an_index_in_the_account_is_said_before_its_results(symbol, said):
    bars = replace(make_bars(rows=80, symbols=2), symbols=(symbol, "BBB"))
    found = cautions(bars, of(), 60)
    assert any(line.startswith(f"{symbol}: an index cannot be bought") for line in found) == said


def checked(**more):
    return QualityReport("made up", 100, 100, bars={"A": 50, "B": 50}, **more)


SCALED = checked(adjusted=("A",))
DELIVERED = checked(understood=Understanding(adjusted=True))
PER_SHARE = {"fee_per_share": 0.005}


@pytest.mark.parametrize(
    ("quality", "execution", "words"),
    [
        (SCALED, {}, ("(A)", "whole shares are rounded")),
        (SCALED, PER_SHARE, ("(A)", "whole shares are rounded", "a fee of 0.005 is paid on each")),
        (SCALED, {"fractional": True, **PER_SHARE}, ("(A)", "a fee of 0.005 is paid on each")),
        (DELIVERED, {}, ("(A, B)", "whole shares are rounded")),
        (SCALED, {"fractional": True}, ()),
        (checked(), PER_SHARE, ()),
        (None, PER_SHARE, ()),
    ],
)
def test_shares_counted_from_adjusted_prices_are_named_where_their_number_decides(quality, execution, words):
    said = of_adjusted_shares(quality, of(execution=execution))
    assert bool(said) == bool(words)
    assert all(word in said for word in words)
    assert ("rounded" in said) == (bool(words) and not execution.get("fractional", False))


@pytest.mark.parametrize("factor", [0.1, 0.5, 4.0])
def test_with_fractions_and_fees_in_basis_points_nothing_hangs_on_how_many_shares_there_are(factor):
    bars = make_bars(rows=110)
    scaled = replace(
        bars, **{name: getattr(bars, name) * factor for name in ("open", "high", "low", "close")}
    )
    values = {}
    for name, execution in {
        "fractions": {"fractional": True},
        "whole": {},
        "by share": {"fractional": True, "fee_per_share": 0.05},
    }.items():
        settings = of(execution={**execution, "max_volume_share": None}, strategy={"kind": "per_symbol"})
        values[name] = [
            simulate(each, random_forecasts(bars), settings).equity["equity"].iloc[-1]
            for each in (bars, scaled)
        ]
    first, second = values["fractions"]
    assert second == pytest.approx(first, rel=1e-6)
    assert all(abs(one / other - 1) > 1e-6 for one, other in (values["whole"], values["by share"]))
