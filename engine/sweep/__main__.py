"""`python -m engine.sweep`: the door; `forewalk sweep` is the same."""

from engine.cli.app import run

run("sweep")
