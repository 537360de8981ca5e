"""Universe files, written for a test."""

from __future__ import annotations

HOLDINGS = """\ufeffiShares Russell 1000 ETF
Fund Holdings as of,"{date}"
Inception Date,"May 15, 2000"
Shares Outstanding,"123,450,000.00"
Stock,"-"
Bond,"-"
Cash,"-"
Other,"-"
\u00a0
Ticker,Name,Sector,Asset Class,Market Value,Weight (%),Notional,Quantity,Price,Location,Exchange,Cur
{rows}
"XTSLA","CASH FUND","Cash and/or Derivatives","Money Market","1","0.1","1","1","100","-","-","USD"
"ESU4","S&P500 EMINI SEP 24","Cash and/or Derivatives","Futures","0","0","1","1","5,000","-","-","USD"
\u00a0
"The content of this file belongs to its issuer."
"""


def holdings_text(date, *tickers):
    """Return a holdings file in an issuer's form: a preamble, the equities, cash and futures, a disclaimer."""
    row = (
        '"{0}","{0} INC","Technology","Equity","1,000.00","0.5","1,000.00","10.00","100.00","-","NYSE","USD"'
    )
    return HOLDINGS.format(date=date, rows="\n".join(row.format(ticker) for ticker in tickers))


def write_spans(path, *spans):
    """Write a table of (symbol, from, to[, delisting return]) and return its path."""
    lines = ["symbol,from,to,delisting_return"]
    lines += [",".join(str(part) for part in (*span, "", "")[:4]) for span in spans]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
