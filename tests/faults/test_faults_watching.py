"""The daily summary of a daemon that is a process of its own: written aside, once a session, over kills."""

from pathlib import Path

import pytest

PAGE = "Paper account, book paper"


def page_of(scene):
    path = scene.state / "summary.html"
    return path.read_text() if path.exists() else ""


def written(scene):
    return [text[:10] for text in scene.events("summary")]


def running(scene):
    """A daemon that has begun to look at its broker."""
    daemon = scene.start(summary=True)
    scene.until(lambda: "started" in daemon.said())
    return daemon


def test_every_session_brings_its_page_once_also_with_a_restart_at_every_bar(scene):
    for _ in range(2):
        scene.decide_and_send(summary=True)
    assert PAGE in page_of(scene)
    assert written(scene) == ["2026-03-04", "2026-03-05"]
    assert [path.name for path in scene.state.glob(".*.part")] == []
    scene.check()


def test_a_running_daemon_writes_the_page_beside_itself_and_never_loads_what_draws_it(scene):
    daemon = running(scene)
    scene.after_close()
    scene.until(lambda: written(scene))
    assert PAGE in page_of(scene)
    libraries = Path(f"/proc/{daemon.pid}/maps").read_text()
    assert "numpy" in libraries
    assert "matplotlib" not in libraries
    daemon.kill()


@pytest.mark.faults
def test_a_page_that_cannot_be_written_is_said_once_and_trading_goes_on(scene):
    (scene.state / "summary.html").mkdir(parents=True)  # a rename onto a folder fails
    for _ in range(2):
        assert scene.decide_and_send(summary=True) == [0, 0]
    assert [text[:10] for text in scene.events("summary_failed")] == ["2026-03-04", "2026-03-05"]
    assert len(scene.fills()) == 4
    scene.check()


@pytest.mark.faults
def test_a_daemon_killed_while_its_page_is_written_writes_it_after_the_restart(scene):
    daemon = running(scene)
    scene.after_close()
    scene.until(lambda: scene.orders())
    daemon.kill()
    assert scene.once(summary=True) == 0
    assert written(scene) == ["2026-03-04"]
    assert PAGE in page_of(scene)
