"""`python -m engine.cli` is `forewalk`."""

from engine.cli.app import main

main()
