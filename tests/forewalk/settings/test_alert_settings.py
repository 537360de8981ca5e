"""The settings of alarms name variables, never addresses; and what cannot wait is never quiet."""

from datetime import time

import pytest

from forewalk.errors import ConfigError
from forewalk.settings.alerts import NEVER_QUIET, AlertSettings
from forewalk.settings.loading import settings_from

SECRET = "secret-of-a-hook-4711"


@pytest.mark.parametrize(
    ("hours", "clock", "quiet"),
    [
        ("22:00-07:00", time(23), True),
        ("22:00-07:00", time(7), False),
        ("22:00-07:00", time(22), True),
        ("12:00-13:00", time(12, 30), True),
        ("12:00-13:00", time(13), False),
        (None, time(3), False),
    ],
)
def test_quiet_hours_may_go_over_midnight(hours, clock, quiet):
    assert AlertSettings(quiet=hours).is_quiet(clock) is quiet


@pytest.mark.parametrize("kind", sorted(NEVER_QUIET))
def test_what_cannot_wait_can_never_be_made_quiet(kind):
    with pytest.raises(ConfigError, match="can never wait"):
        settings_from({"live": {"alerts": {"quiet_kinds": [kind]}}})


@pytest.mark.parametrize("key", ["channels", "heartbeat", "signing_key"])
def test_an_address_in_place_of_a_variables_name_is_refused_and_not_repeated(key):
    address = f"https://hooks.example/{SECRET}"
    value = [address] if key == "channels" else address
    with pytest.raises(ConfigError, match="environment variable") as refused:
        settings_from({"live": {"alerts": {key: value}}})
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value"), [("quiet", "22-7"), ("quiet_zone", "Mars/Olympus"), ("heartbeat_minutes", 0)]
)
def test_a_setting_that_cannot_be_right_is_named(key, value):
    with pytest.raises(ConfigError, match=rf"live\.alerts\.{key}"):
        settings_from({"live": {"alerts": {key: value}}})
