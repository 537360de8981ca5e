"""The next forecast and the track record as lines and as a table."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np

from engine.forecast.answer import Answer, SymbolForecast
from engine.forecast.job import Given
from engine.forecast.skill import Skill
from engine.forecast.track import TrackRecord
from engine.runs.cells import guarded

MOST_PARTS = 5  # of a forecast, the largest ones


def lines(given: Given) -> list[str]:
    """Return what a person reads: per symbol the range, how sure the direction is, the order, the record so far."""
    answer = given.answer
    said = [
        f"as of {answer.asof:%Y-%m-%d %H:%M} UTC, for {answer.session}"
        + (f", {bars_of(answer.horizon_bars)} ahead" if answer.horizon_bars > 1 else "")
        + (f", by the newest model of {answer.run}" if answer.run else ", trained just now")
    ]
    for each in answer.symbols:
        said += ["", *_symbol_lines(each), *_made_of(given.made_of, each.symbol)]
    said += [""] if answer.silent else []
    said += [f"{symbol}: no forecast ({reason})" for symbol, reason in answer.silent.items()]
    said += ["", f"all symbols, out of sample: {record(answer.skill)}"]
    said += [f"note: {note}" for note in answer.notes]
    return [*said, _logged(given)]


def table(*answers: Answer) -> str:
    """Return the forecasts as CSV, a row per symbol and answer."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = [f"{side}_{level}" for level in (50, 80, 95) for side in ("low", "high")]
    heads = ["symbol", "asof", "closes_at", "horizon_bars", "close", "mean", "std", "p_up"]
    writer.writerow([*heads, *names, "order"])
    for given, each in [(answer, each) for answer in answers for each in answer.symbols]:
        ends = [f"{end!r}" for level in ("50", "80", "95") for end in each.bands[level]]
        numbers = [repr(value) for value in (each.close, each.mean, each.std, each.p_up)]
        times = [each.asof.isoformat(), each.closes_at.isoformat(), str(given.horizon_bars)]
        writer.writerow([guarded(each.symbol), *times, *numbers, *ends, guarded(each.order or "")])
    return buffer.getvalue()


def track_lines(found: TrackRecord) -> list[str]:
    """Return the track record in words: how many forecasts, how many are settled, and how they fared."""
    table = found.forecasts
    problems = [f"PROBLEM: {problem}" for problem in found.problems]
    if not len(table):
        return ["no forecast has been given yet; `forewalk forecast` gives one", *problems]
    settled = int(np.isfinite(table["actual"]).sum())
    said = [
        f"{len(table)} forecasts since {table['written'].min():%Y-%m-%d %H:%M} UTC, {settled} of them settled"
    ]
    for bars, skill in found.by_horizon.items():
        # forecasts over one bar and over five are different questions
        over = "" if len(found.by_horizon) == 1 else f", over {bars_of(bars)}"
        said.append(f"all{over}: {record(skill)}")
        said += [
            f"{symbol}{over}: {record(own)}"
            for (horizon, symbol), own in found.by_symbol.items()
            if horizon == bars
        ]
    intact = ["each was written down before its outcome was known; the log has not been altered since"]
    return said + (problems or intact)


def _symbol_lines(each: SymbolForecast) -> list[str]:
    said = [f"{each.symbol}  {each.close:,.2f}  at the close of {each.asof:%Y-%m-%d %H:%M} UTC"]
    for level, (low, high) in each.bands.items():
        returns = f"{np.expm1(low):+.2%} to {np.expm1(high):+.2%}"
        if each.price_bands:
            down, up = each.price_bands[level]
            said.append(f"  in {level} of 100 such cases between {down:,.2f} and {up:,.2f} ({returns})")
        else:
            said.append(f"  in {level} of 100 such cases {returns} beside the mean of all")
    return [
        *said,
        f"  expected {np.expm1(each.mean):+.3%}, give or take {each.std:.2%}; up with {each.p_up:.1%}",
        f"  order: {each.order or 'none'}",
        f"  so far: {record(each.skill)}",
    ]


def _made_of(told: dict[str, Any] | None, symbol: str) -> list[str]:
    """Return what a forecast is made of in a line: the baseline and the largest parts."""
    found = next((each for each in (told or {"symbols": []})["symbols"] if each["symbol"] == symbol), None)
    if told is None or found is None:
        return []
    largest = sorted(found["parts"].items(), key=lambda item: -abs(item[1]))[:MOST_PARTS]
    unit = "units of the score" if told["unit"] == "score" else "multiples of its volatility"
    whose = "the networks' part, " if told["of"] == "network" else ""
    parts = ", ".join(f"{name} {value:+.3f}" for name, value in largest)
    rest = found["value"] - found["baseline"] - sum(value for _, value in largest)
    ends = f"{whose}{found['value']:+.3f} = {found['baseline']:+.3f} of an average bar"
    return [f"  made of, in {unit}: {ends}; {parts}; all others {rest:+.3f}"]


def bars_of(count: int) -> str:
    """Return "1 bar" or "n bars"."""
    return f"{count:,} bar" if count == 1 else f"{count:,} bars"


def record(skill: Skill) -> str:
    """Return how past forecasts fared, in words."""
    if not skill.forecasts:
        return "no outcome is known yet"
    parts = [f"direction right {skill.right:,} of {skill.directions:,}"]
    if skill.directions:
        parts[0] += (
            f" ({skill.right / skill.directions:.1%}; always the commoner sign: {skill.base or 0:.1%})"
        )
    if skill.inside is not None:
        held = ", ".join(f"{skill.inside[level]:.0%} of {level}" for level in ("50", "80", "95"))
        parts.append(f"ranges held {held}")
    if skill.skill is not None:
        better = "better" if skill.skill > 0 else "worse"
        parts.append(f"error {abs(skill.skill):.2%} {better} than 'no change'")
    return "; ".join(parts)


def _logged(given: Given) -> str:
    entered = given.entered
    said = [f"{entered.written} written to the forecast log"]
    if entered.known:
        said.append(f"{entered.known} were there already")
    if entered.closed:
        said.append(f"{entered.closed} not: their outcome has closed already, so it is no forecast any more")
    if given.scored:
        said.append(f"{given.scored} earlier ones settled")
    return "; ".join(said)
