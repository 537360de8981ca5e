"""The API answers as its OpenAPI says, whatever is sent to it: schemathesis, in this process."""

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import CHECKS, load_all_checks

from helpers.run_folders import make_run
from helpers.web import client_in
from helpers.web_content import write_book, write_log

EXAMPLES = 4
UNSAID = (
    "/backtests",
    "/forecasts",
    "/sweeps",
    "/uploads",
    "/webhooks",
)  # no schema says all of what they take


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conforms")
    make_run(folder / "runs" / "first", rows=30)
    write_log(folder / "runs" / "forecasts.sqlite")
    file, _ = write_book(folder)
    app = client_in(folder, paper=file).app

    async def at_home(scope, receive, send):  # schemathesis calls every server `testserver`
        rest = [(name, value) for name, value in scope.get("headers", ()) if name != b"host"]
        await app({**scope, "headers": [(b"host", b"127.0.0.1"), *rest]}, receive, send)

    return schemathesis.openapi.from_asgi("/openapi.json", at_home)


OPERATIONS = 61


@pytest.mark.parametrize("number", range(OPERATIONS))
def test_an_operation_answers_as_it_is_described(schema, number):
    load_all_checks()
    operation = [found.ok() for found in schema.get_all_operations()][number]
    excluded = [CHECKS.get_one("positive_data_acceptance")] if operation.path.endswith(UNSAID) else []

    @hypothesis.given(operation.as_strategy())
    @hypothesis.settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
    def assert_conforms(case):
        case.call_and_validate(excluded_checks=excluded)

    assert_conforms()


def test_no_operation_is_left_out(schema):
    assert len(list(schema.get_all_operations())) == OPERATIONS
