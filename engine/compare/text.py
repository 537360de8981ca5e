"""A comparison in sentences, forecasts first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine.compare.differences import Difference
from engine.compare.result import SIGNIFICANT_P, Comparison, Pairing
from engine.evaluation.metrics.accounts.bootstrap import Interval
from engine.evaluation.paired import AccountPair, ForecastPair

MOST_NAMED = 6


def lines(found: Comparison) -> list[str]:
    """Return what a person reads: what differs, then each pairing."""
    said = [difference_sentence(found)]
    said += [f"  {line}" for line in map(difference_line, found.differences)]
    for pairing in found.pairings:
        said += ["", *pairing_lines(pairing, len(found.pairings))]
    return [
        *said,
        "",
        "The tests know these runs only, not how many were tried before; `forewalk trials` does.",
    ]


def pairing_lines(pairing: Pairing, tests: int = 1) -> list[str]:
    """Return the sentences about two runs; `tests` is how many pairings share the error probability."""
    said = []
    if pairing.forecasts is not None:
        said.append(forecast_line(pairing.a, pairing.b, pairing.forecasts))
        if tests > 1 and pairing.adjusted_p is not None:
            said.append(f"  allowing for {tests} tests (Holm), p = {pairing.adjusted_p:.3f}")
    return [*said, account_line(pairing.a, pairing.b, pairing.accounts)]


def difference_sentence(found: Comparison) -> str:
    """Return in one sentence what the runs differ in."""
    names = " and ".join(found.runs) if len(found.runs) == 2 else f"These {len(found.runs)} runs"
    if not found.differences:
        return f"{names} differ in nothing that can change a result."
    if found.only_the_seed:
        return f"{names} differ in the seed only: whatever differs below is the luck of a seed."
    kinds = dict.fromkeys(each.kind for each in found.differences)
    words = {"setting": "settings", "feature": "what the model sees", "data": "data", "code": "code"}
    seed = next((each for each in found.differences if each.key == "seed"), None)
    also = "; the seed differs too, so part of it is luck of a seed" if seed else ""
    return f"{names} differ in {' and '.join(words[kind] for kind in kinds)}{also}."


def difference_line(each: Difference) -> str:
    """Return one difference in words: its key and the value in each run."""
    if each.kind == "feature":
        return f"feature {each.key}: " + " / ".join("seen" if seen else "not seen" for seen in each.values)
    return f"{each.key}: " + " / ".join(_shown(value) for value in each.values)


def forecast_line(a: str, b: str, pair: ForecastPair) -> str:
    """Return who forecasts better, by how much, and whether it may be luck."""
    p = pair.test.p_two_sided
    tested = "no test is possible" if p is None else f"Diebold-Mariano p = {p:.3f}"
    better = pair.mse_a < pair.mse_b
    luck = "" if p is not None and p < SIGNIFICANT_P else "; that is within luck"
    if pair.mse_a == pair.mse_b:
        return f"{a} and {b} forecast with the same error ({pair.cells:,} forecasts)."
    size = "" if pair.skill is None else f"{abs(pair.skill):.3%} "
    return (
        f"The forecasts of {a} have a squared error {size}{'lower' if better else 'higher'} than those "
        f"of {b} ({tested}, {pair.cells:,} forecasts on {pair.bars:,} bars){luck}."
    )


def account_line(a: str, b: str, pair: AccountPair) -> str:
    """Return what both accounts earned over the shared bars, and whether the difference may be luck."""
    if pair.return_difference.value == 0 and pair.return_a == pair.return_b:
        return f"{a} and {b} have the same account: {pair.return_a:.1%} over {pair.bars:,} bars."
    return (
        f"{a} returned {pair.return_a:.1%} and {b} {pair.return_b:.1%} over {pair.bars:,} bars: "
        f"{signed(pair.return_difference, '{:+.1%}')} a year, Sharpe ratio "
        f"{_number(pair.sharpe_a)} against {_number(pair.sharpe_b)}, "
        f"difference {signed(pair.sharpe_difference, '{:+.2f}')}{_luck(pair.return_difference)}."
    )


def signed(interval: Interval, form: str) -> str:
    """Return a number with its 95 % interval, where there is one."""
    value = _number(interval.value, form)
    if interval.low is None:
        return value
    return f"{value} (95% interval {_number(interval.low, form)} to {_number(interval.high, form)})"


def _luck(interval: Interval) -> str:
    if interval.low is not None and interval.high is not None and interval.low * interval.high > 0:
        return ""
    return "; that is within luck"


def _number(value: float | None, form: str = "{:.2f}") -> str:
    return "-" if value is None else form.format(value)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_named(value)) or "none"
    return "none" if value is None else str(value)


def _named(values: Sequence[Any]) -> Iterator[str]:
    yield from map(str, values[:MOST_NAMED])
    if len(values) > MOST_NAMED:
        yield f"{len(values) - MOST_NAMED} more"
