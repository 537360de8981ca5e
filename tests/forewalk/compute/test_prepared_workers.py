"""Workers are forked with what they need imported; where they are not, the result is the same and the log says so."""

import subprocess
import sys
from textwrap import dedent

import pytest

LOADED = "'engine.training.preload' in __import__('sys').modules"
RUN = f"""
import logging
logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(message)s")
from forewalk.compute.pool import Processes
print(Processes(2).run(eval, ["{LOADED}"] * 8, {{}}))
"""
ANOTHER_SERVER = """
import multiprocessing, os
if __name__ == "__main__":
    first = multiprocessing.get_context("forkserver").Process(target=os.getpid)
    first.start()
    first.join()
"""
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are spawned")


def run_apart(code):
    """Run code in a Python of its own; return what it printed and what it logged."""
    run = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip(), run.stderr.strip().splitlines()


def test_what_the_server_imports_first_can_be_imported():
    # The server itself says nothing where this fails, and every worker then imports everything itself.
    run_apart("from forewalk.compute.pool import PRELOADED\nfor name in PRELOADED: __import__(name)")


@linux_only
def test_workers_are_forked_prepared_and_nothing_is_said():
    assert run_apart(RUN) == (str([True] * 8), [])


@linux_only
def test_behind_a_fork_server_of_someone_else_work_is_done_and_each_worker_says_once_why_it_is_slow():
    printed, logged = run_apart(ANOTHER_SERVER + RUN)
    assert printed == str([False] * 8)
    assert 1 <= len(logged) <= 2
    assert len(set(logged)) == len(logged)  # each names its process
    for line in logged:
        assert line.startswith("DEBUG worker ")
        assert "python -c 'import engine.training.preload'" in line


@linux_only
def test_a_module_that_cannot_be_imported_first_is_named_in_the_log():
    missing = "from forewalk.compute import pool\npool.PRELOADED[:] = ['engine.no_such_module']\n"
    printed, logged = run_apart(missing + RUN)
    assert printed == str([False] * 8)
    assert 1 <= len(logged) <= 2
