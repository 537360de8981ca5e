"""`python -m engine.forecast`: the door; `forewalk forecast` is the same."""

from engine.cli.app import run

run("forecast")
