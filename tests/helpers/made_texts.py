"""Made-up texts about made-up symbols, at moments that matter."""

import json

import numpy as np
import pandas as pd

GOOD = (
    "beats estimates and raises guidance",
    "shares surge on record profit",
    "upgraded, strong growth ahead",
)
BAD = (
    "misses estimates and cuts guidance",
    "shares plunge on weak profit",
    "downgraded, probe and lawsuit ahead",
)
PLAIN = ("holds its annual meeting today", "names a new officer of finance", "opens an office in Ohio")


def many(symbols, first, last, count, seed=0, seen=True):
    """Texts at random moments between two days, as a table of rows."""
    random = np.random.default_rng(seed)
    begin, end = (pd.Timestamp(day, tz="UTC").value // 10**9 for day in (first, last))
    moments = np.sort(random.integers(begin, end, count))
    rows = []
    for number, moment in enumerate(moments.tolist()):
        symbol = symbols[int(random.integers(len(symbols)))]
        words = (GOOD, BAD, PLAIN)[int(random.integers(3))]
        row = {
            "id": f"t{number}",
            "published": pd.Timestamp(moment, unit="s", tz="UTC").isoformat(),
            "symbols": symbol,
            "headline": f"{symbol} {words[int(random.integers(3))]}, case {int(random.integers(10**9))}",
        }
        if seen:
            row["first_seen"] = pd.Timestamp(
                moment + int(random.integers(0, 120)), unit="s", tz="UTC"
            ).isoformat()
        rows.append(row)
    return pd.DataFrame(rows)


def written(frame, path):
    """Write texts in the form that the ending names; return the path."""
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif path.suffix == ".json":
        path.write_text(json.dumps({"news": frame.to_dict("records"), "next_page_token": None}))
    else:
        frame.to_csv(path, index=False)
    return path
