"""From the settings and the environment to channels that send."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from broker.journal.file import JournalUnwritable
from broker.journal.journal import Journal
from engine.live.watch.alarms.channels import Channel, channel, checked_webhook, hide
from engine.live.watch.alarms.heartbeat import Heartbeat
from engine.live.watch.alarms.sending import Alarms
from engine.live.watch.notify import Watch
from forewalk.errors import ConfigError
from forewalk.settings.trading import LiveSettings

log = logging.getLogger(__name__)

WEBHOOK = "webhook"


def channels_of(
    live: LiveSettings, environment: Mapping[str, str], forgiving: bool = False
) -> dict[str, Channel]:
    """Return the channels by name; where it is `forgiving`, none when one of them is wrong.

    Raises:
        ConfigError: a variable is not set, or its address is not understood; no address is repeated.
    """
    try:
        return _channels(live, environment)
    except ConfigError as problem:
        if not forgiving:
            raise
        log.error("no alarm is sent: %s", problem)
        return {}


def _channels(live: LiveSettings, environment: Mapping[str, str]) -> dict[str, Channel]:
    alerts = live.alerts
    if alerts.heartbeat is not None:
        checked_webhook(_hidden(alerts.heartbeat, environment), alerts.heartbeat)
    key = None if alerts.signing_key is None else _hidden(alerts.signing_key, environment)
    found = {}
    if live.webhook is not None:
        found[WEBHOOK] = channel("live.webhook", checked_webhook(live.webhook), key)
    for name in alerts.channels:
        found[name] = channel(name, _hidden(name, environment), key)
    return found


def _hidden(name: str, environment: Mapping[str, str]) -> str:
    """Return what a variable holds, which shows nowhere from now on."""
    value = environment.get(name, "").strip()
    if not value:
        raise ConfigError(f"the environment variable {name}, which live.alerts names, is not set")
    hide(value)
    return value


@contextmanager
def telling(
    live: LiveSettings, journal: Journal, watch: Watch, channels: Mapping[str, Channel]
) -> Iterator[None]:
    """Let the channels send what comes into the outbox; at the end what waits is tried once more, briefly."""
    try:
        if channels:
            journal.outbox.close_others(channels)
        for name in channels:
            journal.outbox.open_channel(name)
        journal.outbox.forget(watch.now(), live.alerts.quiet_kinds)
    except JournalUnwritable as problem:  # trading stops by its own rule; alarms are told from memory
        log.warning("the outbox cannot be written: %s", problem)
    if not channels:
        yield
        return
    alarms = Alarms(journal.path, journal.book, channels, live.alerts)
    watch.outbox, watch.alarms = journal.outbox, alarms
    alarms.start()
    try:
        yield
    finally:
        alarms.stop()
        watch.outbox = None


@contextmanager
def beating(live: LiveSettings, looks: Callable[[], int], once: bool = False) -> Iterator[None]:
    """Give signs of life, where that is set: now and then, or `once`, after a run that has ended well."""
    alerts = live.alerts
    if alerts.heartbeat is None:
        yield
        return
    url = _hidden(alerts.heartbeat, os.environ)
    heart = Heartbeat(checked_webhook(url, alerts.heartbeat), alerts.heartbeat_minutes, looks)
    if once:
        yield
        heart.beat()
        return
    heart.start()
    try:
        yield
    finally:
        heart.stop()
