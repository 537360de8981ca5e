"""Whether the names of our packages lead to our packages, or to a folder of the user's that has the same name."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

from forewalk.errors import PackageShadowed

PACKAGES = ("engine", "strategies", "models", "broker")
HOME = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - pathlib is slow to import

MEMORY = "a module made in memory"


def check_packages() -> None:
    """Raise PackageShadowed where `import models` (or engine, strategies, broker) would not bring ours.

    Python takes the first folder of `sys.path` that has the name. With `python -m` and in a notebook that is the
    current folder, and a `models/` is in many of them.
    """
    for name in PACKAGES:
        place = _place(name)
        if place is not None and place != os.path.join(HOME, name):  # noqa: PTH118
            raise PackageShadowed(_message(name, place), name=name, path=place)


def _place(name: str) -> str | None:
    """Return the folder (or the file of a single module) that the name leads to, None where there is nothing."""
    try:
        spec = find_spec(name)
    except ValueError:  # a module without a spec was made by hand
        return MEMORY
    if spec is None:
        return None
    place = spec.origin if spec.has_location else next(iter(spec.submodule_search_locations or ()), None)
    if place is None:
        return MEMORY
    folder, file = os.path.split(os.path.realpath(place))
    return folder if file == "__init__.py" else os.path.join(folder, file)  # noqa: PTH118


def _message(name: str, place: str) -> str:
    folder = os.path.dirname(place)  # noqa: PTH120
    if place == MEMORY:
        way_out = ""
    elif folder == os.path.realpath(os.curdir):
        way_out = (
            ", or start from another folder (the command `forewalk ...` and `python -P -m engine...` "
            "do not look into the current one)"
        )
    else:
        way_out = f", or take {folder} out of PYTHONPATH and sys.path"
    again = "; then start Python anew, in a notebook its kernel" if name in sys.modules else ""
    return (
        f"{place} is in the way: Python finds it under the name {name!r} before Forewalk's own package "
        f"({os.path.join(HOME, name)}). Rename it{way_out}{again}"  # noqa: PTH118
    )
