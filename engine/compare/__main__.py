"""`python -m engine.compare`: the door; `forewalk compare` is the same."""

from engine.cli.app import run

run("compare")
