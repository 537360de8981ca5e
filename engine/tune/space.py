"""What may be varied: settings of the model and their values, the run's own value always among them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from operator import attrgetter

from forewalk.errors import ConfigError, UsageError
from forewalk.settings.loading import settings_from
from forewalk.settings.sections import Settings

Value = str | int | float | bool
Space = Mapping[str, tuple[Value, ...]]
Params = Mapping[str, Value]

DEFAULT_SPACE: Space = {
    "model.hidden_size": (8, 16, 32, 64),
    "model.learning_rate": (1e-3, 3e-3, 1e-2),
    "model.weight_decay": (1e-3, 1e-2, 1e-1),
    "model.dropout": (0.0, 0.1, 0.3),
}
NEVER = ("model.kind", "model.params", "model.device", "model.max_age_bars")


def parse_space(texts: Sequence[str]) -> Space:
    """Read `KEY=A,B,C` texts; none means `DEFAULT_SPACE`.

    Raises:
        UsageError: a text is not of that form, or its key cannot be tuned.
    """
    space: dict[str, tuple[Value, ...]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        if not equals or not values:
            raise UsageError(f"--vary {text!r}: write it as KEY=A,B,C, e.g. model.hidden_size=16,32,64")
        if not key.startswith("model.") or key in NEVER:
            raise UsageError(
                f"--vary {key}: the tuner varies settings of the model (model.*), except {', '.join(NEVER)}; "
                "the policy is varied by `forewalk sweep`"
            )
        if key in space:
            raise UsageError(f"--vary {key} is given twice; give all its values at once")
        space[key] = tuple(dict.fromkeys(_value(part.strip()) for part in values.split(",")))
    return space or DEFAULT_SPACE


def with_own(space: Space, settings: Settings) -> Space:
    """Return the space with the run's own value of each setting in it; each value is tried for validity.

    Raises:
        ConfigError: a key is unknown or a value not allowed.
    """
    full: dict[str, tuple[Value, ...]] = {}
    for key, values in space.items():
        for value in values:
            with_values(settings, {key: value})
        mine = own_values(settings, (key,))[key]
        full[key] = values if mine in values else (mine, *values)
    return full


def own_values(settings: Settings, keys: Sequence[str]) -> dict[str, Value]:
    """Return the run's own value of each key."""
    return {key: attrgetter(key.removeprefix("model."))(settings.model) for key in keys}


def with_values(settings: Settings, values: Params) -> Settings:
    """Return the settings with other values of the model, validated.

    Raises:
        ConfigError: a key is unknown or a value not allowed.
    """
    tree = settings.model.model_dump()
    for key, value in values.items():
        *sections, name = key.removeprefix("model.").split(".")
        branch = tree
        for section in sections:
            branch = branch[section] if isinstance(branch.get(section), dict) else {}
        if name not in branch or isinstance(branch[name], dict):
            raise ConfigError(f"{key} is no setting of the model")
        branch[name] = value
    model = settings_from({"model": tree, "label": settings.label.model_dump()}).model
    return settings.model_copy(update={"model": model})


def _value(text: str) -> Value:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    if isinstance(value, (str, int, float, bool)):
        return value
    raise UsageError(f"--vary: {text!r} is no number, word or true/false")
