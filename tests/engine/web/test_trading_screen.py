"""What was traded: every fill and every trade is there, whatever is asked for; windows lead to each other."""

import re
import shutil

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runs.ledger import LEDGER_FILE, Ledger
from engine.runs.trial import make_trial
from engine.web.screens.trading import COLUMNS, Asked, trading
from engine.web.screens.windows import SPANS
from forewalk.settings.loading import settings_from
from helpers.making import make_bars
from helpers.run_folders import make_run
from helpers.web import client_in

TO = "2013-03-01"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A state folder with a run of 600 bars that trades much."""
    folder = tmp_path_factory.mktemp("trading")
    (folder / "runs").mkdir()
    make_run(folder / "runs" / "one", rows=600, skill=0.1, strategy={"stop_loss": 0.03})
    return folder


@pytest.fixture(scope="module")
def run(folder):
    return folder / "runs" / "one"


@pytest.fixture(scope="module")
def browser(folder):
    return client_in(folder)


def query(link):
    return dict(part.split("=") for part in link.removeprefix("?").split("&"))


def asked_by(link):
    found = query(link)
    return Asked(
        found["symbol"],
        int(found["bars"]),
        found.get("to"),
        found["sort"],
        found["down"] == "1",
        int(found["part"]),
    )


@given(
    symbol=st.one_of(st.none(), st.sampled_from(["AAPL", "MSFT", "IBM", "<b>", "", "NOBODY"])),
    bars=st.integers(1, 10**6),
    to=st.one_of(st.none(), st.text(max_size=12), st.dates().map(str)),
    sort=st.one_of(st.sampled_from(list(COLUMNS)), st.text(max_size=8)),
    down=st.booleans(),
    part=st.integers(1, 10**6),
)
def test_whatever_is_asked_for_there_is_a_chart_and_one_page_of_trades(
    run, symbol, bars, to, sort, down, part
):
    found = trading(run, Asked(symbol, bars, to, sort, down, part))
    assert found.symbol in found.symbols
    assert found.chart is not None
    assert 1 <= found.part <= found.parts
    assert 0 < len(found.rows) <= 50


def test_every_fill_of_a_symbol_is_on_the_chart_of_all_bars_once(run):
    orders = pd.read_csv(run / "orders.csv")
    for symbol in orders["symbol"].unique():
        filled = orders[(orders["symbol"] == symbol) & (orders["filled_quantity"] > 0)]
        found = trading(run, Asked(symbol, SPANS[-1]))
        assert [(day, shares) for day, _, shares, _ in found.marks] == [
            (at[:10], f"{shares:,g}")
            for at, shares in zip(filled["filled_at"], filled["filled_quantity"], strict=True)
        ]
        drawn = re.findall(r'class="(buy|sell|stop)"', found.chart)
        assert len(drawn) == len(found.marks)
        assert {what for _, what, _, _ in found.marks} == set(drawn)


def test_stops_are_told_from_sales(run):
    orders = pd.read_csv(run / "orders.csv")
    stopped = orders[orders["reason"].astype(str).str.contains("stop") & (orders["filled_quantity"] > 0)]
    assert len(stopped) > 3
    symbol = stopped["symbol"].iloc[0]
    found = trading(run, Asked(symbol, SPANS[-1]))
    assert sum(what == "stop" for _, what, _, _ in found.marks) == (stopped["symbol"] == symbol).sum()


def test_going_earlier_and_later_leads_back_and_the_windows_cover_everything_once(run):
    now = trading(run, Asked("AAPL", 60))
    seen, steps = list(now.marks), 0
    while "earlier" in dict(now.moves):
        before = trading(run, asked_by(dict(now.moves)["earlier"]))
        assert trading(run, asked_by(dict(before.moves)["later"])).marks == now.marks
        seen, now, steps = list(before.marks) + seen, before, steps + 1
    assert steps > 5
    assert set(trading(run, Asked("AAPL", SPANS[-1])).marks) == set(seen)


def test_closer_and_wider_end_on_the_same_day(run):
    now = trading(run, Asked("AAPL", 250, "2012-06-01"))
    for what in ("closer", "wider"):
        moved = asked_by(dict(now.moves)[what])
        assert (moved.to, moved.bars) == ("2012-06-01", {"closer": 120, "wider": 500}[what])
    assert "closer" not in dict(trading(run, Asked("AAPL", 1)).moves)
    assert "later" in dict(now.moves)
    assert "later" not in dict(trading(run, Asked("AAPL", 250)).moves)


@pytest.mark.parametrize("down", [True, False])
@pytest.mark.parametrize("sort", COLUMNS)
def test_the_pages_hold_every_trade_once_in_order(run, sort, down):
    table = pd.read_csv(run / "trades.csv")
    first = trading(run, Asked(sort=sort, down=down))
    assert first.count == len(table) > 100
    rows = [
        row for k in range(first.parts) for row in trading(run, Asked(sort=sort, down=down, part=k + 1)).rows
    ]
    ordered = table.sort_values(sort, ascending=not down, kind="stable")
    assert [row[0] for row in rows] == ordered["symbol"].tolist()
    assert [row[9] for row in rows] == [f"{value:,.2f}" for value in ordered["pnl"]]


def test_ordering_by_the_same_column_again_turns_it_around(run):
    heads = {title: link for title, link, _ in trading(run, Asked(sort="pnl", down=True)).heads}
    assert query(heads["profit after costs"])["down"] == "0"
    assert query(heads["fees"])["down"] == "1"


def test_ranges_are_those_of_the_forecasts_a_bar_before(run):
    close_up = trading(run, Asked("AAPL", 60))
    assert 'class="band80"' in close_up.chart
    assert 'class="band80"' not in trading(run, Asked("AAPL", 1000)).chart


def test_prices_that_have_changed_since_are_said_and_the_trades_are_shown_all_the_same(run, tmp_path):
    changed = tmp_path / "changed"
    shutil.copytree(run, changed)
    file = changed / "manifest.json"
    file.write_text(re.sub('"data_fingerprint": "[^"]+"', '"data_fingerprint": "other"', file.read_text()))
    found = trading(changed, Asked())
    assert found.chart is None
    assert "have changed since the run" in found.silent
    assert found.rows == trading(run, Asked()).rows


def test_the_page_names_what_it_shows_and_a_strange_symbol_is_no_script(browser):
    text = browser.get(f"/runs/one/trades?symbol=%3Cscript%3E&to={TO}&sort=pnl").text
    assert "What was traded in one" in text
    assert "<script>" not in text.replace('<script src="/static', "")
    assert 'aria-sort="descending"' in text
    assert browser.get("/runs/none/trades").status_code == 404
    assert browser.get("/runs/one/trades?part=0").status_code == 422


def test_every_try_is_listed_with_what_was_not_the_default(tmp_path):
    (tmp_path / "runs").mkdir()
    assert "No try yet" in client_in(tmp_path).get("/tries").text
    ledger, bars = Ledger(tmp_path / "runs" / LEDGER_FILE), make_bars(60, 2)
    for entry in (0.1, 0.2):
        settings = settings_from({"strategy": {"entry": entry}})
        ledger.record(
            make_trial("backtest", f"run-{entry:g}", bars, settings, bars.close[1:, 0] * 0 + entry / 100)
        )
    text = client_in(tmp_path).get("/tries").text
    assert "2 tries on these data" in text
    assert text.index("run-0.2") < text.index("run-0.1")
    assert "0.2" in text
