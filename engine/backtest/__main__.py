"""`python -m engine.backtest`: the door; `forewalk backtest` is the same."""

from engine.cli.app import run

run("backtest")
