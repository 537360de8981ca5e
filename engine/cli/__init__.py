"""The command line."""

import sys

try:
    import forewalk  # noqa: F401 - looks whether the names of our packages lead to them
except ImportError as problem:
    if not hasattr(problem, "exit_code"):
        raise
    print(f"error: {problem}", file=sys.stderr)  # the doors' own way of saying it lies behind this import
    sys.exit(problem.exit_code)
