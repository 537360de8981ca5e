"""What every section of the settings is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _split_commas(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Value = TypeVar("Value")
Mapped = Mapping[str, Value]  # a table of the TOML file
Text = Annotated[str, BeforeValidator(_as_text)]  # `live.retrain=5` is read as a number
Names = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]
Spans = Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_split_commas)]


class Section(BaseModel):
    """Base of every settings section: frozen, no unknown keys, field docstrings as descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)
