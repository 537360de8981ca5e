"""The clients in the repository are what the OpenAPI document of the server gives now."""

import runpy

from helpers.making import REPOSITORY

FOLDER = REPOSITORY / "engine" / "web" / "api" / "client"
maker = runpy.run_path(str(REPOSITORY / "docs" / "make_clients.py"))


def test_the_files_are_what_is_written_from_the_document_now():
    made = maker["written"](maker["document"]())
    kept = {name: (FOLDER / name).read_text(encoding="utf-8") for name in made}
    assert [name for name in made if made[name] != kept[name]] == [], "run `make docs`"
    by_hand = {"transport.py", "signature.py"}
    there = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.*") if path.suffix != ".pyc"}
    assert there - by_hand == set(made)
