"""Every command that a page names is understood as it stands; what takes seconds is run."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from benchmarks.__main__ import NAMED, SUITES
from broker.simulator.__main__ import parser
from engine.cli.app import BACKTEST_EPILOG, SWEEP_EPILOG, app
from engine.cli.live import EPILOG as LIVE_EPILOG
from engine.cli.tune import EPILOG as TUNE_EPILOG
from engine.sweep.grid import parse_axis
from engine.tune.space import parse_space
from forewalk.errors import ForewalkError
from forewalk.settings.loading import load_settings
from helpers.making import REPOSITORY
from helpers.run_folders import make_run

PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
]
UsageError = typer.BadParameter.__base__  # typer brings its own click
HELP = {
    "backtest --help": BACKTEST_EPILOG,
    "sweep --help": SWEEP_EPILOG,
    "live --help": LIVE_EPILOG,
    "tune --help": TUNE_EPILOG,
}
OURS = r"(?:forewalk [a-z]+|python -m (?:engine|broker|benchmarks)[\w.]*|python [\w/]+\.py|make [a-z-]+)(?: .*)?$"
VERBS = r"(?:live|audit|sweep|tune|reproduce|trials|backtest) \S"


def code_lines(text):
    """The lines of code blocks, continued ones joined and comments dropped, and the code within sentences."""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    sentences = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for block in blocks:
        yield from re.sub(r"\s*\\\n\s*", " ", block).splitlines()
    yield from re.findall(r"`([^`\n]+)`", sentences)


def commands(text):
    """The command lines among them, each from the name of the program on."""
    for line in code_lines(text):
        line = re.sub(r"\s+#.*| \.\.\.$|[][]", "", line).strip()  # an option in brackets may be given
        if found := re.search(rf"(?<!import )(?<!\S)({OURS})", line):
            yield found[1]
        elif re.match(VERBS, line):
            yield f"forewalk {line}"


COMMANDS = sorted(
    {(page.name, command) for page in PAGES for command in commands(page.read_text(encoding="utf-8"))}
    | {(name, command) for name, text in HELP.items() for command in commands(f"```\n{text}\n```")}
)


def understood(words):
    """Parse the words as the command line does, to the last sub-command, and return what they mean; runs nothing.

    A command named without anything behind it is a name only, and may lack its arguments.
    """
    command = get_command(app)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        _, command, words = command.resolve_command(typer.Context(command), words)
    return command.make_context(command.name, list(words)).params if words else {}


def check_forewalk(words):
    given = understood(words)
    config = given.get("config")
    if config is not None and str(config).startswith("examples/"):
        config = REPOSITORY / config
    elif config is not None:
        config = None  # a file of the reader's
    load_settings(config, given.get("set_") or [], environment={})
    if words[0] == "tune":
        parse_space(given.get("vary") or [])
        return
    for axis in given.get("vary") or []:
        parse_axis(axis)


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_a_command_of_a_page_is_understood(page, command):
    words = shlex.split(command)
    if words[0] == "forewalk":
        check_forewalk(words[1:])
    elif words[0] == "make":
        targets = re.findall(
            r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
        )
        assert {word for word in words[1:] if "=" not in word} <= set(targets)
    elif words[1] != "-m":
        assert (REPOSITORY / words[1]).is_file()
    elif words[2].startswith("engine."):
        name = words[2].removeprefix("engine.")
        check_forewalk(["serve" if name == "web" else name, *words[3:]])
    elif words[2] == "broker.simulator":
        assert parser().parse_args(words[3:])
    elif words[2] == "benchmarks":
        assert set(words[3:]) <= {*SUITES, *NAMED}
    else:
        module = REPOSITORY / words[2].replace(".", "/")
        assert module.with_suffix(".py").is_file() or (module / "__main__.py").is_file()


def test_the_search_finds_commands_in_blocks_in_sentences_and_over_two_lines():
    block = "```sh\nA=1 python -m engine.audit \\\n  x.toml  # why\n```\n"
    text = block + "See `forewalk trials`, `live status`, `forewalk` and `live.x`.\n"
    assert list(commands(text)) == [
        "python -m engine.audit x.toml",
        "forewalk trials",
        "forewalk live status",
    ]
    assert len(COMMANDS) > 50


@pytest.mark.parametrize(
    "words", ["backtest --sed 1", "live stats", "live resume A B", "reproduce -j 2", "sweep RUN --vary x"]
)
def test_a_command_that_is_wrong_would_be_found(words):
    with pytest.raises((UsageError, ForewalkError)):
        check_forewalk(words.split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a finished run as `runs/latest`."""
    folder = tmp_path_factory.mktemp("work")
    run = make_run(folder / "runs" / "one")
    (folder / "runs" / "latest").symlink_to(run.name)
    return folder


QUICK = sorted(
    {
        command.replace("python -m engine.", "forewalk ")
        for _, command in COMMANDS
        if re.match(r"(forewalk |python -m engine\.)(trials|sweep .*--vary)", command)
    }
)


@pytest.mark.parametrize("command", QUICK)
def test_a_command_of_seconds_does_what_it_says(command, folder, monkeypatch):
    monkeypatch.chdir(folder)
    words = shlex.split(command.replace("RUNS", "runs").replace("RUN", "runs/latest"))
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code == 0, done.output
    assert done.output


def test_every_page_that_is_linked_is_there():
    links = [
        (page, link.partition("#")[0])
        for page in PAGES
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
        if "://" not in link and not link.startswith("#")
    ]
    assert len(links) > 20
    assert [(page.name, link) for page, link in links if not (Path(page).parent / link).exists()] == []
