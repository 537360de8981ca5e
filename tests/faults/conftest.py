"""One simulator for all fault tests, set back before each; and the table of rows at the end."""

import pytest
from fault_rows import NOT_TESTABLE, ROWS
from scene import START, Scene, plain_bars

from broker.simulator.harness import Simulator

pytest.register_assert_rewrite("crash_steps", "crash_stories", "switch_stories", "older_journals")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Note the rows of each test; without `-m faults` leave out the long tests and all but one case of each other."""
    seen = set()
    left_out = []
    for item in items:
        rows = sorted({str(row) for mark in item.iter_markers("row") for row in mark.args})
        item.user_properties.append(("rows", " ".join(rows)))
        name = item.nodeid.partition("[")[0]
        repeated = name in seen and "scene" in getattr(item, "fixturenames", ())
        seen.add(name)
        if repeated or item.get_closest_marker("faults"):
            left_out.append(item)
    if left_out and "faults" not in config.option.markexpr:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def shared_simulator(tmp_path_factory):
    with Simulator(plain_bars(), start=START, market_fill="open") as handle:
        yield handle


@pytest.fixture
def simulator(shared_simulator, socket_enabled):
    shared_simulator.control.restore()
    shared_simulator.control.settings(partial_probability=0.0)  # settings outlive a restore
    shared_simulator.control.clear_log()
    return shared_simulator


@pytest.fixture
def scene(simulator, tmp_path):
    scene = Scene(simulator, tmp_path)
    yield scene
    scene.check_secrets()


def pytest_terminal_summary(terminalreporter, config):
    if "faults" not in config.option.markexpr:
        return
    results = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            for row in dict(report.user_properties).get("rows", "").split():
                results.setdefault(int(row), []).append((report.nodeid.split("::")[-1], outcome))
    terminalreporter.section("fault matrix")
    for row, fault in ROWS.items():
        tests = results.get(row)
        if tests:
            worst = next(
                (o for o in ("failed", "error", "skipped") if any(o == t[1] for t in tests)), "passed"
            )
            names = sorted({name.partition("[")[0] for name, _ in tests})
            terminalreporter.line(f"{row:3} {worst:8} {fault}: {', '.join(names)} ({len(tests)})")
        else:
            terminalreporter.line(f"{row:3} {'-':8} {fault}: {NOT_TESTABLE.get(row, 'NO TEST')}")
