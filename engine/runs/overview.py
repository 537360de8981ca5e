"""The runs of a folder at a glance."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class RunOverview:
    """One finished run in a line.

    Attributes:
        name: of its folder. path: of it. created: ISO 8601, UTC. verdict: in words, bad news first.
        symbols: with a forecast. first, last: dates of the first and last bar out of sample.
        horizon_bars, model, seed: of its settings. data_fingerprint: of its bars.
        skill_mse: 1 - squared error / that of "no change". direction: share of right signs.
        sharpe, total_return, max_drawdown: of its account after costs. None where unknown.
        latest: whether `latest` leads to it.
    """

    name: str
    path: str
    created: str
    verdict: str
    symbols: int | None
    first: str | None
    last: str | None
    horizon_bars: int | None
    model: str | None
    seed: int | None
    data_fingerprint: str
    skill_mse: float | None
    direction: float | None
    sharpe: float | None
    total_return: float | None
    max_drawdown: float | None
    latest: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Overview:
    """Runs, the newest first, and what is wrong with folders that look like one."""

    runs: tuple[RunOverview, ...]
    problems: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"runs": [run.to_dict() for run in self.runs], "problems": list(self.problems)}


def overview(folder: Path) -> Overview:
    """Return the runs in a folder, the newest first; a folder that is not there has none.

    A run whose files cannot be read is a problem in words, not left out in silence.
    """
    latest = (folder / "latest").resolve()
    found, problems = [], []
    for manifest in sorted(folder.glob(f"*/{MANIFEST}")):
        place = manifest.parent
        if place.is_symlink() or place.name.startswith("."):
            continue
        try:
            found.append(_read(place, latest))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            problems.append(f"{place}: a file of the run is missing or damaged: {problem}")
    return Overview(tuple(sorted(found, key=lambda run: run.created, reverse=True)), tuple(problems))


def overview_lines(found: Overview, folder: Path) -> list[str]:
    """Return the runs as text, a line each."""
    if not found.runs and not found.problems:
        return [f"no run in {folder}; `forewalk backtest` makes one"]
    width = max((len(run.name) for run in found.runs), default=0)
    heads = ("Sharpe", "return", "skill", "right")
    lines = [f"{'':<{width + 1}}  {'out of sample':<24}  " + "".join(f"{head:>9}" for head in heads)]
    for run in found.runs:
        numbers = (
            _number(run.sharpe, "{:.2f}"),
            _number(run.total_return, "{:+.1%}"),
            _number(run.skill_mse, "{:+.2%}"),
            _number(run.direction, "{:.1%}"),
        )
        span = f"{run.first or '-'} to {run.last or '-'}"
        mark = "*" if run.latest else " "
        lines.append(f"{run.name:<{width}}{mark}  {span:<24}  " + "".join(f"{text:>9}" for text in numbers))
    if any(run.latest for run in found.runs):
        lines.append("* is latest")
    return lines + [f"PROBLEM: {problem}" for problem in found.problems]


def _read(place: Path, latest: Path) -> RunOverview:
    manifest, metrics = (
        json.loads((place / name).read_text(encoding="utf-8")) for name in (MANIFEST, "metrics.json")
    )
    settings = tomllib.loads((place / "config.toml").read_text(encoding="utf-8"))
    universe, account = metrics.get("universe") or {}, metrics.get("strategy") or {}
    skill = (metrics.get("forecast") or {}).get("overall") or {}
    return RunOverview(
        name=place.name,
        path=str(place),
        created=str(manifest["created"]),
        verdict=str(manifest.get("verdict", "")),
        symbols=universe.get("forecast_symbols"),
        first=_day(universe.get("first_test_bar")),
        last=_day(universe.get("last_bar")),
        horizon_bars=settings["label"]["horizon_bars"],
        model=settings["model"].get("kind", "recurrent"),
        seed=settings["seed"],
        data_fingerprint=str(manifest["data_fingerprint"]),
        skill_mse=(skill.get("returns") or {}).get("skill_mse"),
        direction=(skill.get("direction") or {}).get("accuracy"),
        sharpe=account.get("sharpe"),
        total_return=account.get("total_return"),
        max_drawdown=account.get("max_drawdown"),
        latest=place.resolve() == latest,
    )


def _day(moment: str | None) -> str | None:
    return None if moment is None else moment[:10]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
