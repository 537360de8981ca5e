"""Files of the team's own: prices that are uploaded, looked at, and named in settings by their name."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, Request, UploadFile
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from engine.web.access import RunsReader, RunsWriter, places_of
from engine.web.api.common import missing, problems
from engine.web.places import NAME, Places
from engine.web.screens.checking import MOST_UNPACKED
from engine.web.store.database import Conflict
from forewalk.errors import DataError, UsageError

router = APIRouter(tags=["uploads"])
MOST_BYTES = 1_000_000_000  # of one team


class Upload(BaseModel):
    """A file: its name, by which `data.path` names it, and its size in bytes."""

    name: str
    bytes: int


@router.get("/uploads", responses=problems())
def listed(request: Request, person: RunsReader) -> list[Upload]:
    """Return the team's files by name."""
    return [Upload(name=path.name, bytes=path.stat().st_size) for path in _files(places_of(request, person))]


@router.post("/uploads", status_code=201, responses=problems(409))
def upload(
    request: Request,
    person: RunsWriter,
    file: Annotated[UploadFile, File(description="CSV, Parquet, Excel, ...")],
) -> Upload:
    """Keep a file; one of the same name stays as it is (409)."""
    name = (file.filename or "").replace(" ", "_")
    if not NAME.fullmatch(name):
        raise HTTPException(422, f"{name!r}: letters, digits, dot, dash and underscore make a name")
    return keep(places_of(request, person), name, file)


def keep(places: Places, name: str, file: UploadFile) -> Upload:
    """Keep a file of a team under this name. Conflict where there is one already, or the team has too many bytes."""
    used, size = sum(path.stat().st_size for path in _files(places)), file.size or 0
    if used + size > MOST_BYTES:
        raise Conflict(f"the team's files would be larger than {MOST_BYTES:,} bytes; remove one first")
    places.uploads.mkdir(parents=True, exist_ok=True)
    temporary = places.uploads / f".{name}.{os.urandom(4).hex()}"
    try:
        with temporary.open("wb") as kept:
            shutil.copyfileobj(file.file, kept)
        os.link(temporary, places.uploads / name)  # not over one that is there
    except FileExistsError:
        raise Conflict(f"there is a file {name} already; remove it or take another name") from None
    finally:
        temporary.unlink(missing_ok=True)
    return Upload(name=name, bytes=size)


@router.get("/uploads/{name}/check", responses=problems(404))
def check(request: Request, person: RunsReader, name: str) -> dict[str, Any]:
    """Say what a file is understood to be, as `forewalk data check --json` does; nothing is run."""
    from forewalk.data.checking import check as look
    from forewalk.data.formats.containers import unpacking_at_most
    from forewalk.settings.loading import load_settings

    path = _file(places_of(request, person), name)
    settings = load_settings(overrides={"data.source": "files", "data.path": str(path)})
    with unpacking_at_most(MOST_UNPACKED):
        found: dict[str, Any] = _without(look(settings.data).to_dict(), path)
    return found


@router.delete("/uploads/{name}", status_code=204, responses=problems(404))
def remove(request: Request, person: RunsWriter, name: str) -> None:
    """Remove a file; runs that were made of it keep what they found."""
    _file(places_of(request, person), name).unlink()


def _files(places: Places) -> list[Path]:
    if not places.uploads.is_dir():
        return []
    return sorted(path for path in places.uploads.iterdir() if NAME.fullmatch(path.name))


def _file(places: Places, name: str) -> Path:
    try:
        return places.upload(name)
    except (DataError, UsageError):
        raise missing("such file") from None


def _without(found: Any, path: Path) -> Any:
    """Return plain values with the server's folder left out of every text."""
    if isinstance(found, dict):
        return {key: _without(value, path) for key, value in found.items()}
    if isinstance(found, list):
        return [_without(value, path) for value in found]
    return found.replace(f"{path.parent}/", "") if isinstance(found, str) else found
