"""Over many sessions on the simulator, every live decision is the backtest's, and every difference has a name."""

import sqlite3
from dataclasses import replace

import numpy as np
import pytest
from in_process import Desk

from broker.simulator.harness import Simulator
from engine.live.parity import FOLLOWS, MISSED, PARTIAL, REFUSED, UNEXPLAINED, compare, resimulated
from helpers.live_values import live_settings, random_forecasts, some_bars
from strategies.risk import as_told, smoothed

pytestmark = pytest.mark.usefixtures("socket_enabled")


def traded(
    tmp_path,
    sessions,
    settings,
    seed=3,
    disturb=lambda desk, number: None,
    split=1.0,
    forge=lambda path: None,
    spread=0.0,
    **options,
):
    """Return the journal's comparison with the backtest after so many sessions, its file forged before that."""
    bars = some_bars(sessions + 3, seed=seed)
    forecasts = random_forecasts(bars, seed=seed)
    noise = np.random.default_rng(seed).normal(0.0, spread, forecasts.std.shape)
    forecasts = replace(forecasts, std=forecasts.std * np.exp(noise))
    with Simulator(bars, cash=100_000, **options, market_fill="open") as simulator:
        desk = Desk(settings, simulator, tmp_path, forecasts)
        for number in range(sessions):
            desk.session(lambda number=number: disturb(desk, number))
        truth = simulator.control.state()
        forge(desk.path)
        with desk.journal() as journal:
            first, last = (journal.decisions.all()[place].asof for place in (0, -1))
            span = bars.since(first).until(bars.timestamps[int(bars.timestamps.searchsorted(last)) + 1])
            rows = slice(len(bars) - len(bars.since(first)), len(bars) - len(bars.since(first)) + len(span))
            table = cut(smoothed(forecasts, settings.strategy.smooth_std_bars), rows)
            span = in_new_shares(span, split)
            backtest = resimulated(span, table, as_told(settings), 100_000.0)
            report = compare(journal, span, table, backtest, as_told(settings))
            ledger = {symbol: float(quantity) for symbol, quantity in journal.ledger.quantities().items()}
        assert ledger == {s: float(q) for s, q in truth["positions"].items() if float(q)}
        desk.daemon.journal.close()
    return report


def test_a_split_on_the_way_is_neither_a_revision_nor_slippage(tmp_path):
    def disturb(desk, number):
        if number == 5:
            desk.simulator.control.split(symbol="AAPL", new=10)

    report = traded(tmp_path, 20, live_settings(), disturb=disturb, split=10.0)
    assert {difference.cause for difference in report.differences} <= {REFUSED, FOLLOWS}
    assert report.equal > 0.8 * report.decisions
    assert max(abs(bps) for bps in report.slippage_bps) < 1.0
    assert report.same


def cut(forecasts, rows):
    names = ("timestamps", "mean", "std", "p_up", "model_ids", "trained_until")
    return replace(forecasts, **{name: getattr(forecasts, name)[rows] for name in names})


def in_new_shares(bars, split):
    """The bars as they are adjusted once one share of the first symbol has become `split` shares."""
    scale = np.array([split] + [1.0] * (len(bars.symbols) - 1))
    return replace(bars, **{name: getattr(bars, name) / scale for name in ("open", "high", "low", "close")})


def assert_identical(report, sessions):
    assert report.bars == sessions
    assert report.equal == report.decisions == 3 * sessions
    assert report.differences == ()
    assert report.orders > sessions / 3
    assert max(abs(bps) for bps in report.slippage_bps) < 1e-6
    assert "(100.00%)" in report.lines()[0]


def test_a_score_of_sessions_bring_the_backtests_decisions_at_the_backtests_prices(tmp_path):
    assert_identical(traded(tmp_path, 20, live_settings()), 20)


def test_stop_orders_are_filled_at_the_backtests_prices_but_for_whole_cents(tmp_path):
    stops = {"stop_loss": 0.01, "stop_orders": True}
    settings = live_settings()
    settings = settings.model_copy(update={"strategy": settings.strategy.model_copy(update=stops)})
    report = traded(tmp_path, 20, settings)
    assert report.same
    assert report.equal == report.decisions == 60
    assert report.differences == ()
    assert report.orders > 8
    assert max(abs(bps) for bps in report.slippage_bps) < 2.0


@pytest.mark.faults
def test_two_hundred_and_fifty_sessions_bring_the_backtests_decisions(tmp_path):
    assert_identical(traded(tmp_path, 250, live_settings()), 250)


@pytest.mark.faults
def test_a_replay_of_a_few_bars_only_changes_no_decision(tmp_path):
    """Positions are older than the replay here; three bars is how long the policy remembers, see `least_replay`."""
    report = traded(tmp_path, 40, live_settings(live={"replay_bars": 5}))
    assert report.equal == report.decisions


@pytest.mark.faults
def test_restarts_between_all_sessions_change_no_decision(tmp_path):
    report = traded(tmp_path, 12, live_settings(), disturb=lambda desk, number: desk.restart())
    assert report.equal == report.decisions


def test_stds_smoothed_over_more_bars_than_are_replayed_bring_the_backtests_decisions(tmp_path):
    strategy = {
        "sizing": "volatility_target",
        "smooth_std_bars": 9,
        "max_weight": 0.3,
        "entry": 0.0,
        "min_hold_bars": 0,
    }
    settings = live_settings(strategy=strategy, live={"replay_bars": 5}, execution={"stale_exit_bars": 2})
    assert_identical(traded(tmp_path, 12, settings, spread=0.5), 12)


def test_slippage_is_measured_order_by_order(tmp_path):
    report = traded(tmp_path, 12, live_settings(), slippage_bps=5)
    assert report.slippage_bps
    assert all(abs(bps - 5) < 0.5 for bps in report.slippage_bps)


def miss(desk, number):
    """Let the fifth session's orders come too late: its bar is decided on, and never acted on."""
    if number == 4:
        desk.simulator.control.advance(to="open", offset_seconds=3600)


@pytest.mark.row(101)
def test_after_a_missed_bar_what_follows_from_it_is_explained(tmp_path):
    report = traded(tmp_path, 16, live_settings(), disturb=miss)
    causes = [difference.cause for difference in report.differences]
    assert FOLLOWS in causes
    assert report.same


@pytest.mark.row(101)
def test_after_a_missed_bar_a_difference_that_does_not_follow_is_one_again(tmp_path):
    def forge(path):
        with sqlite3.connect(path) as file:
            rows = file.execute(
                "SELECT t.rowid, d.asof FROM targets t JOIN decisions d USING (decision_id) "
                "WHERE t.target_weight > 0 ORDER BY d.asof DESC, t.symbol LIMIT 1"
            ).fetchall()
            file.execute(
                "UPDATE targets SET target_weight = target_weight * 0.5 WHERE rowid = ?", rows[0][:1]
            )

    report = traded(tmp_path, 16, live_settings(), disturb=miss, forge=forge)
    assert [d.cause for d in report.differences].count(UNEXPLAINED) == 1
    assert not report.same


@pytest.mark.faults
@pytest.mark.parametrize(
    ("cause", "sections", "options", "disturb"),
    [
        (REFUSED, {"risk": {"max_weight": 0.31, "max_gross": 0.5}}, {}, lambda desk, number: None),
        (PARTIAL, {}, {"partial_probability": 1.0}, lambda desk, number: None),
        (
            MISSED,
            {},
            {},
            lambda desk, number: (
                desk.simulator.control.advance(to="open", offset_seconds=3600) if number == 4 else None
            ),
        ),
    ],
    ids=["refused", "partial", "missed"],
)
def test_every_difference_is_named(tmp_path, cause, sections, options, disturb):
    report = traded(tmp_path, 12, live_settings(**sections), disturb=disturb, **options)
    assert cause in {difference.cause for difference in report.differences}
    assert report.same
    assert any(cause in line for line in report.lines())
