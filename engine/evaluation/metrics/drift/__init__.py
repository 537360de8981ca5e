"""Drift: is what is seen now still what the walk-forward led to expect?"""

LOSS, COVERAGE, WIDTH, QLIKE = "loss", "coverage", "width", "qlike"  # the watches of forecasts; see `streams`
