"""The leak certificate on top of a run's pages."""

from __future__ import annotations

import re
from pathlib import Path

BEGIN, END = "<!-- certificate -->", "<!-- /certificate -->"
PAGES = ("index.html", "forecast.html")
NONE_YET = (
    f'{BEGIN}<p class="aid">There is no leak certificate for this run yet; '
    f"<code>python -m engine.audit RUN</code> makes one.</p>{END}"
)


def show_certificate(run: Path, fragment: str) -> None:
    """Put an HTML fragment, already escaped, in the certificate's place on the run's pages."""
    for name in PAGES:
        page = run / name
        if not page.is_file():
            continue
        text = page.read_text(encoding="utf-8")
        pattern = re.escape(BEGIN) + ".*?" + re.escape(END)
        fresh = re.sub(pattern, lambda _: BEGIN + fragment + END, text, count=1, flags=re.DOTALL)
        temporary = page.with_name(f".{name}.tmp")
        temporary.write_text(fresh, encoding="utf-8")
        temporary.replace(page)
