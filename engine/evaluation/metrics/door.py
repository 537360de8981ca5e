"""The one door between metrics and JSON, both ways.

A metric is a field of a frozen dataclass that inherits `Record`. It stands in `metrics.json` under its own name, or
under the one that `field(metadata=named("n"))` gives it: the file's keys are read by others and stay, while the
field says its unit. Fields stand in the file in the order in which they are declared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Self, Union, get_args, get_origin, get_type_hints

import numpy as np

from forewalk.errors import DataError

LEFT_OUT: Mapping[str, Any] = {
    "left_out": True
}  # metadata: the key is absent, not null, where there is nothing
ANOTHER_VERSION = (
    "it was written by another version of Forewalk: read it with that one, or run the backtest again"
)


def named(key: str) -> dict[str, Any]:
    """Return the metadata of a field that has another name in the file."""
    return {"key": key}


@dataclass(frozen=True)
class Record:
    """A block of metrics.

    A number that cannot be computed is None, in memory as in the file, never NaN or infinite: what a computation
    leaves as NaN becomes None when the record is made, so mypy makes every reader say what it does then. A block
    that does not apply is None as a whole. NumPy's scalars become Python's own.

    Raises:
        ValueError: a number that cannot be computed, in a field that must have one.
    """

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            plain = _plain(value)
            if plain is value:
                continue
            if plain is None and not _may_be_none(_kinds(type(self))[item.name]):
                raise ValueError(f"{type(self).__name__}.{item.name} is {value}, but must be a number")
            object.__setattr__(self, item.name, plain)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types, by the keys of the file."""
        return {
            _key(item): to_json(value)
            for item in fields(self)
            if (value := getattr(self, item.name)) is not None or not item.metadata.get("left_out")
        }

    @classmethod
    def from_json(cls, tree: Any) -> Self:
        """Return the record that `to_json` gave `tree`; a key that is missing takes the field's default, or None.

        Raises:
            DataError: a key is unknown, a value that must be there is missing, or it is of another type.
        """
        if not isinstance(tree, Mapping):
            raise DataError(f"the metrics hold {tree!r} where a {cls.__name__} belongs; {ANOTHER_VERSION}")
        known = {_key(item): item for item in fields(cls)}
        unknown = [key for key in tree if key not in known]
        if unknown:
            raise DataError(f"the metrics have {unknown[0]!r} in their {cls.__name__}; {ANOTHER_VERSION}")
        values = {
            item.name: _read(_kinds(cls)[item.name], tree[key], f"{cls.__name__}.{key}")
            if key in tree
            else _absent(cls, item)
            for key, item in known.items()
        }
        return cls(**values)


def to_json(value: Any) -> Any:
    """Return plain JSON types: records by their keys, NumPy scalars as Python's own, what is not finite as None."""
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return _plain(value)


def leaves(
    tree: Mapping[str, Any],
    prefix: str = "",
    until: Callable[[Mapping[str, Any]], bool] = lambda block: False,
) -> Iterator[tuple[str, Any]]:
    """Yield, with its dotted path, each value of a nested mapping that is no mapping itself, or one of `until`."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and not until(value):
            yield from leaves(value, f"{prefix}{key}.", until)
        else:
            yield f"{prefix}{key}", value


def path_in_file(kind: type[Record], names: tuple[str, ...]) -> str:
    """Return the dotted keys of the field that one reaches from a record of `kind` through these attributes."""
    keys = []
    for name in names:
        (item,) = (item for item in fields(kind) if item.name == name)
        keys.append(_key(item))
        kind = _without_none(_kinds(kind)[name])
    return ".".join(keys)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _key(item: Field[Any]) -> str:
    return str(item.metadata.get("key", item.name))


_hints = cache(get_type_hints)


def _kinds(kind: Any) -> dict[str, Any]:
    return _hints(kind)


def _may_be_none(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType) and NoneType in get_args(kind)


def _without_none(kind: Any) -> Any:
    if not _may_be_none(kind):
        return kind
    (rest,) = (one for one in get_args(kind) if one is not NoneType)
    return rest


def _absent(cls: type[Record], item: Field[Any]) -> Any:
    if item.default is not MISSING:
        return item.default
    if item.default_factory is not MISSING:
        return item.default_factory()
    if _may_be_none(_kinds(cls)[item.name]):
        return None
    raise DataError(f"the metrics lack {_key(item)!r} in their {cls.__name__}; {ANOTHER_VERSION}")


def _read(kind: Any, tree: Any, where: str) -> Any:
    if tree is None and _may_be_none(kind):
        return None
    kind = _without_none(kind)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is tuple and isinstance(tree, list):
        return tuple(_read(inner[0], item, f"{where}[]") for item in tree)
    if origin is Mapping and isinstance(tree, Mapping):
        return {key: _read(inner[1], item, f"{where}.{key}") for key, item in tree.items()}
    if isinstance(kind, type) and issubclass(kind, Record):
        return kind.from_json(tree)
    if origin is None and isinstance(tree, (int, float) if kind is float else kind):
        return tree
    raise DataError(f"the metrics hold {tree!r} in {where}; {ANOTHER_VERSION}")
