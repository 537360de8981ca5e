"""`python -m engine.live`: the door; `forewalk live` is the same."""

from engine.cli.app import run

run("live")
