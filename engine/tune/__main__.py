"""`python -m engine.tune`: the door; `forewalk tune` is the same."""

from engine.cli.app import run

run("tune")
