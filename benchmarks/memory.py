"""Peak memory of one process that trains and forecasts a large panel."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Report

SYMBOLS, ROWS, FEATURES = 500, 2600, 20
LIMIT_GB = 1.5
CHILD = f"""
import json, re
from pathlib import Path
from benchmarks.data import made_up
from benchmarks.train import problem
from models.base import fit
from models.lstm import LSTMForecaster

def peak():  # of this program alone; what getrusage tells includes the process that started it
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 2**20

spans = {{"return_spans": [1, 2, 3, 5, 10, 21], "ema_spans": [10, 20, 50], "sma_spans": [20, 100]}}
bars = made_up({SYMBOLS}, {ROWS})
found = {{"imports and bars": peak()}}
task = problem(bars, features=spans, model={{"max_epochs": 1, "seeds": 1}},
               folds={{"train_bars": 2000, "refit_every_bars": 600}})
found["features"] = peak()
fold = task.folds[-1]
model = fit(LSTMForecaster(task.settings.model, 7), task.data(fold))
found["training"] = peak()
model.predict_scaled(task.panel, int(fold.test[0]), len(task.panel))
found["forecasts"] = peak()
print(json.dumps([len(task.panel.names), found]))
"""


def run() -> Report:
    """Measure the peak in a process of its own."""
    report = Report("memory", f"made-up random walks, {SYMBOLS} symbols x {ROWS} bars x {FEATURES} features")
    child = subprocess.run(
        [sys.executable, "-c", CHILD],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parent.parent,
    )
    features, peaks = json.loads(child.stdout.splitlines()[-1])
    for step, gigabytes in peaks.items():
        last = step == "forecasts"
        report.add(
            f"peak resident memory after {step}",
            gigabytes,
            "GB",
            target=f"<= {LIMIT_GB} GB" if last else "",
            reached=gigabytes <= LIMIT_GB and features == FEATURES if last else None,
        )
    return report
