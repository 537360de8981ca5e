"""Files of a user's own, written for a test, in a folder that is the current one."""

from __future__ import annotations

from textwrap import dedent


def write_module(folder, name, text):
    """Write a module of the user's own; return its path."""
    path = folder / f"{name.replace('.', '/')}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), encoding="utf-8")
    return path
