"""The command line."""

import sys

try:
    import forewalk.shadows  # noqa: F401 - the package looks whether our names lead to us
except ImportError as problem:
    if not hasattr(problem, "exit_code"):
        raise
    print(f"error: {problem}", file=sys.stderr)  # the doors' own way of saying it lies behind this import
    sys.exit(problem.exit_code)
