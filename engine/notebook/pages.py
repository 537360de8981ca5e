"""Pages and fragments of HTML that a notebook shows. What a user chose is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.evaluation.subject import Metrics
from engine.report.tables import Cells
from engine.report.wording.headline import headline_rows


@dataclass(frozen=True)
class Page:
    """A page of a run folder; a notebook shows it, `str` and `open` take it as its path."""

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        text = html.escape(self.path.read_text(encoding="utf-8"), quote=True)
        return f'<iframe srcdoc="{text}" title="{html.escape(self.path.name)}" width="100%" height="700"></iframe>'


def result_fragment(verdict: str, metrics: Metrics, data_lines: Sequence[str], path: Path | None) -> str:
    """Return the verdict, what was wrong with the data, and the headline numbers beside their baselines."""
    where = f"saved in {path}" if path is not None else "not saved: result.save() writes the run folder"
    return "".join(
        [
            f"<p><strong>{html.escape(verdict)}</strong></p>",
            "".join(f"<p>{html.escape(line)}</p>" for line in data_lines),
            table_fragment(("", "this run", "naive / buy-and-hold"), headline_rows(metrics)),
            f"<p>{html.escape(where)}</p>",
        ]
    )


def table_fragment(columns: Cells, rows: Iterable[Cells]) -> str:
    """Return a table, its first column as headings."""
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
