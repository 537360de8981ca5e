"""Waiting by condition, with a patience that a machine ten times slower does not use up."""

import time

PATIENCE_S = 600.0  # nothing takes a tenth of it; only a test that fails waits so long


def until(question, seconds=PATIENCE_S):
    """Ask again and again until the answer is true, and return it."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, f"it did not become true within {seconds:g} s"
        time.sleep(0.01)
    return answer
