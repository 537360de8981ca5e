"""What every section of the settings is made of."""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator


def split_commas(value: object) -> object:
    """Read `a, b` as a list; anything else stays as it is."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Value = TypeVar("Value")
Mapped = Mapping[str, Value]  # a table of the TOML file
OWN_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")  # `package.module:Name`


def kind_of(value: str, built_in: Sequence[str], what: str) -> str:
    """Return a kind that is built in or a name of the user's own; ValueError names the nearest for any other."""
    if value in built_in or OWN_NAME.fullmatch(value):
        return value
    near = difflib.get_close_matches(value, built_in, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(built_in)}"
    raise ValueError(f"{value!r} is no {what}; {hint} (one of your own is written module:Name)")


_DATE = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")


def _as_date(value: object) -> object:
    """Return a session date as YYYY-MM-DD; TOML has dates of its own."""
    if isinstance(value, datetime.datetime):
        value = value.date()
    if isinstance(value, datetime.date):
        return value.isoformat()
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if found := _DATE.fullmatch(text):
        try:
            return datetime.date(*(int(part) for part in found.groups())).isoformat()
        except ValueError:
            pass
    if value is None:
        return None
    hint = "; 01/02/2012 can be 1 February or 2 January" if "/" in text or "." in text else ""
    raise ValueError(f"{str(value)[:40]!r} is no date; write it as YYYY-MM-DD{hint}")


SessionDate = Annotated[str, BeforeValidator(_as_date)]
Parameters = dict[str, bool | int | float | str | None]
Text = Annotated[str, BeforeValidator(_as_text)]  # `live.retrain=5` is read as a number
Names = Annotated[tuple[str, ...], BeforeValidator(split_commas)]
Spans = Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(split_commas)]


class Section(BaseModel):
    """Base of every settings section: frozen, no unknown keys, field docstrings as descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class Chosen(Section):
    """A section whose `kind` is built in or code of the user's own, which alone has `params`."""

    built_in: ClassVar[tuple[str, ...]] = ()
    called_kind: ClassVar[str] = "kind"

    kind: str
    """One that is built in, or `module:Name`."""
    params: Parameters = Field({})
    """Parameters of one's own, by name."""

    @property
    def is_own(self) -> bool:
        """Whether it is code of the user's own."""
        return ":" in self.kind

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        return kind_of(kind, cls.built_in, cls.called_kind)

    @model_validator(mode="after")
    def _parameters_of_ones_own(self) -> Self:
        if self.params and not self.is_own:
            raise ValueError(
                f"params are for a {self.called_kind} of your own; kind is {self.kind!r}, which has none"
            )
        return self
