"""Write docs/settings.md from the settings tree: `make docs`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from forewalk.settings.sections import Settings

PAGE = Path(__file__).with_name("settings.md")

HEAD = """\
# Settings

Written by `make docs` from the settings tree in `forewalk/settings/`; do not edit.

Set them in a TOML file (`--config FILE`), in the environment (`FOREWALK_MODEL__HIDDEN_SIZE=64`: sections are
joined by two underscores) or on the command line (`--set model.hidden_size=64`). Later ones win. Where a
setting may be *none*, write `none`: `--set strategy.turnover_cap=none`.
"""


def page() -> str:
    """Return the whole page as Markdown."""
    return "\n".join([HEAD, *_section(Settings, prefix="")])


def _section(section: type[BaseModel], prefix: str) -> Iterator[str]:
    schema = section.model_json_schema()["properties"]
    fields = section.model_fields
    nested = {name: field.annotation for name, field in fields.items() if "$ref" in schema[name]}
    yield f"## `[{prefix}]`\n" if prefix else "## Top level\n"
    yield f"{_one_line(section.__doc__)}\n"
    yield "| Setting | Default | Values | Meaning |"
    yield "|---|---|---|---|"
    for name, field in fields.items():
        if name not in nested:
            meaning = _escape(_one_line(field.description))
            yield f"| `{name}` | {_default(field.default)} | {_values(schema[name])} | {meaning} |"
    yield ""
    for name, annotation in nested.items():
        assert isinstance(annotation, type)
        yield from _section(annotation, f"{prefix}.{name}".strip("."))


def _default(value: object) -> str:
    if value is None:
        return "*none*"
    if isinstance(value, tuple | Mapping):
        return f"`{', '.join(map(str, value))}`" if value else "*empty*"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:.12g}`" if isinstance(value, float) else f"`{value}`"


def _values(schema: dict[str, Any]) -> str:
    """Describe the JSON schema of one field: its type, or its choices, and its limits."""
    if "anyOf" in schema:
        return " or ".join(_values(option) for option in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    if schema["type"] == "array":
        items = _values(schema["items"]) if "items" in schema else "value"
        return f"list of {items}"
    if "pattern" in schema:
        return f"text like `{_escape(schema['pattern'])}`"
    words = {
        "integer": "whole number",
        "string": "text",
        "boolean": "`true`, `false`",
        "null": "*none*",
        "object": "table",
    }
    kind = "path" if schema.get("format") == "path" else words.get(schema["type"], schema["type"])
    return ", ".join([kind, *_limits(schema)])


def _limits(schema: dict[str, Any]) -> Iterator[str]:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    for key, sign in signs.items():
        if key in schema:
            yield f"{sign} {schema[key]:.12g}"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.name}")
