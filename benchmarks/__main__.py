"""`python -m benchmarks [SUITE ...]`: print what each suite measures and write it to benchmarks/results/."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread per process, as the engine runs

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Report

SUITES = ("train", "predict", "simulate", "sweep", "scale", "memory", "startup", "parallel", "gpu")
NAMED = (
    "peers",
    "news",
    "serve",
    "pages",
    "whole",
)  # run where they are named: they need more than is here for everyone
RESULTS = Path(__file__).resolve().parent / "results"
USAGE = (
    f"usage: python -m benchmarks [SUITE ...]\nsuites: {', '.join((*SUITES, *NAMED))}; "
    f"without one: all but {', '.join(NAMED)}"
)


def main(arguments: list[str]) -> int:
    """Run the suites named, or all; return the exit code."""
    if {"-h", "--help"} & set(arguments):
        print(USAGE)
        return 0
    unknown = set(arguments) - {*SUITES, *NAMED}
    if unknown:
        print(f"no suite {', '.join(sorted(unknown))}\n{USAGE}", file=sys.stderr)
        return 2
    console = Console(width=None if sys.stdout.isatty() else 150)
    begun = time.perf_counter()
    for name in arguments or SUITES:
        if importlib.util.find_spec(f"benchmarks.{name}") is None:
            console.print(f"{name}: this suite is not here")
            continue
        report = importlib.import_module(f"benchmarks.{name}").run()
        write(report)
        show(report, console)
    console.print(f"{time.perf_counter() - begun:.0f} s by the clock")
    return 0


def write(report: Report) -> Path:
    """Write one report to benchmarks/results/<suite>.json."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{report.suite}.json"
    path.write_text(json.dumps(report.to_json(), indent=1) + "\n", encoding="utf-8")
    return path


def show(report: Report, console: Console) -> None:
    """Print one report as a table."""
    table = Table(title=f"{report.suite}: {report.data}", title_justify="left")
    for heading in ("what", "value", "ratio", "target", "reached"):
        table.add_column(heading, justify="right" if heading in ("value", "ratio") else "left")
    for line in report.lines:
        against = f" {line.against}" if line.against else ""
        ratio = "" if line.ratio is None else f"{line.ratio:.2f}{against}"
        reached = "" if line.reached is None else ("yes" if line.reached else "NO")
        note = f" ({line.note})" if line.note else ""
        table.add_row(line.what + note, f"{line.value:.4g} {line.unit}", ratio, line.target, reached)
    console.print(table)
    if isinstance(report.details.get("gpu"), str):
        console.print(f"GPU: {report.details['gpu']}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
