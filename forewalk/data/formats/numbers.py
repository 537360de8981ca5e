"""Numbers as people write them: decimal comma, thousands, currency signs, K, M and B, brackets for minus.

Which mark is the decimal one is decided by the whole file, never number by number: `1,234` alone is a thousand
and something to one reader and a little more than one to another.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from forewalk.errors import DataError, Undecided
from forewalk.types import BoolArray, FloatArray

MISSING = frozenset(
    (
        "",
        "-",
        "--",
        "---",
        "–",
        "—",
        ".",
        "..",
        "na",
        "n/a",
        "n.a.",
        "#n/a",
        "#n/a n/a",
        "#na",
        "nan",
        "null",
        "none",
        "nil",
        "missing",
        "#value!",
        "#ref!",
        "#div/0!",
        "\\n",
        "<na>",
        "nat",
        "(null)",
        "n.d.",
    )
)
_TENS = {
    "": 0,
    "k": 3,
    "m": 6,
    "b": 9,
    "t": 12,
    "bn": 9,
    "mn": 6,
    "mm": 6,
    "tsd": 3,
    "mio": 6,
    "mrd": 9,
    "mil": 3,
}
_TENS |= {"mln": 6, "mld": 9, "mlrd": 9, "万": 4, "亿": 8}
_SIGNS = "$€£¥₹₽₩₺฿₫₪₴₦₱₿¢￥"
_CODES = r"(?:USD|EUR|GBP|GBX|GBp|JPY|CHF|CAD|AUD|NZD|CNY|HKD|INR|SEK|NOK|DKK|BRL|ZAR|KRW|TRY|US\$|HK\$|R\$|C\$|A\$)"
_THOUSANDS = {
    ".": re.compile(
        r"^\d{1,3}(?:(?:[,'’][0-9]{3})+|(?:[ \u00a0\u202f\u2009][0-9]{3})+|(?:,[0-9]{2})*,[0-9]{3})$"
    ),
    ",": re.compile(r"^\d{1,3}(?:(?:[.'’][0-9]{3})+|(?:[ \u00a0\u202f\u2009][0-9]{3})+)$"),
}
_WRAPPED = re.compile(rf"^(?P<open>\()?\s*(?P<sign>[-+−])?\s*(?:[{_SIGNS}]|{_CODES})?\s*(?P<sign2>[-+−])?\s*"
                      rf"(?P<body>[0-9][0-9.,'’ \u00a0\u202f\u2009]*?|[.,][0-9]+)(?P<exp>[eE][-+]?\d{{1,3}})?\s*"
                      rf"(?P<factor>[A-Za-z万亿]{{0,4}}\.?)\s*(?:[{_SIGNS}]|{_CODES}|%)?\s*"
                      r"(?P<close>\))?$")  # fmt: skip
_VOTE = re.compile(r"[0-9.,]+")


def plain_digits(text: str) -> str:
    """Return the text with the digits of other scripts as 0 to 9, and full-width and Arabic marks as plain ones."""
    found = set(re.findall(r"(?![0-9])\d", text))
    if not found:
        return text
    marks = str.maketrans("\uff0e\uff0d\uff0c\uff1a\uff0f\u066b\u066c", ".-,:/.,")
    return text.translate(marks | {ord(digit): str(unicodedata.decimal(digit)) for digit in found})


def decide_decimal(
    columns: Iterable[Iterable[str]], given: str | None, where: str, continental: bool = False
) -> str:
    """Return the decimal mark of a file from the texts of all its number columns.

    Args:
        continental: the file has semicolons and dates such as 31.12.2020: where those are usual, `7.334` can be a
            thousand, so it proves nothing there.

    Raises:
        DataError: the file uses both, or its numbers read either way.
    """
    if given is not None:
        return given
    found: dict[str, str] = {}
    doubtful = ""
    for texts in columns:
        for text in texts:
            if "," not in text and text.count(".") < 2:
                if text.count(".") == 1 and not re.search(r"(?<!\d)[1-9]\d{0,2}\.\d{3}(?!\d)", text):
                    found.setdefault(".", text)
                elif continental and "." in text:
                    doubtful = doubtful or text
                continue
            vote = _vote(text)
            if vote == "?":
                doubtful = doubtful or text
            elif vote:
                found.setdefault(vote, text)
        if len(found) > 1:
            raise DataError(
                f"{where}: {found['.']!r} has a decimal point and {found[',']!r} a decimal comma; "
                f"mend the file, or say which one counts: data.decimal = '.' or ','"
            )
    if found:
        return next(iter(found))
    if doubtful:
        mark = "," if "," in doubtful else "."
        other = "." if mark == "," else ","
        name = "comma" if mark == "," else "point"
        whole, fraction = doubtful.replace(mark, ""), doubtful.replace(mark, ".")
        raise Undecided(
            f"{where}: {doubtful!r} can be {whole} (a {name} between thousands) or {fraction} (a decimal {name})",
            "data.decimal",
            ((other, f"{whole}, a {name} between thousands"), (mark, f"{fraction}, a decimal {name}")),
            doubtful,
        )
    return "."


def _vote(text: str) -> str:
    """Return the decimal mark that one number proves, "?" where it proves nothing, "" where it has no mark."""
    body = max(_VOTE.findall(text), key=len, default="")
    points, commas = body.count("."), body.count(",")
    if points and commas:
        last = max(body.rfind("."), body.rfind(","))
        return body[last] if body.count(body[last]) == 1 else ""
    mark, count = (".", points) if points else (",", commas)
    if not count:
        return ""
    other = "," if mark == "." else "."
    if count > 1:
        return other if re.fullmatch(rf"\d{{1,3}}(?:\{mark}\d{{2,3}})*\{mark}\d{{3}}", body) else ""
    before, after = body.split(mark)
    if len(after) == 3 and 1 <= len(before) <= 3 and not before.startswith("0"):
        return "?"
    return mark


def read_numbers(column: pd.Series, decimal: str = ".") -> tuple[FloatArray, BoolArray]:
    """Return a column as float64, NaN where it says that there is nothing, and True where it is no number."""
    if pd.api.types.is_bool_dtype(column.dtype):
        return np.full(len(column), np.nan), np.ones(len(column), bool)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan, copy=True), np.zeros(len(column), bool)
    texts = pc.utf8_trim_whitespace(
        pa.array(column.astype("str").where(column.notna()), pa.string(), from_pandas=True)
    )
    plain = pc.match_substring_regex(texts, r"^[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?$")
    if decimal == ",":
        plain = pc.match_substring_regex(texts, r"^[-+]?[0-9]+$")
    easy = np.asarray(pc.fill_null(plain, False).to_numpy(zero_copy_only=False), dtype=bool)
    values = np.full(len(column), np.nan)
    stripped = pc.replace_substring_regex(texts.filter(pa.array(easy)), r"^\+", "")
    values[easy] = pc.cast(stripped, pa.float64()).to_numpy(zero_copy_only=False)
    bad = np.zeros(len(column), bool)
    rest = np.flatnonzero(~easy & ~np.asarray(texts.is_null()))
    known: dict[str, tuple[float, bool]] = {}
    hard = texts.take(pa.array(rest)).to_pylist()
    for row, text in zip(rest.tolist(), hard, strict=True):
        if text not in known:
            known[text] = read_number(text, decimal)
        values[row], bad[row] = known[text]
    return values, bad


def read_number(text: str, decimal: str = ".") -> tuple[float, bool]:
    """Return one number and False, NaN and False where the text says that there is none, NaN and True else."""
    stripped = text.strip()
    if stripped.casefold() in MISSING:
        return np.nan, False
    if re.fullmatch(r"[-+]?(?:inf|infinity)", stripped, re.IGNORECASE):
        return float(stripped), False
    found = _WRAPPED.match(stripped)
    if found is None or (found["open"] is None) != (found["close"] is None):
        return np.nan, True
    tens = _TENS.get(found["factor"].casefold().rstrip("."))
    body = _plain(found["body"].strip(), decimal)
    if tens is None or body is None or (found["sign"] and found["sign2"]):
        return np.nan, True
    negative = found["open"] or (found["sign"] or found["sign2"]) in ("-", "−")
    value = float(Decimal(f"{body}{found['exp'] or ''}").scaleb(tens))
    return (-value if negative else value), False


def _plain(body: str, decimal: str) -> str | None:
    """Return digits with a decimal point, or None where the groups of thousands are wrong."""
    whole, mark, fraction = body.rpartition(decimal) if body.count(decimal) == 1 else (body, "", "")
    if body.count(decimal) > 1 or (mark and not (fraction.isdigit() or not fraction)):
        return None
    if whole and not whole.isdigit():
        if not _THOUSANDS[decimal].match(whole):
            return None
        whole = re.sub(r"\D", "", whole)
    return f"{whole or '0'}.{fraction or '0'}"


def read_ratios(column: pd.Series, values: FloatArray, bad: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Read splits written as 4:1, 4/1 or 4 for 1."""
    parts = column.astype("str").str.extract(r"^\s*([\d.]+)\s*(?::|/|for|-for-)\s*([\d.]+)\s*$").astype(float)
    ratio = (parts[0] / parts[1]).to_numpy(np.float64)
    known = np.isfinite(ratio)
    return np.where(known, ratio, values), bad & ~known
