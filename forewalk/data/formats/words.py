"""What the columns of price files are called, in the languages they come in."""

from __future__ import annotations

import re
import unicodedata

STAMP, CLOCK, SYMBOL, LENGTH = "stamp", "clock", "symbol", "length"
PRICES = ("open", "high", "low", "close")
SIDES = tuple(f"{side}_{price}" for side in ("bid", "ask") for price in PRICES)

# Names are normalised: lower case, accents off, everything but letters and digits a space. The first name of a
# field that is in the header counts.
_WORDS: dict[str, str] = {
    STAMP: "datetime|date time|timestamp|date|dates|time stamp|trade date|tradedate|trading "
    "date|tradingdate|trading day"
    "|session|session date|day|ts|ts event|window start|open time|opentime|datetime utc|timestamp utc|date "
    "utc|gmt time"
    "|utc time|time utc|utc|local time|eastern time|time ny|time server|bar time|bartime|start time|begin|begins at"
    "|dtyyyymmdd|yyyymmdd|exchange date|exchangedate|pricedate|price date|business date|as of date|asofdate|quote "
    "date"
    "|observation date|caldt|datadate|mcaldt|period end|week|month|week ending|datum|datum "
    "uhrzeit|zeit|zeitstempel|dag"
    "|data|data pregao"
    "|giorno|fecha|dia|jour|horodatage|tarih|дата|время|日期|时间|交易日期|交易日|日付|日時|날짜|일자|日"
    "|snapped at"
    "|unix|unixtime|unix time|unix timestamp|epoch|epoch time|t|time|index level 0|index|date gmt|event time|endtime",
    CLOCK: "time|clock|hour|hhmm|hhmmss|uhrzeit|zeit|hora|ora|heure|tid|время|saat|时间|時刻|time of "
    "day|tradetime|trade time",
    SYMBOL: "symbol|ticker|tic|sym|symb|ticker symbol|tickers|symbols|stock|stock symbol|stock "
    "code|code|instrument|asset"
    "|ric|security|securities|contract|pair|currency pair|coin|figi|tckr symb|codneg|scrip|scrip code|act symbol|tick"
    "|underlying|product|product id|market|root symbol|ts code|thscode|kod|valor|wertpapier|aktie|titolo|valeur|papel"
    "|codigo|тикер|代码|股票代码|证券代码|銘柄コード|コード|종목코드"
    "|stock id|stockname|stock name|etf|fund|index name|isin"
    "|permno|gvkey|name|company|comnam|secid|permco|id",
    LENGTH: "timeframe|time frame|tf|interval|per|resolution|bar size|barsize|granularity|frequency|freq",
    "open": "open|o|opening|open price|opening price|price open|openprice|openprc|px open|open prc|first|open "
    "bid|erster"
    "|eroffnung|eroffnungskurs|ouverture|ouv|cours d ouverture|apertura|abertura|preabe|openen|opening "
    "prijs|oppning|oppen"
    "|otwarcie|откр|открытие|цена открытия|acilis|开盘|开盘价|今开|始値|시가|avaus|apning|kezdo|open usd|p open|mid "
    "open",
    "high": "high|h|highest|high price|price high|highprice|askhi|px high|high 1|max|maximum|day high|hoch|tageshoch"
    "|hochst|hochstkurs|haut|plus haut|maximo|maxima|massimo|premax|hoog|hoogste|hogst|hogsta|hogstakurs|najwyzszy"
    "|максимум|макс|yuksek|最高|最高价|高値|고가|ylin|hoy|high usd|p high|mid high",
    "low": "low|l|lowest|low price|price low|lowprice|bidlo|px low|low 1|min|minimum|day low|tief|tagestief|tiefst"
    "|tiefstkurs|bas|plus bas|minimo|minima|premin|laag|laagste|lagst|lagsta|lagstakurs|najnizszy|минимум|мин"
    "|dusuk|最低"
    "|最低价|安値|저가|alin|lav|low usd|p low|mid low",
    "close": "close|c|close last|closing|closing price|close price|price close|closeprice|closing prc|px last|px "
    "close"
    "|trdprc 1|hst close|universal close price|last price|lastprice|last|prc|price|settle|settlement price|settlement"
    "|px settle|latest|latest price"
    "|schluss|schlusskurs|schlu|letzter|letzter kurs|kurs|cloture|cours de cloture|dernier|fermeture|cierre"
    "|ultimo|ultima|fechamento|preult|chiusura|prezzo|precio|preco|slot|slotkoers|laatst|stangning|slutkurs|senast"
    "|zamkniecie|закрытие|цена|цена закрытия|simdi|kapanis|fiyat|收盘|收盘价|终值|終値|현재가|종가|paatos|slutt|zaro"
    "|close usd|p close|mid close|mid|nav|adj close price|rate|exchange rate",
    "adj_close": "adj close|adjclose|adjusted close|adjustedclose|close adj|adjusted closing price|adj closing price"
    "|close adjusted|adjusted close price|adj last|adjusted price|adjusted|adj price|adjprc|cierre "
    "ajustado|后复权|totret",
    "volume": "volume|v|vol|volumes|total volume|share volume|shares|shares traded|traded volume|tradedvolume|px "
    "volume"
    "|acvol uns|acvol 1|quantity|total trade quantity|no of shares|trade volume|trading volume|tick volume|tickvol"
    "|tickvolume|volumen|umsatz|stucke|quatot|quantite|volym|wolumen|hac|объем|объём|成交量|出来高|거래량|volume "
    "traded"
    "|volume btc|volume base|base volume|base asset volume|volume shares|deliverable volume|mid volume|vaihto|volumn",
    "dividend": "dividend|dividends|divcash|div cash|dividend amount|ex dividend|divamt|cash dividend|dividend "
    "per share"
    "|dividends per share|cash amount|div",
    "split": "split|splits|stock split|stock splits|split factor|splitfactor|split ratio|split "
    "coefficient|splitratio",
    "cfacpr": "cfacpr|cumulative price factor|cumfacpr|adjustment factor|ajexdi|dlycumfacpr",
    "total_return": "ret|dlyret|total return",
    "volume_quote": "quote asset volume|quote volume|quotevolume|volume usdt|volume usd|turnover|amount|value traded",
    "close_time": "close time|closetime|end time|kline close time",
}  # fmt: skip
for _side in ("bid", "ask"):
    for _price in PRICES:
        _WORDS[f"{_side}_{_price}"] = (
            f"{_side} {_price}|{_side}{_price}|{_price} {_side}|{_price}{_side}|{_side} {_price[0]}"
        )

MONTHS: dict[str, int] = {}
for _number, _names in enumerate(
    (
        "jan|ene|gen|janv|янв|sty|oca|tammi", "feb|fev|fevr|febr|фев|lut|sub|helmi",
        "mar|mrz|maerz|mars|marz|мар|maalis",
        "apr|abr|avr|апр|kwi|nis|huhti", "may|mai|mag|maj|mei|май|мая|touko", "jun|juin|giu|июн|cze|haz|kesa",
        "jul|juil|lug|июл|lip|tem|heina", "aug|ago|aou|aout|авг|sie|agu|elo", "sep|sept|set|сен|wrz|eyl|syys",
        "oct|okt|ott|out|окт|paz|eki|loka", "nov|ноя|lis|kas|marras", "dec|dez|dic|дек|gru|ara|joulu|des",
    ),
    start=1,
):  # fmt: skip
    for _name in _names.split("|"):
        MONTHS.setdefault(_name, _number)


def normalise(name: str) -> str:
    """Return a column's name in the form of the vocabulary; brackets with a unit or an explanation are left out."""
    text = unicodedata.normalize("NFKC", str(name)).strip().strip("\ufeff\"'<>").strip()
    text = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", text).casefold().replace("ß", "ss")
    text = re.sub(r"^\d+[a-z]?\.\s*", "", text)  # "1. open", "4a. close (USD)"
    text = re.sub(r"[(\[{][^)\]}]*[)\]}]", " ", text)
    text = "".join(c for c in unicodedata.normalize("NFD", text) if not ("\u0300" <= c <= "\u036f"))
    text = (
        unicodedata.normalize("NFC", text)
        .replace("ł", "l")
        .replace("ø", "o")
        .replace("ı", "i")
        .replace("æ", "ae")
    )
    text = re.sub(r"[^\w]+|_", " ", text).strip()
    return re.sub(
        r"^(close|adj close) (?:close|adjusted close) price .*", r"\1", text
    )  # Yahoo explains its columns


def month_number(word: str) -> int | None:
    """Return 1 to 12 for the name of a month or its beginning, in any language known here."""
    text = normalise(word).replace(" ", "")
    return next((MONTHS[text[:size]] for size in (6, 5, 4, 3) if text[:size] in MONTHS), None)


FIELDS: dict[str, tuple[str, ...]] = {
    name: tuple(normalise(word) for word in text.split("|")) for name, text in _WORDS.items()
}
ALL_WORDS = frozenset(word for words in FIELDS.values() for word in words)
PRICE_WORDS = frozenset(
    word for name in ("open", "high", "low", "close", "adj_close", "volume", *SIDES) for word in FIELDS[name]
)
