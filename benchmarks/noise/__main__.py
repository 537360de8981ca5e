"""`python -m benchmarks.noise [STUDY ...]`: sweeping, claims, sizes, power, tuning; see docs/luck.md.

What a study found is kept in benchmarks/results/noise/, a line a panel: started again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread per process, as the engine runs

import pandas as pd

from benchmarks.noise import claims, power, sizes, sweeping, tuning
from benchmarks.noise.kept import work_through

RESULTS = Path(__file__).resolve().parent.parent / "results" / "noise"
STUDIES = ("sweeping", "claims", "sizes", "power", "tuning")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.noise", description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*", metavar="STUDY", help=f"{', '.join(STUDIES)}; none means all")
    parser.add_argument(
        "--panels", type=int, default=200, help="of each kind (claims), or to find a signal in"
    )
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where findings are kept")
    options = parser.parse_args()
    unknown = set(options.studies) - set(STUDIES)
    if unknown:
        parser.error(f"no study {', '.join(sorted(unknown))}; there are {', '.join(STUDIES)}")
    pd.set_option("display.width", 150)
    for name in options.studies or STUDIES:
        begun = time.perf_counter()
        print(f"{name}:")
        print(_found(name, options.panels, options.folder))
        print(f"{time.perf_counter() - begun:.0f} s by the clock\n", flush=True)


def _found(name: str, panels: int, folder: Path) -> str:
    if name == "sweeping":
        return sweeping.report(panels // 2, panels // 10)
    if name == "sizes":
        table = work_through(folder / "sizes.jsonl", sizes.tasks(), sizes.study, print)
        return table.round(3).to_string(index=False)
    if name == "power":
        table = work_through(folder / "power.jsonl", power.tasks(panels), power.study, print)
        return power.summary(table).round(2).to_string()
    if name == "tuning":
        table = work_through(folder / "tuning.jsonl", tuning.tasks(panels), tuning.study, print)
        return tuning.summary(table).round(4).to_string()
    table = work_through(folder / "claims.jsonl", claims.tasks(panels), claims.study, print)
    return claims.summary(table).round(3).to_string()


if __name__ == "__main__":
    main()
