"""The folders of a team; no team sees those of another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from forewalk.errors import DataError, UsageError

HOME = "local"  # the team of whoever started the server: its runs are those of the command line
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")


@dataclass(frozen=True)
class Places:
    """The folders of a team.

    Attributes:
        home: where its commands run. runs: of run folders. uploads: of files that people have given.
        paper: settings file of its paper book, which may not be there yet.
        practice: folder of its practice book; None where the server was started with a book.
        is_home: whether it is the team of whoever started the server.
    """

    home: Path
    runs: Path
    uploads: Path
    paper: Path
    practice: Path | None
    is_home: bool

    @property
    def forecasts(self) -> Path:
        """The forecast log."""
        return self.runs / "forecasts.sqlite"

    def run(self, name: str) -> Path:
        """Return the folder of a finished run; `latest` is the newest that the command line made.

        Raises:
            UsageError: the name is no plain name. DataError: there is no such run.
        """
        if not NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name of a run")
        folder = self.runs / name
        if not (folder / "manifest.json").is_file():
            raise DataError(f"there is no run {name}")
        return folder

    def upload(self, name: str) -> Path:
        """Return an uploaded file. Raises as `run` does."""
        if not NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} is no name of a file; letters, digits, dot, dash and underscore are allowed"
            )
        path = self.uploads / name
        if not path.is_file():
            raise DataError(f"there is no uploaded file {name}")
        return path


def places_of_team(state: Path, runs: Path, paper: Path | None, team: str) -> Places:
    """Return the folders of a team, made where they are missing: in the server's state but for the home team's runs.

    Args:
        state, runs: folders of the server. paper: settings of the home team's book, None for those in its folder.
        team: its id, which this program has made.
    """
    if not NAME.fullmatch(team):
        raise ValueError(f"{team!r} is no id of a team")
    own = state / "teams" / team
    home = Path.cwd() if team == HOME else own
    is_home = team == HOME
    practice = None if is_home and paper is not None else own / "practice"
    book = own / "practice" / "paper.toml" if practice is not None or paper is None else paper
    places = Places(home, runs if is_home else own / "runs", own / "uploads", book, practice, is_home)
    own.mkdir(parents=True, exist_ok=True)
    return places
