"""`python -m engine.audit`: the door; `forewalk audit` is the same."""

from engine.cli.app import run

run("audit")
