"""`python -m engine.reproduce`: the door; `forewalk reproduce` is the same."""

from engine.cli.app import run

run("reproduce")
