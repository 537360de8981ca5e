"""Order styles: what is sent live is what the backtest fills, in the hours in which the broker takes it."""

from datetime import timedelta

import pytest
from in_process import Desk
from test_faults_parity import traded

from broker.simulator.harness import Simulator
from engine.live.tradable import refuse_untradable
from forewalk.errors import ConfigError
from helpers.live_values import live_settings, random_forecasts, some_bars
from helpers.making import make_settings

pytestmark = [pytest.mark.usefixtures("socket_enabled"), pytest.mark.row(105)]


def styled(entry, exit_="market", **sections):
    execution = {"entry_style": entry, "exit_style": exit_, "limit_bps": 5.0}
    settings = live_settings(**sections)
    return settings.model_copy(update={"execution": settings.execution.model_copy(update=execution)})


class EarlyDesk(Desk):
    """Wakes up in the morning before the open as well."""

    def session(self, between=lambda: None):
        self.simulator.control.advance(to="close", offset_seconds=65)
        self.settle()
        self.simulator.control.advance(to="open", offset_seconds=-3600)
        self.settle()
        self.simulator.control.advance(to="open", offset_seconds=30)
        between()
        self.settle()


def test_orders_for_the_opening_auction_are_filled_at_the_backtests_prices(tmp_path, monkeypatch):
    monkeypatch.setattr("test_faults_parity.Desk", EarlyDesk)
    report = traded(tmp_path, 14, styled("open_auction", "open_auction"))
    assert report.differences == ()
    assert report.equal == report.decisions == 42
    assert report.orders > 6
    assert max(abs(bps) for bps in report.slippage_bps) < 1e-6


def test_orders_for_the_closing_auction_are_filled_at_the_backtests_prices(tmp_path):
    report = traded(tmp_path, 14, styled("close_auction", "close_auction"))
    assert report.differences == ()
    assert report.equal == report.decisions == 42
    assert report.orders > 6
    assert max(abs(bps) for bps in report.slippage_bps) < 1e-6


def test_limits_are_met_and_missed_where_the_backtest_says(tmp_path):
    report = traded(tmp_path, 20, styled("limit", "limit"))
    assert report.same
    assert report.orders > 6
    assert max(abs(bps) for bps in report.slippage_bps) < 10.0


@pytest.mark.parametrize(
    ("style", "tif", "kind"),
    [("open_auction", "opg", "market"), ("close_auction", "cls", "market"), ("limit", "day", "limit")],
)
def test_each_style_is_sent_as_the_broker_calls_it(tmp_path, style, tif, kind):
    bars = some_bars(6, seed=3)
    with Simulator(bars, cash=100_000, market_fill="open") as simulator:
        desk = EarlyDesk(styled(style), simulator, tmp_path, random_forecasts(bars, seed=3))
        for _ in range(3):
            desk.session()
        sent = posted(simulator)
        desk.daemon.journal.close()
    assert sent
    assert {(body["time_in_force"], body["type"]) for body in sent} == {(tif, kind)}
    assert not any("extended_hours" in body for body in sent)


def posted(simulator):
    """The bodies of the buys that were sent."""
    log = simulator.control.log()
    bodies = [line["body"] for line in log if (line["method"], line["path"]) == ("POST", "/v2/orders")]
    return [body for body in bodies if body["side"] == "buy"]


def test_where_it_is_asked_for_limits_are_sent_before_the_session_and_filled_there(tmp_path):
    bars = some_bars(6, seed=3)
    settings = styled("limit", live={"extended_hours": True})
    with Simulator(bars, cash=100_000, market_fill="open") as simulator:
        desk = EarlyDesk(settings, simulator, tmp_path, random_forecasts(bars, seed=3))
        for _ in range(3):
            desk.session()
        sent = posted(simulator)
        with desk.journal() as journal:
            hours = {order.posted_at.hour for order in journal.orders.all() if order.kind == "limit"}
        desk.daemon.journal.close()
    assert sent
    assert all(body["extended_hours"] is True for body in sent)
    assert hours == {13}  # an hour before the open of New York in winter


@pytest.mark.parametrize(
    ("style", "late"),
    [
        ("open_auction", {"to": "open", "offset_seconds": -60}),
        ("close_auction", {"to": "open", "offset_seconds": 23_000}),
    ],
)
def test_an_order_for_an_auction_that_comes_too_late_for_it_is_not_sent_and_says_so(tmp_path, style, late):
    bars = some_bars(6, seed=3)
    with Simulator(bars, cash=100_000, market_fill="open") as simulator:
        desk = Desk(styled(style), simulator, tmp_path, random_forecasts(bars, seed=3))
        simulator.control.advance(to="close", offset_seconds=65)
        desk.settle()
        simulator.control.advance(**late)
        desk.settle()
        with desk.journal() as journal:
            orders = journal.orders.all()
        assert orders
        assert {(str(o.state), o.reason) for o in orders} == {("expired", "not sent while it was valid")}
        assert simulator.control.state()["orders"] == []
        desk.daemon.journal.close()


def test_a_limit_that_rests_is_over_at_the_close_and_decided_on_anew(tmp_path):
    """A partly filled limit leaves what was filled, a daemon that is restarted goes on with it."""
    bars = some_bars(8, seed=3)
    with Simulator(bars, cash=100_000, partial_probability=1.0, market_fill="open") as simulator:
        desk = Desk(styled("limit"), simulator, tmp_path, random_forecasts(bars, seed=3))
        for _ in range(5):
            desk.session(desk.restart)
        state = simulator.control.state()
        with desk.journal() as journal:
            ledger = {s: float(q) for s, q in journal.ledger.quantities().items()}
            assert all(o.valid_until - o.send_from < timedelta(hours=1) for o in journal.orders.all())
        assert ledger == {s: float(q) for s, q in state["positions"].items() if float(q)}
        assert len({o["client_order_id"] for o in state["orders"]}) == len(state["orders"])
        desk.daemon.journal.close()


@pytest.mark.parametrize("style", ["limit", "open_auction", "close_auction"])
def test_fractions_of_a_share_are_refused_before_anything_is_opened(style):
    settings = make_settings(
        execution={"entry_style": style, "fractional": True},
        data={"symbols": ["AAPL"]},
        strategy__max_weight=0.1,
    )
    with pytest.raises(ConfigError, match=r"with execution\.fractional"):
        refuse_untradable(settings)
