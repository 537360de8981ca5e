"""Rerun a stored run and say what differs, and why it may.

`python -m engine.reproduce RUN` reads the run's own config.toml, so the stored folder is all it needs besides
the data.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from forewalk.plugins.holding import Own


@dataclass(frozen=True)
class Difference:
    """One table that is not the same: in how many values, and by how much at the most."""

    what: str
    values: int
    largest: float | None
    note: str


@dataclass(frozen=True)
class Reproduction:
    """What a rerun found.

    Attributes:
        run: folder of the stored run.
        compared: values compared per table.
        differences: empty when everything is equal, bit for bit.
        causes: what has changed since: data, code, libraries, machine.
    """

    run: str
    compared: dict[str, int]
    differences: tuple[Difference, ...]
    causes: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether every value is equal."""
        return not self.differences

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "same": self.same}

    def _repr_html_(self) -> str:
        return "".join(f"<p>{html.escape(line)}</p>" for line in self.lines())

    def lines(self) -> list[str]:
        """Return the result as text."""
        counts = ", ".join(f"{count} values of {what}" for what, count in self.compared.items())
        if self.same:
            return [f"reproduced: {counts} are equal, bit for bit", *self._cause_lines()]
        lines = [f"NOT reproduced ({counts} compared)"]
        for item in self.differences:
            size = "" if item.largest is None else f", largest difference {item.largest:.3g}"
            lines.append(f"  {item.what}: {item.values} values differ{size}; {item.note}")
        return lines + (
            self._cause_lines() or ["  data, code and libraries are unchanged: please report this"]
        )

    def _cause_lines(self) -> list[str]:
        return [f"  changed since: {cause}" for cause in self.causes]


def reproduce(
    run: Path,
    where: Sequence[str] = (),
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Reproduction:
    """Run the stored settings again and compare forecasts, orders, equity and metrics.

    Args:
        run: folder of a finished run.
        where: overrides that change no result: `jobs=2`, `executor=local`, `address=HOST:PORT`.
        progress: called with (what, done, total).

    Raises:
        DataError: `run` is not a complete run folder.
    """
    import pandas as pd

    from engine.backtest.job import backtest
    from engine.runs.folder import forecast_table, make_manifest, read_run
    from forewalk.settings.loading import load_settings

    stored = read_run(run)
    settings = load_settings(run / "config.toml", where, environment={})
    result = backtest(settings, progress)
    fresh = {
        "forecasts": forecast_table(result.subject.forecasts, result.subject.actual, result.subject.bars),
        "equity": result.subject.simulation.equity,
        "orders": result.subject.simulation.orders,
        "metrics": pd.DataFrame(numbers_by_path(result.metrics.to_json()), columns=["name", "value"]),
    }
    old = {
        "forecasts": stored.forecasts,
        "equity": stored.equity,
        "orders": stored.orders,
        "metrics": pd.DataFrame(numbers_by_path(stored.metrics), columns=["name", "value"]),
    }
    differences = [found for name in fresh if (found := _compare(name, old[name], fresh[name]))]
    beside, factors = result.subject.benchmark, result.subject.factors
    manifest = make_manifest(
        settings,
        result.subject.bars.fingerprint,
        benchmark=None if beside is None else beside.fingerprint,
        factors=None if factors is None else factors.source.sha256,
    )
    return Reproduction(
        run=str(run),
        compared={name: int(table.size) for name, table in old.items()},
        differences=tuple(differences),
        causes=(*_own_code_changes(run, stored.manifest, result.own), *_causes(stored.manifest, manifest)),
    )


def _own_code_changes(run: Path, manifest: dict[str, Any], own: Own) -> list[str]:
    """Return which of the user's own code is not what the run was made with."""
    from forewalk.plugins.holding import FOLDER, changed_since

    as_it_was = f"as it was: {run / FOLDER}"
    return [f"your own code: {what}; {as_it_was}" for what in changed_since(manifest, own.sources)]


def _compare(what: str, old: pd.DataFrame, new: pd.DataFrame) -> Difference | None:
    import io

    import numpy as np
    import pandas as pd

    from engine.runs.cells import to_csv

    if what == "orders":  # stored as text: compare the text
        new = pd.read_csv(io.StringIO(to_csv(new)))
    if list(old.columns) != list(new.columns):
        return Difference(what, abs(old.size - new.size), None, f"columns {list(new.columns)}")
    if len(old) != len(new):
        return Difference(what, abs(old.size - new.size), None, f"{len(old)} rows stored, {len(new)} now")
    count, largest, columns = 0, 0.0, []
    for column in old.columns:
        a, b = old[column], new[column]
        if pd.api.types.is_float_dtype(a) and pd.api.types.is_numeric_dtype(b):
            x, y = a.to_numpy(float), b.to_numpy(float)
            unequal = ~((x == y) | (np.isnan(x) & np.isnan(y)))
            gap = np.abs(x - y)[unequal & np.isfinite(x) & np.isfinite(y)]
            largest = max(largest, float(gap.max(initial=0.0)))
        else:
            unequal = (a.astype(str).fillna("") != b.astype(str).fillna("")).to_numpy()
        if unequal.any():
            count += int(unequal.sum())
            columns.append(f"{column} from row {int(unequal.argmax())}")
    return Difference(what, count, largest, "first: " + ", ".join(columns)) if count else None


def numbers_by_path(metrics: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return every number by its dotted key, without `luck`, which depends on the other runs in the ledger."""
    kept = ((path, value) for path, value in _parts(metrics, "") if not path.startswith("luck."))
    return [
        (path, math.nan if value is None else float(value))
        for path, value in kept
        if value is None or isinstance(value, bool | int | float)
    ]


def _parts(tree: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every value with its path; the items of a list by their number."""
    items = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list) else None
    if items is None:
        yield path, tree
        return
    for key, value in items:
        yield from _parts(value, f"{path}.{key}" if path else str(key))


def _causes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    causes = []
    if old.get("benchmark") != new["benchmark"]:
        causes.append("benchmark (another fingerprint: its bars were added or revised)")
    if old.get("factors") != new["factors"]:
        causes.append("factors (the file of evaluation.factors was changed)")
    if old["data_fingerprint"] != new["data_fingerprint"]:
        causes.append("data (another fingerprint: bars were added or revised)")
    if old["code"]["sha256"] != new["code"]["sha256"]:
        causes.append(f"code ({old['code']['commit']} then, {new['code']['commit']} now)")
    for library, now in new["libraries"].items():
        then = old["libraries"].get(library)
        if then != now:
            causes.append(f"{library} ({then} then, {now} now)")
    both = [(what, old[what], new[what]) for what in ("python", "machine")]
    return causes + [f"{what} ({then} then, {now} now)" for what, then, now in both if then != now]
