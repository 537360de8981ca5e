"""The same made-up history as each of the makers of price files would write it."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd
import pyarrow as pa

from helpers.price_files import history

OHLCV = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Foreign:
    """A file of somebody else's.

    Attributes:
        name: of the file. content: its bytes.
        format: what it must be recognised as. symbols: what must be read, in order.
        ask: settings needed, none where the file says all.
        close_only, no_volume: what the file does not have.
        places: decimals that the file keeps of the prices.
    """

    name: str
    content: bytes
    format: str
    symbols: tuple[str, ...] = ("AAPL",)
    ask: dict[str, object] = field(default_factory=dict)
    close_only: bool = False
    no_volume: bool = False
    frames: tuple[pd.DataFrame, ...] = ()
    tolerance: float = 0.0


def text(rows: list[list[object]], mark: str = ",") -> bytes:
    return ("\n".join(mark.join(map(str, row)) for row in rows) + "\n").encode()


def table(
    frame: pd.DataFrame, stamps: list[str], header: str, form: str = "{:.2f}", mark: str = ","
) -> bytes:
    rows = [
        [s, *(form.format(v) for v in r[:4]), int(r[4])]
        for s, r in zip(stamps, frame[list(OHLCV)].to_numpy(), strict=True)
    ]
    return text([[header], *rows], mark)


def epochs(frame: pd.DataFrame, unit: int) -> list[str]:
    moments = frame.index.tz_localize("UTC").as_unit("us").asi8
    return [str(int(m) * unit // 10**6) for m in moments]


def days(frame: pd.DataFrame, form: str = "%Y-%m-%d") -> list[str]:
    return list(frame.index.strftime(form))


F = history(rows=300)
B = history(rows=300, seed=5, level=40.0)
C = history("24/7", rows=300, seed=6, level=9000.0)
X = history("24/7", rows=300, seed=6, level=9000.0)


def both(make: Callable[[pd.DataFrame, str], list[list[object]]]) -> list[list[object]]:
    return [row for name, frame in (("AAPL", F), ("MSFT", B)) for row in make(frame, name)]


def values(frame: pd.DataFrame) -> list[list[object]]:
    return [[*map(repr, map(float, row[:4])), int(row[4])] for row in frame[list(OHLCV)].to_numpy()]


def _yfinance(frames: dict[str, pd.DataFrame], ticker_first: bool) -> bytes:
    fields = ["Close", "High", "Low", "Open", "Volume"]
    pairs = (
        [(f, t) for f in fields for t in frames]
        if not ticker_first
        else [(f, t) for t in frames for f in fields]
    )
    heads = [["Price", *(f for f, _ in pairs)], ["Ticker", *(t for _, t in pairs)]]
    heads = heads[::-1] if ticker_first else heads
    rows = [[d, *(frames[t][f.lower()].iloc[n] for f, t in pairs)] for n, d in enumerate(days(F))]
    return text([*heads, ["Date", *("" for _ in pairs)], *rows])


def _binance(unit: int, header: bool) -> bytes:
    names = "open_time,open,high,low,close,volume,close_time,quote_asset_volume,number_of_trades,taker_buy_base,taker_buy_quote,ignore"
    end = 86_400 * unit
    rows = [
        [s, *v, int(s) + end - 1, "1.0", 10, "1.0", "1.0", 0]
        for s, v in zip(epochs(C, unit), values(C), strict=True)
    ]
    return text([[names], *rows] if header else rows)


def _mt5() -> bytes:
    head = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>"
    rows = [[d, "00:00:00", *v[:4], v[4], 0, 2] for d, v in zip(days(F, "%Y.%m.%d"), values(F), strict=True)]
    return text([[head], *rows], "\t")


def _comma(frame: pd.DataFrame) -> bytes:
    rows = [[d, *(f"{p:,.2f}".replace(",", " ").replace(".", ",").replace(" ", ".") for p in r[:4]), f"{int(r[4]):,}".replace(",", ".")]
            for d, r in zip(days(frame, "%d.%m.%Y"), frame[list(OHLCV)].to_numpy(), strict=True)]  # fmt: skip
    body = "\r\n".join(
        ";".join(row) for row in [["Datum", "Eröffnung", "Höchst", "Tiefst", "Schluß", "Stücke"], *rows]
    )
    return body.encode("cp1252")


def _investing() -> bytes:
    rows = [['"' + d.strftime("%m/%d/%Y") + '"', *(f'"{r[k]:,.2f}"' for k in (3, 0, 1, 2)), f'"{r[4] / 1e6:.6f}M"', '"0.12%"']
            for d, r in zip(F.index[::-1], F[list(OHLCV)].to_numpy()[::-1], strict=True)]  # fmt: skip
    return text([['"Date"', '"Price"', '"Open"', '"High"', '"Low"', '"Vol."', '"Change %"'], *rows])


def _web() -> bytes:
    rows = [["Date", "Open", "High", "Low", "Close Close price adjusted for splits.",
             "Adj Close Adjusted close price adjusted for splits and dividend and/or capital gain distributions.", "Volume"]]  # fmt: skip
    for number, (d, v) in enumerate(zip(F.index[::-1], values(F)[::-1], strict=True)):
        rows.append([d.strftime("%b %d, %Y"), *v[:4], v[3], f"{v[4]:,}"])
        if number == 100:
            rows.append([d.strftime("%b %d, %Y"), "0.77 Dividend", "", "", "", "", ""])
    rows.append(["*Close price adjusted for splits.", "", "", "", "", "", ""])
    return text(rows, "\t")


def _crsp() -> bytes:
    head = "PERMNO,date,TICKER,BIDLO,ASKHI,PRC,VOL,RET,OPENPRC,CFACPR"
    rows = []
    for permno, name, frame in ((14593, "AAPL", F), (10107, "MSFT", B)):
        back = frame["close"].shift()
        for n, (d, v) in enumerate(zip(days(frame, "%Y%m%d"), values(frame), strict=True)):
            ret = "C" if n == 0 else repr(float(frame["close"].iloc[n] / back.iloc[n] - 1))
            rows.append([permno, d, name, v[2], v[1], v[3], v[4], ret, v[0], 1])
    return text([[head], *rows])


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _excel() -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    sheet.append(["Some vendor", None])
    sheet.append(["Date", "Open", "High", "Low", "Close", "Volume"])
    for d, row in zip(F.index, F[list(OHLCV)].to_numpy(), strict=True):
        sheet.append([d.to_pydatetime(), *map(float, row)])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _binary(write: str) -> bytes:
    stream = io.BytesIO()
    frame = F.rename_axis("date").reset_index()
    getattr(frame, write)(stream)
    return stream.getvalue()


def _zip(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("AAPL.csv", content)
        archive.writestr("__MACOSX/._AAPL.csv", b"x")
        archive.writestr("README.txt", b"hello")
    return stream.getvalue()


PLAIN = table(F, days(F), "Date,Open,High,Low,Close,Volume")
AV = {d: {"1. open": str(v[0]), "2. high": str(v[1]), "3. low": str(v[2]), "4. close": str(v[3]), "5. volume": str(v[4])}
      for d, v in zip(days(F), values(F), strict=True)}  # fmt: skip
ALPACA = [{"t": f"{d}T05:00:00Z", "o": v[0], "h": v[1], "l": v[2], "c": v[3], "v": v[4], "n": 1, "vw": 1.0} for d, v in (
    (x.tz_localize("America/New_York").tz_convert("UTC"), [*map(float, r)]) for x, r in zip(F.index, F[list(OHLCV)].to_numpy(), strict=True))
]  # fmt: skip
for bar, x in zip(ALPACA, F.index, strict=True):
    bar["t"] = x.tz_localize("America/New_York").tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
NEW_YORK = F.index.tz_localize("America/New_York").tz_convert("UTC")

FILES: dict[str, Foreign] = {
    "yahoo csv": Foreign("AAPL.csv", text([["Date,Open,High,Low,Close,Adj Close,Volume"], *([d, *v[:4], v[3], v[4]] for d, v in zip(days(F), values(F), strict=True))]), "yahoo"),
    "yahoo web table": Foreign("AAPL.txt", _web(), "yahoo"),
    "yfinance, one ticker": Foreign("prices.csv", _yfinance({"AAPL": F}, False), "yfinance"),
    "yfinance, several": Foreign("prices.csv", _yfinance({"AAPL": F, "MSFT": B}, False), "yfinance", ("AAPL", "MSFT"), frames=(F, B)),
    "yfinance, by ticker": Foreign("prices.csv", _yfinance({"AAPL": F, "MSFT": B}, True), "yfinance", ("AAPL", "MSFT"), frames=(F, B)),
    "yfinance history": Foreign("AAPL.csv", text([["Date,Open,High,Low,Close,Volume,Dividends,Stock Splits"], *([d.tz_localize("America/New_York").isoformat(" "), *v, 0.0, 0.0] for d, v in zip(F.index, values(F), strict=True))]), "yfinance"),
    "stooq": Foreign("aapl_us_d.csv", PLAIN, "stooq", ("AAPL.US",)),
    "stooq bulk": Foreign("aapl.us.txt", text([["<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>"], *(["AAPL.US", "D", d, "000000", *v, 0] for d, v in zip(days(F, "%Y%m%d"), values(F), strict=True))]), "stooq", ("AAPL.US",)),
    "stooq, Polish": Foreign("AAPL.csv", table(F, days(F), "Data,Otwarcie,Najwyzszy,Najnizszy,Zamkniecie,Wolumen"), "stooq"),
    "alpha vantage csv": Foreign("AAPL.csv", text([["timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient"], *([d, *v[:4], v[3], v[4], 0.0, 1.0] for d, v in list(zip(days(F), values(F), strict=True))[::-1])]), "alpha vantage"),
    "alpha vantage json": Foreign("q.json", _json({"Meta Data": {"2. Symbol": "AAPL", "5. Time Zone": "US/Eastern"}, "Time Series (Daily)": AV}), "alpha vantage"),
    "alpha vantage through pandas": Foreign("AAPL.csv", text([[",1. open,2. high,3. low,4. close,5. volume"], *([d, *v] for d, v in zip(days(F), values(F), strict=True))]), "alpha vantage"),
    "nasdaq.com": Foreign("HistoricalData_1.csv", text([["Date,Close/Last,Volume,Open,High,Low"], *([d, f"${v[3]}", v[4], f"${v[0]}", f"${v[1]}", f"${v[2]}"] for d, v in list(zip(days(F, "%m/%d/%Y"), values(F), strict=True))[::-1])]), "nasdaq.com", ask={"symbols": ("AAPL",)}),
    "investing.com": Foreign("AAPL Historical Data.csv", _investing(), "investing.com"),
    "kaggle, Name": Foreign("all_stocks_5yr.csv", text([["date,open,high,low,close,volume,Name"], *both(lambda f, n: [[d, *v, n] for d, v in zip(days(f), values(f), strict=True)])]), "long table", ("AAPL", "MSFT"), frames=(F, B)),
    "metatrader 4": Foreign("EURUSD1440.csv", text([[d, "00:00", *v] for d, v in zip(days(F, "%Y.%m.%d"), values(F), strict=True)]), "metatrader 4", ("EURUSD",)),
    "metatrader 5": Foreign("EURUSD_D1.csv", _mt5(), "metatrader 5", ("EURUSD",)),
    "tradingview, epoch": Foreign("NASDAQ_AAPL, 1D.csv", table(F, [str(int(m.timestamp()) + 34_200) for m in NEW_YORK], "time,open,high,low,close,Volume"), "tradingview"),
    "tradingview, iso": Foreign("NASDAQ_AAPL, 1D.csv", table(F, [(d.tz_localize("America/New_York") + pd.Timedelta(hours=9.5)).isoformat() for d in F.index], "time,open,high,low,close,Volume"), "tradingview"),
    "binance, ms": Foreign("BTCUSDT-1d-2018-01.csv", _binance(10**3, False), "binance", ("BTCUSDT",), frames=(C,)),
    "binance, us": Foreign("BTCUSDT-1d-2018-01.csv", _binance(10**6, False), "binance", ("BTCUSDT",), frames=(C,)),
    "binance with header": Foreign("BTCUSDT-1d-2018-01.csv", _binance(10**3, True), "binance", ("BTCUSDT",), frames=(C,)),
    "ccxt": Foreign("btc.csv", text([[s, *v] for s, v in zip(epochs(C, 1000), values(C), strict=True)]), "ccxt", ("BTC/USDT",), ask={"symbols": ("BTC/USDT",)}, frames=(C,)),
    "ccxt json": Foreign("btc.json", _json([[int(s), *map(float, v)] for s, v in zip(epochs(C, 1000), values(C), strict=True)]), "ccxt", ("BTC/USDT",), ask={"symbols": ("BTC/USDT",)}, frames=(C,)),
    "cryptodatadownload": Foreign("Binance_BTCUSDT_d.csv", text([["https://www.CryptoDataDownload.com"], ["unix,date,symbol,open,high,low,close,Volume BTC,Volume USDT,tradecount"], *([s, d, "BTC/USDT", *v, 1.0, 3] for s, d, v in list(zip(epochs(C, 1000), days(C, "%Y-%m-%d %H:%M:%S"), values(C), strict=True))[::-1])]), "cryptodatadownload", ("BTC/USDT",), frames=(C,)),
    "ibkr daily": Foreign("AAPL.csv", text([[",date,open,high,low,close,volume,average,barCount"], *([n, d, *v, v[3], 9] for n, (d, v) in enumerate(zip(days(F), values(F), strict=True)))]), "ibkr"),
    "dukascopy": Foreign("EURUSD_Candlestick_1_D_BID_01.01.2018-31.12.2019.csv", table(F, days(F, "%d.%m.%Y 00:00:00.000"), "Gmt time,Open,High,Low,Close,Volume"), "dukascopy", ("EURUSD",)),
    "histdata, daily of its shape": Foreign("DAT_ASCII_EURUSD_D1_2018.csv", text([[d, *v] for d, v in zip(days(F, "%Y%m%d 000000"), values(F), strict=True)], ";"), "histdata", ("EURUSD",)),
    "bloomberg, wide": Foreign("px.csv", text([["Dates,AAPL US Equity,MSFT US Equity"], *([d, a, b] for d, a, b in zip(days(F, "%m/%d/%Y"), F["close"], B["close"], strict=True))]), "bloomberg", ("AAPL US Equity", "MSFT US Equity"), close_only=True, no_volume=True, frames=(F, B)),
    "bloomberg, two rows": Foreign("px.csv", text([[",AAPL US Equity,,MSFT US Equity,"], ["Dates,PX_LAST,PX_VOLUME,PX_LAST,PX_VOLUME"], *([d, a, int(va), b, int(vb)] for d, a, va, b, vb in zip(days(F, "%m/%d/%Y"), F["close"], F["volume"], B["close"], B["volume"], strict=True))]), "bloomberg", ("AAPL US Equity", "MSFT US Equity"), close_only=True, frames=(F, B)),
    "refinitiv": Foreign("AAPL.O.csv", text([["Exchange Date;TRDPRC_1;HIGH_1;LOW_1;OPEN_PRC;ACVOL_UNS"], *([d, v[3], v[1], v[2], v[0], v[4]] for d, v in zip(days(F, "%d-%b-%Y"), values(F), strict=True))], ";"), "refinitiv", ("AAPL.O",)),
    "close only": Foreign("AAPL.csv", text([["Date,Close"], *([d, c] for d, c in zip(days(F), F["close"], strict=True))]), "table of one symbol", close_only=True, no_volume=True),
    "fred": Foreign("SP500.csv", text([["observation_date,SP500"], *([d, c] for d, c in zip(days(F), F["close"], strict=True))]), "fred", ("SP500",), close_only=True, no_volume=True),
    "alpaca json": Foreign("bars.json", _json({"bars": {"AAPL": ALPACA}, "next_page_token": None}), "alpaca"),
    "alpaca csv": Foreign("bars.csv", text([["symbol,timestamp,open,high,low,close,volume,trade_count,vwap"], *(["AAPL", t.isoformat(" "), *v, 5, v[3]] for t, v in zip(NEW_YORK, values(F), strict=True))]), "alpaca"),
    "polygon flat file": Foreign("2018.csv.gz", gzip.compress(text([["ticker,volume,open,close,high,low,window_start,transactions"], *(["AAPL", v[4], v[0], v[3], v[1], v[2], int(t.value), 3] for t, v in zip(NEW_YORK.as_unit("ns"), values(F), strict=True))])), "polygon"),
    "polygon json": Foreign("aggs.json", _json({"ticker": "AAPL", "results": [{"v": b["v"], "vw": 1.0, "o": b["o"], "c": b["c"], "h": b["h"], "l": b["l"], "t": int(t.value // 10**6), "n": 2} for b, t in zip(ALPACA, NEW_YORK.as_unit("ns"), strict=True)]}), "polygon"),
    "databento": Foreign("ohlcv-1d.csv", text([["ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol"], *([int(t.value), 35, 2, 38, *(round(float(p) * 1e9) for p in v[:4]), v[4], "AAPL"] for t, v in zip(F.index.tz_localize("UTC").as_unit("ns"), values(F), strict=True))]), "databento", tolerance=1e-12),
    "crsp": Foreign("crsp.csv", _crsp(), "crsp", ("AAPL", "MSFT"), frames=(F, B), tolerance=1e-9),
    "tiingo": Foreign("AAPL.csv", text([["date,close,high,low,open,volume,adjClose,adjHigh,adjLow,adjOpen,adjVolume,divCash,splitFactor"], *([f"{d}T00:00:00.000Z", v[3], v[1], v[2], v[0], v[4], v[3], v[1], v[2], v[0], v[4], 0.0, 1.0] for d, v in zip(days(F), values(F), strict=True))]), "tiingo"),
    "eodhd": Foreign("AAPL.US.csv", text([["Date,Open,High,Low,Close,Adjusted_close,Volume"], *([d, *v[:4], v[3], v[4]] for d, v in zip(days(F), values(F), strict=True))]), "eodhd", ("AAPL.US",)),
    "quandl": Foreign("AAPL.csv", text([["Date,Open,High,Low,Close,Volume,Ex-Dividend,Split Ratio,Adj. Open,Adj. High,Adj. Low,Adj. Close,Adj. Volume"], *([d, *v, 0.0, 1.0, *v] for d, v in zip(days(F), values(F), strict=True))]), "quandl"),
    "European Excel, latin-1": Foreign("SAP.csv", _comma(F), "table of one symbol", ("SAP",)),
    "utf-16": Foreign("AAPL.csv", PLAIN.decode().encode("utf-16"), "table of one symbol"),
    "byte order mark": Foreign("AAPL.csv", b"\xef\xbb\xbf" + PLAIN, "table of one symbol"),
    "pipes": Foreign("AAPL.psv", PLAIN.replace(b",", b"|"), "table of one symbol"),
    "tabs": Foreign("AAPL.tsv", PLAIN.replace(b",", b"\t"), "table of one symbol"),
    "comments and footers": Foreign("AAPL.csv", b"# made by me\n\n" + PLAIN + b"\nTotal,,,,,123456\n* not adjusted,,,,,\n", "table of one symbol"),
    "repeated headers": Foreign("AAPL.csv", PLAIN + PLAIN.split(b"\n", 1)[0] + b"\n", "table of one symbol"),
    "quotes and thousands": Foreign("AAPL.csv", text([["Date,Open,High,Low,Close,Volume"], *([f'"{d}"', *(f'"{p:,.2f}"' for p in r[:4]), f'"{int(r[4]):,}"'] for d, r in zip(days(F), F[list(OHLCV)].to_numpy(), strict=True))]), "table of one symbol"),
    "gzip": Foreign("AAPL.csv.gz", gzip.compress(PLAIN), "table of one symbol"),
    "zip": Foreign("AAPL.zip", _zip(PLAIN), "table of one symbol"),
    "zstandard": Foreign("AAPL.csv.zst", pa.Codec("zstd").compress(PLAIN, asbytes=True), "table of one symbol"),
    "xz": Foreign("AAPL.csv.xz", lzma.compress(PLAIN), "table of one symbol"),
    "bzip2": Foreign("AAPL.csv.bz2", bz2.compress(PLAIN), "table of one symbol"),
    "excel": Foreign("AAPL.xlsx", _excel(), "table of one symbol"),
    "feather": Foreign("AAPL.feather", _binary("to_feather"), "table of one symbol"),
    "parquet under another name": Foreign("AAPL.csv", _binary("to_parquet"), "table of one symbol"),
    "json records": Foreign("AAPL.json", _json([{"date": d, **dict(zip(OHLCV, map(float, v), strict=True))} for d, v in zip(days(F), values(F), strict=True)]), "table of one symbol"),
    "lean": Foreign("aapl.csv", text([[f"{d} 00:00", *(round(10_000 * float(p)) for p in v[:4]), v[4]] for d, v in zip(days(F, "%Y%m%d"), values(F), strict=True)]), "lean", ("aapl",), tolerance=1e-12),
    "barchart": Foreign("AAPL.csv", text([["Time,Open,High,Low,Latest,Change,%Change,Volume"], *([d, *v[:4], 0.1, "0.1%", v[4]] for d, v in zip(days(F)[::-1], values(F)[::-1], strict=True)), ['"Downloaded from Barchart.com as of 07-01-2019 10:00am CDT"']]), "table of one symbol"),
    "coingecko": Foreign("BTC.csv", text([["snapped_at,price,market_cap,total_volume"], *([f"{d} 00:00:00 UTC", v[3], 1.0, v[4]] for d, v in zip(days(C), values(C), strict=True))]), "table of one symbol", ("BTC",), frames=(C,), close_only=True),
    "wide table in small letters": Foreign("closes.csv", text([["date,aapl,msft"], *([d, a, b] for d, a, b in zip(days(F), F["close"], B["close"], strict=True))]), "wide table", ("aapl", "msft"), {"symbols": ("aapl", "msft")}, close_only=True, no_volume=True, frames=(F, B)),
    "old Mac": Foreign("AAPL.csv", PLAIN.replace(b"\n", b"\r"), "table of one symbol"),
    "russian": Foreign("GAZP.csv", table(F, days(F, "%d.%m.%Y"), "Дата,Откр.,Макс.,Мин.,Цена,Объём"), "table of one symbol", ("GAZP",)),
    "chinese": Foreign("600519.csv", table(F, days(F), "日期,开盘,最高,最低,收盘,成交量").decode().encode("gb18030"), "table of one symbol", ("600519",)),
}  # fmt: skip
