"""What is put into a run's pages later: the leak certificate on top, and which features carry the forecast."""

from __future__ import annotations

import re
from pathlib import Path

BEGIN, END = "<!-- certificate -->", "<!-- /certificate -->"
PAGES = ("index.html", "forecast.html")
NONE_YET = (
    f'{BEGIN}<p class="aid">There is no leak certificate for this run yet; '
    f"<code>python -m engine.audit RUN</code> makes one.</p>{END}"
)
EXPLANATION = "<!-- explanation -->", "<!-- /explanation -->"
NOT_EXPLAINED = (
    f'{EXPLANATION[0]}<p class="aid">Which of them carry the forecast: <code>forewalk explain RUN</code> '
    f"measures it.</p>{EXPLANATION[1]}"
)


def show_certificate(run: Path, fragment: str) -> None:
    """Put an HTML fragment, already escaped, in the certificate's place on the run's pages."""
    _put(run, PAGES, (BEGIN, END), fragment)


def show_explanation(run: Path, fragment: str) -> None:
    """Put an HTML fragment, already escaped, in the explanation's place on the forecast page."""
    _put(run, ("forecast.html",), EXPLANATION, fragment)


def _put(run: Path, pages: tuple[str, ...], marks: tuple[str, str], fragment: str) -> None:
    begin, end = marks
    for name in pages:
        page = run / name
        if not page.is_file():
            continue
        text = page.read_text(encoding="utf-8")
        pattern = re.escape(begin) + ".*?" + re.escape(end)
        fresh = re.sub(pattern, lambda _: begin + fragment + end, text, count=1, flags=re.DOTALL)
        temporary = page.with_name(f".{name}.tmp")
        temporary.write_text(fresh, encoding="utf-8")
        temporary.replace(page)
