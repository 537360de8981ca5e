"""The page about a book says what the journal says: halts first, money net of deposits, no early yearly figures."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.halts import EVERYTHING, HaltCause
from broker.journal.journal import Journal
from broker.journal.records import DecisionRow, Target
from broker.values import CashFlow
from engine.live.watch.expected import LEVELS, expected_growth
from engine.live.watch.facts import account, book_facts
from engine.live.watch.page import MIN_RATIO_BARS
from engine.live.watch.readings import Reading
from engine.live.watch.summary import write_summary
from forewalk.errors import DataError
from helpers.live_values import live_settings
from helpers.run_folders import make_run

FIRST = datetime(2026, 3, 2, 21, tzinfo=UTC)
DAYS = [FIRST + timedelta(days=day) for day in range(400) if (FIRST + timedelta(days=day)).weekday() < 5]


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.db", "paper")
    yield journal
    journal.close()


def decide(journal, equities, symbols=("AAPL",)):
    for asof, equity in zip(DAYS, equities, strict=False):
        row = DecisionRow(
            f"paper-{asof:%Y%m%d}", asof, asof.date(), asof, asof, asof, equity, equity, "", "f"
        )
        targets = [Target(symbol, 100.0, 0.001, 0.02, 0.1, "enter", Decimal(0)) for symbol in symbols]
        journal.decisions.record(row, targets, [], ask=False)


def page_of(journal, tmp_path, settings=None, readings=()):
    page = tmp_path / "summary.html"
    write_summary(journal, settings or live_settings(), page, readings)
    return page.read_text()


def deposit(journal, amount, on, kind="deposit"):
    journal.money.add_cash_flows([CashFlow(f"f{on}{amount}", kind, "", Decimal(amount), on)], FIRST)


@given(
    moves=st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=12),
    paid=st.integers(-300, 5000),
    place=st.integers(1, 11),
)
def test_a_deposit_is_no_profit_and_a_withdrawal_no_loss(tmp_path_factory, moves, paid, place):
    place = min(place, len(moves))
    journal = Journal(tmp_path_factory.mktemp("book") / "journal.db", "paper")
    equity, plain = [1000.0], [1.0]
    for row, move in enumerate(moves, 1):
        equity.append((equity[-1] + (paid if row == place else 0)) * (1 + move))
        plain.append(plain[-1] * (1 + move))
    decide(journal, [Decimal(str(round(value, 6))) for value in equity])
    if paid:
        deposit(journal, paid, DAYS[place].date())
    found = account(journal)
    np.testing.assert_allclose(found.growth, plain, rtol=1e-6)
    assert found.flows[-1] == paid
    journal.close()


def test_the_first_sentence_is_money_beside_holding(journal, tmp_path):
    decide(journal, [1000, 1100, 1045])
    deposit(journal, 500, date(2026, 2, 2))  # before the book began
    text = page_of(journal, tmp_path)
    assert "In 2 days 1,000 became 1,045 (+45); just holding the same symbols, 1,000 (+0)." in text
    assert "The worst fall was 5.0%." in text
    assert "Nothing here is real money." in text


def test_figures_per_year_wait_for_a_quarter(journal, tmp_path):
    decide(journal, [1000 + row % 7 for row in range(MIN_RATIO_BARS - 1)])
    assert f"{MIN_RATIO_BARS - 1} of the {MIN_RATIO_BARS} bars" in page_of(journal, tmp_path)
    assert [path.name for path in tmp_path.glob("*.html")] == ["summary.html"]
    assert "CAGR" not in page_of(journal, tmp_path)


def test_halts_stand_first_with_what_is_still_open(journal, tmp_path):
    decide(journal, [1000, 1001])
    reason = "the day's loss passed <5 %>"
    journal.halts.begin(EVERYTHING, HaltCause.DAILY_LOSS, reason, FIRST, cancel=True, allow_exits=True)
    journal.halts.keep_remains([("AAPL", "blocker", "order x holds the shares")], FIRST)
    text = page_of(journal, tmp_path)
    halted = text.index(
        "Stopped: everything, since 2026-03-02 21:00 UTC. the day&#39;s loss passed &lt;5 %&gt;."
    )
    assert halted < text.index("<h2>The account</h2>")
    assert "Still open: AAPL: order x holds the shares." in text
    assert 'role="alert"' in text


def test_drift_models_wishes_and_alerts_are_there(journal, tmp_path):
    decide(journal, [1000, 1001], symbols=("AAPL", "MSFT"))
    journal.models.record("m1", "m1.safetensors", "ff", FIRST, "champion", "the first model", FIRST)
    journal.diary.note(FIRST, "missed", "the bar of Monday")
    alarm = Reading("loss", 30, 1.25, date(2026, 3, 2), "0.4 a session, 0.1 in the walk-forward")
    text = page_of(journal, tmp_path, readings=[alarm, Reading("qlike", 0, None, None, "no outcome yet")])
    for part in (
        "loss ALARM since 2026-03-02",
        "1.25",
        "not read",
        "m1 (asked now)",
        "the bar of Monday",
        "+0.10 %",
        "2.00 %",
    ):
        assert part in text, part


def test_what_a_run_leads_to_expect_is_drawn_or_its_absence_said(journal, tmp_path):
    decide(journal, [1000, 1001, 1002])
    assert "name a finished run in live.run" in page_of(journal, tmp_path)
    gone = live_settings(live={"run": str(tmp_path / "gone")})
    assert "is not a run folder" in page_of(journal, tmp_path, gone)
    run = make_run(tmp_path / "run", rows=120)
    there = live_settings(live={"run": str(run)})
    assert "where 50, 80 and 95 of 100 accounts" in page_of(journal, tmp_path, there)
    band = expected_growth(run, 30, 7)
    assert band.shape == (len(LEVELS), 30)
    assert (band[:, 0] == 1.0).all()
    assert (np.diff(band, axis=0) >= 0).all()
    assert np.ptp(band[:, 29]) > np.ptp(band[:, 1]) > 0
    with pytest.raises(DataError, match="too short"):
        expected_growth(make_run(tmp_path / "short", rows=30), 5, 7)


def test_facts_are_plain_data(journal):
    decide(journal, [1000, 1001])
    facts = book_facts(journal, live_settings(), journal.path.parent)
    told = json.loads(json.dumps(facts.to_json()))
    assert told["asof"] == "2026-03-03T21:00:00+00:00"
    assert told["intentions"][0]["symbol"] == "AAPL"


def test_a_book_that_has_decided_nothing_has_no_page(journal, tmp_path):
    with pytest.raises(DataError, match="decided nothing yet"):
        page_of(journal, tmp_path)
