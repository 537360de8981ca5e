"""The tests with their folders in another order each time: `python tests/shuffled.py [SEED] [flags of pytest]`.

A test that needs what an earlier file left behind, or a file found only because of an earlier folder, fails here.
"""

import random
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def folders(seed):
    """Every folder that has test files of its own, in the order of a seed."""
    found = sorted({path.parent for path in TESTS.rglob("test_*.py")})
    random.Random(seed).shuffle(found)
    return found


def main(arguments):
    seed, flags = random.randrange(10**6), arguments
    if arguments and arguments[0].isdigit():
        seed, flags = int(arguments[0]), arguments[1:]
    files = [file for folder in folders(seed) for file in sorted(folder.glob("test_*.py"))]
    print(f"folders in the order of seed {seed}; again with: make test-shuffled SEED={seed}", flush=True)
    code = pytest.main([*flags, *map(str, files)])
    print(f"that was seed {seed}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
