"""Findings on disk, a line each: a study that was stopped goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

Task = TypeVar("Task")


def work_through(
    path: Path,
    tasks: Sequence[Task],
    study: Callable[[Task], dict[str, Any]],
    say: Callable[[str], None] = lambda line: None,
) -> pd.DataFrame:
    """Do the tasks (dataclasses) that `path` does not hold yet; return all that it holds of them, one row each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done = _read(path)
    for number, task in enumerate(tasks):
        key = json.dumps(asdict(task), sort_keys=True)
        if key not in done:
            done[key] = study(task)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"task": asdict(task), "found": done[key]}) + "\n")
        if (number + 1) % 25 == 0:
            say(f"{path.stem}: {number + 1} of {len(tasks)}")
    keys = [json.dumps(asdict(task), sort_keys=True) for task in tasks]
    return pd.DataFrame([{**json.loads(key), **done[key]} for key in keys])


def _read(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    done = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # cut off while it was written
            continue
        done[json.dumps(row["task"], sort_keys=True)] = row["found"]
    return done
