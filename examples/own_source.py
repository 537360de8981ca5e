"""Bars from a database of your own, as a source:

  python -m engine.backtest --source examples.own_source:Database --set data.options.file=prices.sqlite

`bars` is asked once and answers with a DataFrame; cleaning, folds, audit and reproduction are as with any other.
Give the class `remote = True` where a network is behind it: then its bars are cached. See docs/sources.md.
"""

import sqlite3

import pandas as pd


class Database:
    """Reads a table `prices(symbol, date, open, high, low, close, volume)`; dates are text, YYYY-MM-DD."""

    adjusted = "adjusted for splits and dividends by the one who filled the table"

    def __init__(self, file: str) -> None:
        self.file = file

    def bars(self, request) -> pd.DataFrame:
        """Return the rows of the symbols asked for, of all where none is named."""
        query = "SELECT symbol, date, open, high, low, close, volume FROM prices"
        if request.symbols:
            query += f" WHERE symbol IN ({', '.join('?' * len(request.symbols))})"
        connection = sqlite3.connect(self.file)
        try:
            return pd.read_sql(query, connection, params=list(request.symbols))
        finally:
            connection.close()
