"""From text to a grid of cells: encoding, delimiter, where the header is and where the rows begin."""

from __future__ import annotations

import csv
import datetime
import io
import re
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forewalk.data.formats.numbers import plain_digits
from forewalk.data.formats.words import ALL_WORDS, PRICE_WORDS, normalise
from forewalk.errors import DataError

if TYPE_CHECKING:
    from forewalk.data.formats.containers import Sheet

MAX_COLUMNS = 20_000
MAX_LINE_BYTES = 2**20
SAMPLE_LINES = 300
MAX_HEAD_ROWS = 3
DELIMITERS = (",", ";", "\t", "|", " ")
ENCODINGS = ("cp1252", "cp1250", "cp1251", "gb18030", "cp932", "cp949", "big5", "cp1254", "latin-1")
_LONE_RETURN = re.compile(r"\r(?!\n)")
_NUMBER = re.compile(r"^[-+($€£¥]*[$€£¥]?\s*\d[\d.,'\s]*(?:[eE][-+]?\d+)?\s*[KMBTkmbt%€]?\)?$")
_DATE = re.compile(
    r"^(?:\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b.*|\d{8}(?:[T ;]\d.*|\d{4}|\d{6})?|\d{10}(?:\.\d+)?|\d{13}|\d{16}|\d{19}"
    r"|(?:[^\W\d_]{2,10}\.?,?\s+)?(?:\d{1,2}[.\s-]*[^\W\d_]{3,12}|[^\W\d_]{3,12}\.?\s+\d{1,2}),?[\s./-]*\d{2,4}\b.*"
    r"|\d{4}年.*|\d{4}[-/]\d{2})$"
)


def text_sheet(content: bytes, name: str, where: str) -> Sheet:
    """Decode a text, find its delimiter and header, and return its cells.

    Raises:
        DataError: it is no text, or holds no table.
    """
    from forewalk.data.formats.containers import Sheet

    text, notes = _decode(content, where)
    if not text.isascii():
        text = plain_digits(text)
    sample = text.split("\n", SAMPLE_LINES)[:SAMPLE_LINES]
    if any(len(line) > MAX_LINE_BYTES for line in sample):
        raise DataError(f"{where} line 1: longer than {MAX_LINE_BYTES} bytes; is it a price file?")
    delimiter, rows = _delimited(sample)
    first, last = find_table(rows)
    if last is None:
        last = first
    head = [_trim(rows[row]) for row in range(first, last)]
    sizes = Counter(len(row) for row in rows[last:] if is_data(row)).most_common(1)
    width = max([size for size, _ in sizes] + [len(row) for row in head] + [1])
    if width > MAX_COLUMNS:
        raise DataError(f"{where}: {width} columns, at most {MAX_COLUMNS} are read; is it a price file?")
    body, lines, more = _body(text, delimiter, last, width, where)
    if not len(body):
        said = "a header and no rows" if head else "no rows"
        raise DataError(
            f"{where}: the file has {said}" if any(any(row) for row in rows) else f"{where} line 1: empty"
        )
    if first > 0 and any(any(cell.strip() for cell in row) for row in rows[:first]):
        notes.append(f"{first} line{'s' if first > 1 else ''} before the header passed over")
    named = len(head[0]) if len(head) == 1 else MAX_COLUMNS
    head, body = _square(head, body)
    if body.shape[1] > max(named, 1) and head[0][0]:
        raise DataError(
            f"{where} line {lines[0]}: {body.shape[1]} cells below {named} names; name every column, and put "
            f"numbers with commas between their thousands in quotes, or write it like 1234.5"
        )
    return Sheet(where, name, head, body, lines, "line", delimiter, (*notes, *more))


def _decode(content: bytes, where: str) -> tuple[str, list[str]]:
    notes: list[str] = []
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or _looks_wide(content):
        encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else _looks_wide(content)
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            raise DataError(f"{where}: damaged UTF-16 text") from None
        notes.append("read as UTF-16")
        return _line_ends(text.lstrip("\ufeff"), where), notes
    if (nul := content.find(b"\0")) >= 0:
        at = content.count(b"\n", 0, nul) + 1
        raise DataError(f"{where} line {at}: a NUL byte; the file is damaged or not text")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text, encoding = _by_words(content, where)
        notes.append(f"read as {encoding}")
    return _line_ends(text, where), notes


def _looks_wide(content: bytes) -> str:
    """Return the UTF-16 flavour of a text without a byte order mark, "" where it is none."""
    sample = content[:400]
    if len(sample) < 8:
        return ""
    for encoding, nul in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2])):
        if nul.count(0) > 0.8 * len(nul):
            return encoding
    return ""


def _by_words(content: bytes, where: str) -> tuple[str, str]:
    """Choose the encoding in which most names of the first lines are known words; numbers are the same in all."""
    best, found = -1, ("", "")
    for encoding in ENCODINGS:
        try:
            start = content[:4000].decode(encoding, errors="strict" if len(content) <= 4000 else "ignore")
            words = {normalise(part) for part in re.split(r"[,;\t|\r\n\"]", start)}
            score = len(words & ALL_WORDS)
            if score > best:
                best, found = score, (content.decode(encoding), encoding)
        except UnicodeDecodeError:
            continue
    if best < 0 or not _mostly_text(found[0]):
        raise DataError(f"{where}: neither UTF-8 nor another text known here; save it as UTF-8")
    return found


def _mostly_text(text: str) -> bool:
    sample = text[:2000]
    odd = sum(not (c.isprintable() or c in "\r\n\t") for c in sample)
    return odd <= 0.01 * len(sample)


def _line_ends(text: str, where: str) -> str:
    if "\r" not in text:
        return text
    if "\n" not in text:
        return text.replace("\r", "\n")
    if lone := _LONE_RETURN.search(text):
        at = text.count("\n", 0, lone.start()) + 1
        raise DataError(
            f"{where} line {at}: a carriage return without line feed; save it with usual line ends"
        )
    return text.replace("\r\n", "\n")


def _delimited(sample: list[str]) -> tuple[str, list[list[str]]]:
    """Return the delimiter under which the lines look most like a table, and their cells."""
    best: tuple[float, str, list[list[str]]] = (-1.0, ",", [[]])
    for delimiter in DELIMITERS:
        rows = [split_line(line, delimiter) for line in sample]
        header = max((header_words(row) for row in rows[:60]), default=0)
        data = [row for row in rows if is_data(row)]
        width = Counter(len(row) for row in data).most_common(1)[0] if data else (0, 0)
        clean = sum(
            bool(_NUMBER.match(c.strip()) or _DATE.match(c.strip())) for row in data for c in row if c.strip()
        )
        cells = sum(bool(c.strip()) for row in data for c in row)
        score = (header if header >= 2 else 0) * 3 + width[1] * (clean / cells if cells else 0.0)
        score += 0.001 * sum(len(row) - 1 for row in rows[:5])
        if score > best[0]:
            best = (score, delimiter, rows)
    return best[1], best[2]


def split_line(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line, quotes taken off."""
    if delimiter == " ":
        return line.split()
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return line.split(delimiter)


def header_words(row: list[str]) -> int:
    """Return how many cells of a row are names of columns known here."""
    names = [normalise(cell) for cell in row]
    return sum(name in ALL_WORDS and bool(name) for name in names)


def is_data(row: list[str]) -> bool:
    """Tell whether a row has a date and, beside it, a number."""
    cells = [cell.strip() for cell in row]
    dates = [place for place, cell in enumerate(cells[:8]) if _DATE.match(cell)]
    return bool(dates) and any(_NUMBER.match(cell) for place, cell in enumerate(cells) if place != dates[0])


def find_table(rows: list[list[str]]) -> tuple[int, int | None]:
    """Return the rows where the header begins and where the data begin; equal where there is no header."""
    named = next((n for n, row in enumerate(rows[:100]) if _is_header(row)), None)
    data = next((n for n, row in enumerate(rows) if is_data(row) and not _is_comment(row)), None)
    if data is None:
        if named is None:
            filled = next((n for n, row in enumerate(rows) if any(cell.strip() for cell in row)), 0)
            return filled, filled + 1
        return named, _after_head(rows, named)
    if named is not None and named < data:
        last = data
        while last > named + 1 and (
            last - named > MAX_HEAD_ROWS or not _in_head(rows[last - 1], rows[named])
        ):
            last -= 1
        return _above(rows, named), last
    first = data
    while first > 0 and data - first < MAX_HEAD_ROWS and _could_be_head(rows[first - 1], rows[data]):
        first -= 1
    return first, data


def _above(rows: list[list[str]], named: int) -> int:
    """Return the row of the tickers that may stand above the names of the columns."""
    if named and len(rows[named - 1]) == len(rows[named]) and _could_be_head(rows[named - 1], rows[named]):
        cells = [cell.strip() for cell in rows[named - 1]]
        return named - 1 if sum(bool(cell) for cell in cells) >= 2 or not cells[0] else named
    return named


def _after_head(rows: list[list[str]], named: int) -> int:
    last = named + 1
    while last < len(rows) and last - named < MAX_HEAD_ROWS and _in_head(rows[last], rows[named]):
        last += 1
    return last


def _is_header(row: list[str]) -> bool:
    names = [normalise(cell) for cell in row]
    prices = sum(bool(name) and name in PRICE_WORDS for name in names)
    return header_words(row) >= 2 and (prices >= 1 or len(names) == 2) and not any(map(_looks_numeric, row))


def _looks_numeric(cell: str) -> bool:
    return bool(re.fullmatch(r"\s*[-+]?\d+[.,]?\d*\s*", cell)) and len(cell.strip()) > 0


def _is_comment(row: list[str]) -> bool:
    return bool(row) and row[0].lstrip().startswith(("#", "//"))


def _in_head(row: list[str], header: list[str]) -> bool:
    """Tell whether a row below the names still belongs to the header: tickers, or the name of the index."""
    cells = [cell.strip() for cell in row]
    if not any(cells) or len(cells) < 2 or any(_NUMBER.match(cell) for cell in cells):
        return False
    first = normalise(cells[0])
    return len(row) == len(header) and (
        first in ("ticker", "date", "datetime", "symbol", "price", "") or first in ALL_WORDS
    )


def _could_be_head(row: list[str], data: list[str]) -> bool:
    cells = [cell.strip() for cell in row]
    filled = [cell for cell in cells if cell]
    numbers = sum(bool(_NUMBER.match(cell)) for cell in filled)
    return len(filled) >= 1 and len(cells) >= max(2, len(data) - 1) and numbers == 0 and not _is_comment(row)


def _trim(row: list[str]) -> list[str]:
    cells = [cell.strip() for cell in row]
    if cells and cells[0].startswith("#"):
        cells[0] = cells[0].lstrip("# ")
    return cells


def _body(
    text: str, delimiter: str, skip: int, width: int, where: str
) -> tuple[pd.DataFrame, Any, list[str]]:
    """Return the cells below the header as texts, their lines, and what was passed over."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.StringIO(text), sep=r"\s+" if delimiter == " " else delimiter, header=None, skiprows=skip,
                names=list(range(width)), dtype=str, index_col=False, skip_blank_lines=False, keep_default_na=False,
                low_memory=False, skipinitialspace=True,
            )  # fmt: skip
        frame = frame.fillna("")
        lines = np.arange(len(frame), dtype=np.int64) + skip + 1
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError):
        frame, lines = _slow_body(text, delimiter, skip, width, where)
    filled = (frame != "").any(axis=1).to_numpy(dtype=bool)
    comment = frame[0].str.match(r"\s*(?:#|//)").to_numpy(dtype=bool) if len(frame) else filled
    notes = [f"{int(comment.sum())} comment lines passed over"] if comment.any() else []
    keep = filled & ~comment
    return frame[keep].reset_index(drop=True), lines[keep], notes


def _slow_body(text: str, delimiter: str, skip: int, width: int, where: str) -> tuple[pd.DataFrame, Any]:
    rows, lines = [], []
    for number, line in enumerate(text.split("\n")[skip:], start=skip + 1):
        cells = split_line(line, delimiter)
        while len(cells) > width and not cells[-1].strip():
            cells.pop()
        if len(cells) > width:
            if is_data(cells):
                raise DataError(f"{where} line {number}: {len(cells)} cells where the header has {width}")
            cells = cells[:width]
        rows.append(cells + [""] * (width - len(cells)))
        lines.append(number)
    return pd.DataFrame(rows, columns=list(range(width)), dtype="str"), np.array(lines, dtype=np.int64)


def _square(head: list[list[str]], body: pd.DataFrame) -> tuple[list[list[str]], pd.DataFrame]:
    """Give header and rows the same width: a nameless first column, or empty ones at the end."""
    empty = [bool((body[column] == "").all()) for column in body]
    width = len(empty)
    while width > 1 and empty[width - 1] and all(len(row) < width or not row[width - 1] for row in head):
        width -= 1
    squared = []
    for row in head:
        lacking = width - len(row)
        if (
            lacking == 1
            and len(head) == 1
            and _DATE.match(str(body.iloc[0, 0])) is not None
            and normalise(row[0]) in PRICE_WORDS
        ):
            row = ["", *row]
        squared.append((row + [""] * max(0, width - len(row)))[:width])
    return squared, body[list(range(width))]


def cell_sheet(rows: list[list[Any]], name: str, where: str) -> Sheet:
    """Return the cells of a spreadsheet as texts, header found as in a text."""
    from forewalk.data.formats.containers import Sheet

    texts = [[_cell(value) for value in row] for row in rows]
    first, last = find_table(texts[:SAMPLE_LINES])
    last = first if last is None else last
    width = max(len(row) for row in texts)
    body = pd.DataFrame(
        [row + [""] * (width - len(row)) for row in texts[last:]], columns=list(range(width)), dtype="str"
    )
    keep = (body != "").any(axis=1).to_numpy(dtype=bool)
    lines = (np.arange(len(body)) + last + 1)[keep]
    head, body = _square([_trim(row) for row in texts[first:last]], body[keep].reset_index(drop=True))
    return Sheet(where, name, head, body, lines, "row", excel=True)


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, float):
        return repr(int(value)) if value == int(value) and abs(value) < 2**53 else repr(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else str(value).strip()
