"""The house stays a house: no folder is a warehouse, no file a novel, and tests lie as the rooms do."""

from benchmarks.house import PACKAGES, measured
from helpers.making import REPOSITORY

MOST_THINGS = 14  # about twelve
ROOF = ("engine/", 16)  # three doors, nine verbs, four workshops: each is a room of its own
MOST_LINES = 350


def larger_than(kind, limit):
    return [(thing.where, thing.size) for thing in measured() if thing.kind == kind and thing.size > limit]


def test_no_folder_holds_more_than_about_twelve_things():
    assert larger_than("folder", MOST_THINGS) == [ROOF]


def test_no_file_is_longer_than_350_lines():
    assert larger_than("file", MOST_LINES) == []


def test_every_folder_of_tests_about_a_package_is_a_room_of_it():
    folders = [
        folder.relative_to(REPOSITORY / "tests")
        for package in PACKAGES
        for folder in (REPOSITORY / "tests" / package).rglob("*/")
        if "__pycache__" not in folder.parts
    ]
    assert len(folders) > 10
    assert [str(folder) for folder in folders if not (REPOSITORY / folder).is_dir()] == []


def test_the_measure_sees_folders_files_classes_and_functions():
    found = {(thing.kind, thing.where): thing.size for thing in measured()}
    assert found["folder", "engine/"] >= 10
    assert found["file", "forewalk/errors.py"] > 50
    assert found["class", "forewalk/types.py: Bars"] > found["function", "forewalk/types.py: select"] > 1
