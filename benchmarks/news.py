"""What texts are worth: each scorer's accuracy and time, what tone and number foretell, and the leak trap, caught.

`python -m benchmarks news` needs the shared text files and prices, and says so where they are absent.
"""

from __future__ import annotations

from benchmarks.data import KDD17
from benchmarks.measure import Report
from benchmarks.news_forecasts import add_forecasts
from benchmarks.news_scorers import NEWS, add_scorers


def run() -> Report:
    """Measure all of it; nothing where the data are not here."""
    if not (NEWS.exists() and KDD17.exists()):
        return Report("news", f"nothing was measured: {NEWS} is not here")
    report = Report("news", "three labelled corpora; tweets of 2014-2016 with the prices of kdd17")
    add_scorers(report)
    add_forecasts(report)
    return report
