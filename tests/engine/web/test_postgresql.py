"""The same tests as on SQLite, against a real PostgreSQL: jobs that are never lost, people, keys, the audit log."""

import itertools

import pytest
from test_access import (  # noqa: F401
    test_a_key_is_shown_once_and_may_do_what_it_was_made_for,
    test_a_key_of_a_user_who_may_less_now_may_less_too,
    test_a_team_keeps_an_owner,
    test_every_write_is_in_the_audit_log_with_who_and_how_it_was_answered,
    test_the_link_makes_one_owner_once,
)
from test_jobs import (  # noqa: F401
    test_a_team_has_so_many_waiting_and_so_many_a_day,
    test_jobs_are_listed_the_newest_first_by_state_and_page,
    test_one_team_does_not_keep_the_others_waiting,
    test_the_same_key_asks_once,
)
from test_jobs_survive import (  # noqa: F401
    test_a_server_killed_at_any_step_loses_no_job_and_doubles_none,
    test_two_servers_on_one_database_run_each_job_once,
)
from test_webhooks import (  # noqa: F401
    test_a_delivery_that_another_server_has_at_work_is_left_to_it,
    test_a_server_killed_after_the_end_or_in_the_middle_of_sending_loses_nothing,
    test_forecasts_that_another_process_writes_are_told_from_then_on,
)

from engine.web.store.database import Database
from forewalk.errors import ConfigError
from helpers import postgresql, web
from helpers.web_jobs import Desk
from helpers.web_people import peopled

NAMES = itertools.count()


@pytest.fixture(scope="module")
def new_database():
    if postgresql.binaries() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with postgresql.running() as make:
        yield lambda: make(f"forewalk{next(NAMES)}")


@pytest.fixture(autouse=True)
def url(new_database, monkeypatch):
    """A new database, which every server of the test uses."""
    made = new_database()
    monkeypatch.setattr("helpers.web_jobs.database_of", lambda folder: made)
    monkeypatch.setattr("helpers.web.DATABASE", made)
    return made


@pytest.fixture
def desk(tmp_path):
    with Desk(tmp_path) as desk:
        yield desk
        desk.go()


@pytest.fixture
def owner(tmp_path):
    return peopled(tmp_path)


def test_the_tests_do_run_on_postgresql(url, owner):
    assert url == web.DATABASE
    with Database(url).reading() as connection:
        assert "PostgreSQL" in connection.exec_driver_sql("SELECT version()").scalar()
    assert owner.app.state.options.database == url


def test_a_database_that_cannot_be_reached_is_named_without_its_password():
    with pytest.raises(ConfigError, match=r"nobody:\*\*\*@") as told:
        Database("postgresql://nobody:secret@/nothing?host=/nowhere")
    assert "secret" not in str(told.value)
