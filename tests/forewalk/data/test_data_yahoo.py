"""The Yahoo source against recorded bodies of the real service."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import requests

from forewalk.data.cleaning.rules import clean
from forewalk.data.sources.cache import read_cached, write_cached
from forewalk.data.sources.yahoo import read_yahoo
from forewalk.errors import ConfigError, ConnectionFailed, DataError
from forewalk.settings.loading import settings_from
from forewalk.settings.sections import DataSettings

NOW = pd.Timestamp("2025-02-20 15:00", tz="UTC")


@pytest.fixture
def bodies(shared_folder) -> dict[str, str]:
    folder = shared_folder / "payloads" / "yahoo_http"
    files = {
        "NVDA": "historical-via-chart-NVDA-split-2021-02-01-to-2022-01-31.csv.json",
        "MSFT": "historical-via-chart-MSFT-dividends-2021-02-01-to-2022-01-31.csv.json",
        "TSLA": "historical-via-chart-dividends-TSLA-no-dividends.json",
        "OCDO.L": "chart-OCDO.L-2020-01-01-to-2020-01-03.json",
        "BTC-USD": "chart-BTC-USD-2020-01-01-to-2020-01-03.json",
    }
    return {symbol: (folder / name).read_text(encoding="utf-8") for symbol, name in files.items()}


def wanted(tmp_path: Path, *symbols: str, **changes) -> DataSettings:
    values = {"start": "2021-02-01", "end": "2022-01-31", "min_history_bars": 1, **changes}
    return DataSettings(source="yahoo", symbols=symbols, cache=tmp_path / "bars", **values)


def test_two_symbols_come_back_adjusted_in_the_order_asked_for(bodies, yahoo, tmp_path):
    settings = wanted(tmp_path, "NVDA", "MSFT")
    bars, report = clean(read_yahoo(settings, yahoo(bodies), NOW), settings)
    assert bars.symbols == ("NVDA", "MSFT")
    assert len(bars) == 252
    assert bars.timestamps[0] == pd.Timestamp("2021-02-01 21:00", tz="UTC")
    assert report.adjusted == ("MSFT", "NVDA")


def test_a_dividend_lowers_the_prices_before_it(bodies, yahoo, tmp_path):
    table = read_yahoo(wanted(tmp_path, "MSFT"), yahoo(bodies), NOW)
    quote = json.loads(bodies["MSFT"])["chart"]["result"][0]["indicators"]
    raw, adjusted = quote["quote"][0]["close"], quote["adjclose"][0]["adjclose"]
    assert table.prices[0, 3] == pytest.approx(adjusted[0])
    assert table.prices[0, 3] < raw[0]


def test_an_unknown_symbol_is_an_error_naming_it_even_beside_a_known_one(bodies, yahoo, tmp_path):
    with pytest.raises(DataError, match="NOPE"):
        read_yahoo(wanted(tmp_path, "NVDA", "NOPE"), yahoo(bodies), NOW)


@pytest.mark.parametrize(
    "name", ["chart-notimestamp-quotes-length.fake", "chart-notimestamp-weird-quote.fake"]
)
def test_a_body_without_bars_is_an_error_naming_the_symbol(name, shared_folder, yahoo, tmp_path):
    body = (shared_folder / "payloads" / "yahoo_http" / f"{name}.json").read_text(encoding="utf-8")
    with pytest.raises(DataError, match="AAPL"):
        read_yahoo(wanted(tmp_path, "AAPL"), yahoo({"AAPL": body}), NOW)


@pytest.mark.parametrize(
    "fault", [429, 500, 503, requests.ConnectionError("refused"), requests.Timeout("slow")]
)
def test_a_fault_of_the_network_is_no_fault_of_the_data(fault, bodies, yahoo, tmp_path):
    with pytest.raises(ConnectionFailed, match="NVDA"):
        read_yahoo(wanted(tmp_path, "NVDA", patience_s=0), yahoo(bodies, fault), NOW)


def test_a_body_that_is_no_json_is_a_failed_connection(yahoo, tmp_path):
    with pytest.raises(ConnectionFailed, match="AAPL"):
        read_yahoo(wanted(tmp_path, "AAPL"), yahoo({"AAPL": "<html>Will be right back</html>"}), NOW)


def test_the_bar_of_a_session_still_open_is_dropped_and_reported(bodies, yahoo, tmp_path):
    settings = wanted(tmp_path, "NVDA", end=None)
    table = read_yahoo(settings, yahoo(bodies), pd.Timestamp("2022-01-28 20:59", tz="UTC"))
    bars, report = clean(table, settings)
    assert bars.timestamps[-1] == pd.Timestamp("2022-01-27 21:00", tz="UTC")
    (finding,) = report.of_kind("partial_last_bar", "NVDA")
    assert (finding.action, finding.count) == ("dropped", 1)


def test_a_second_load_uses_the_cache_and_asks_nobody(bodies, yahoo, tmp_path):
    settings = wanted(tmp_path, "NVDA")
    first = read_yahoo(settings, yahoo(bodies), NOW)
    second = read_yahoo(settings, yahoo({}, requests.ConnectionError("no network")), NOW)
    assert "fetched 2025-02-20" in next(f.message for f in second.findings if f.kind == "from_cache")
    np.testing.assert_array_equal(first.prices, second.prices)


def test_offline_the_cache_serves_a_shorter_span(bodies, yahoo, tmp_path):
    read_yahoo(wanted(tmp_path, "NVDA"), yahoo(bodies), NOW)
    settings = wanted(tmp_path, "NVDA", start="2021-06-01", end="2021-06-30", offline=True)
    bars, _ = clean(read_yahoo(settings, None, NOW), settings)
    assert (f"{bars.timestamps[0]:%m-%d}", f"{bars.timestamps[-1]:%m-%d}") == ("06-01", "06-30")


def test_offline_without_cache_is_an_error_naming_symbol_and_remedy(tmp_path):
    with pytest.raises(DataError, match=r"offline.*NVDA.*nothing is cached.*load once"):
        read_yahoo(wanted(tmp_path, "NVDA", offline=True), None, NOW)


def test_offline_beyond_the_cache_says_how_far_it_goes(bodies, yahoo, tmp_path):
    read_yahoo(wanted(tmp_path, "NVDA"), yahoo(bodies), NOW)
    with pytest.raises(DataError, match="from 2021-02-01 to 2022-01-31 only"):
        read_yahoo(wanted(tmp_path, "NVDA", end="2022-06-30", offline=True), None, NOW)


def test_a_restated_past_is_reported_when_bars_are_fetched_again(bodies, yahoo, tmp_path):
    settings = wanted(tmp_path, "NVDA", end="2021-12-31")
    read_yahoo(settings, yahoo(bodies), NOW)
    cached = read_cached(settings.cache, "NVDA", "1d")
    cached.frame[["open", "high", "low", "close"]] *= 1.01  # as if a dividend had not been known yet
    write_cached(settings.cache, "NVDA", "1d", cached)
    _, report = clean(read_yahoo(wanted(tmp_path, "NVDA"), yahoo(bodies), NOW), wanted(tmp_path, "NVDA"))
    (finding,) = report.of_kind("restated_history", "NVDA")
    assert finding.count == len(cached.frame)
    assert "0.990%" in finding.message


def test_a_damaged_cache_file_is_an_error_that_says_delete_it(tmp_path):
    settings = wanted(tmp_path, "NVDA")
    settings.cache.mkdir()
    (settings.cache / "NVDA_1d.parquet").write_bytes(b"not parquet")
    with pytest.raises(DataError, match="delete the file"):
        read_yahoo(settings, None, NOW)


@pytest.fixture
def hourly_body(shared_folder) -> str:
    """Return the recorded hourly answer for TSLA on 2024-12-31, whose quotes are empty, with seven bars put in."""
    path = (
        shared_folder
        / "payloads"
        / "yahoo_http"
        / "chart-TSLA-2025-01-01-to-2025-01-02-interval-1h.fake.json"
    )
    body = json.loads(path.read_text(encoding="utf-8"))
    result = body["chart"]["result"][0]
    result["timestamp"] = [1735655400 + 3600 * hour for hour in range(7)]  # 09:30 in New York
    result["indicators"]["quote"] = [dict.fromkeys(("open", "high", "low", "close", "volume"), [5.0] * 7)]
    return json.dumps(body)


def test_hourly_bars_close_an_hour_after_their_start_and_with_the_session_at_the_latest(
    hourly_body, yahoo, tmp_path
):
    settings = wanted(tmp_path, "TSLA", start="2024-12-31", end="2024-12-31", interval="1h")
    bars, _ = clean(
        read_yahoo(settings, yahoo({"TSLA": hourly_body}), pd.Timestamp("2025-01-02", tz="UTC")), settings
    )
    assert [f"{stamp:%H:%M}" for stamp in bars.timestamps[[0, 5, 6]]] == ["15:30", "20:30", "21:00"]


def test_the_hour_still_running_is_dropped(hourly_body, yahoo, tmp_path):
    settings = wanted(tmp_path, "TSLA", start="2024-12-31", end=None, interval="1h")
    now = pd.Timestamp("2024-12-31 17:00", tz="UTC")
    bars, report = clean(read_yahoo(settings, yahoo({"TSLA": hourly_body}), now), settings)
    assert bars.timestamps[-1] == pd.Timestamp("2024-12-31 16:30", tz="UTC")
    assert report.of_kind("partial_last_bar", "TSLA")


def test_hourly_bars_come_back_from_the_cache_unchanged(hourly_body, yahoo, tmp_path):
    settings = wanted(tmp_path, "TSLA", start="2024-12-31", end="2024-12-31", interval="1h")
    now = pd.Timestamp("2025-01-02", tz="UTC")
    first, _ = clean(read_yahoo(settings, yahoo({"TSLA": hourly_body}), now), settings)
    second, _ = clean(read_yahoo(settings.model_copy(update={"offline": True}), None, now), settings)
    assert first.fingerprint == second.fingerprint


def test_foreign_sessions_keep_their_own_date_and_close(bodies, yahoo, tmp_path):
    settings = wanted(tmp_path, "OCDO.L", start="2020-01-01", end="2020-01-02", calendar="XLON")
    bars, _ = clean(read_yahoo(settings, yahoo(bodies), NOW), settings)
    assert bars.timestamps[0] == pd.Timestamp("2020-01-02 16:30", tz="UTC")


def test_a_market_without_rest_has_weekend_bars(bodies, yahoo, tmp_path):
    settings = wanted(tmp_path, "BTC-USD", start="2020-01-01", end="2020-01-03", calendar="24/7")
    bars, report = clean(read_yahoo(settings, yahoo(bodies), NOW), settings)
    assert len(bars) >= 2
    assert not report.of_kind("off_session")


@pytest.mark.parametrize("field", ["start", "end"])
def test_a_date_that_is_none_is_a_setting_to_correct(field):
    with pytest.raises(ConfigError, match=f"data.{field}: 'soon' is no date"):
        settings_from({"data": {"source": "yahoo", "symbols": ["NVDA"], field: "soon"}})


def test_failures_are_raised_and_not_also_logged(yahoo, tmp_path, caplog):
    with pytest.raises(DataError, match="NOPE"):
        read_yahoo(wanted(tmp_path, "NOPE"), yahoo({}), NOW)
    assert not caplog.records


@pytest.mark.parametrize("symbol", ["../NVDA", "/etc/passwd", "A/../B", "..", "A" * 70, " NVDA", ""])
def test_a_symbol_that_is_a_path_never_reaches_the_disk(symbol, tmp_path):
    with pytest.raises(DataError, match="no symbol"):
        read_yahoo(wanted(tmp_path, symbol), None, NOW)
    assert not (tmp_path / "bars").exists()
