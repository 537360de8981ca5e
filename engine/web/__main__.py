"""`python -m engine.web`: the door; `forewalk serve` is the same."""

from engine.cli.app import run

run("serve")
