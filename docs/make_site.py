"""Build the documentation site into site/: `make site`.

The pages are those of docs/, those written here from the code (commands, examples, reference), CONTRIBUTING.md and
CHANGELOG.md. A dead link, a page without a place in the navigation, or anything that a browser would fetch from
another host ends the build with exit code 1.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from typer.main import get_command

from engine.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "build" / "site-pages"
SITE = ROOT / "site"
OUTSIDE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
FETCHED = {("link", "href"), ("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src")}
REFERENCE = {
    "The front door": "forewalk",
    "Values": "forewalk.types",
    "Folds": "forewalk.folds",
    "A source of your own": "forewalk.data.sources.own",
    "A model of your own": "models.base",
    "The policy": "strategies.policy",
    "The signal strategy": "strategies.signal",
    "Statistics of a report": "engine.evaluation.metrics",
}


def write_pages(folder: Path = PAGES) -> list[Path]:
    """Write the Markdown that the site is built from, but for the notebooks; returns the files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for page in sorted((ROOT / "docs").glob("*.md")):
        (folder / page.name).write_text(_inside(page.read_text(encoding="utf-8")), encoding="utf-8")
    shutil.copytree(ROOT / "docs" / "pictures", folder / "pictures")
    for source, name in OUTSIDE.items():
        if source != "README.md":
            (folder / name).write_text(_inside((ROOT / source).read_text(encoding="utf-8")), encoding="utf-8")
    (folder / "commands.md").write_text("\n".join(_commands()), encoding="utf-8")
    (folder / "examples.md").write_text("\n".join(_examples()), encoding="utf-8")
    (folder / "reference.md").write_text("\n".join(_reference()), encoding="utf-8")
    return sorted(folder.glob("*.md"))


def _inside(text: str) -> str:
    """The page with links to files outside docs/ turned to where the site has them."""
    for source, name in OUTSIDE.items():
        text = text.replace(f"](../{source}", f"]({name}").replace(f"]({source}", f"]({name}")
    text = re.sub(r"\]\(docs/([\w-]+\.md)", r"](\1", text)
    return re.sub(r"\]\(\.\./examples/([\w.]+)\)", lambda at: f"](examples.md#{_anchor(at[1])})", text)


def _anchor(name: str) -> str:
    return re.sub(r"[^\w-]", "", name.lower())


def _commands() -> Iterator[str]:
    yield "# Commands\n\nWritten from the commands themselves."
    yield "`python -m engine.backtest` is `forewalk backtest`, and so on.\n"
    yield from _command(get_command(app), "forewalk", 2)


def _command(command: Any, name: str, level: int) -> Iterator[str]:
    yield f"{'#' * min(level, 4)} {name}\n"
    yield f"{(command.help or '').split(chr(8))[0].strip()}\n"
    rows = [_parameter(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)]
    if rows:
        yield "| | Meaning | Default |\n|---|---|---|"
        yield from rows
        yield ""
    if command.epilog:
        yield f"```text\n{command.epilog.replace(chr(8), '').strip()}\n```\n"
    for child, below in sorted(getattr(command, "commands", {}).items()):
        if not below.hidden:
            yield from _command(below, f"{name} {child}", level + 1)


def _parameter(parameter: Any) -> str:
    names = parameter.opts if parameter.param_type_name == "option" else [(parameter.name or "").upper()]
    default = (
        "" if callable(parameter.default) or parameter.default in (None, False, ()) else parameter.default
    )
    says = " ".join((getattr(parameter, "help", "") or "").split()).replace("|", "\\|")
    return (
        f"| {', '.join(f'`{name}`' for name in names)} | {says} | {f'`{default}`' if default != '' else ''} |"
    )


def _examples() -> Iterator[str]:
    yield "# Examples\n\nThe files of `examples/`, each run by a test.\n"
    for path in sorted((ROOT / "examples").glob("*.*")):
        language = {".py": "python", ".toml": "toml"}.get(path.suffix, "text")
        yield f"## {path.name} {{ #{_anchor(path.name)} }}\n"
        yield f"```{language}\n{path.read_text(encoding='utf-8').rstrip()}\n```\n"


def _reference() -> Iterator[str]:
    yield "# Python reference\n\nWritten from the docstrings. How to use it: [from Python](python.md).\n"
    for title, module in REFERENCE.items():
        yield f"## {title}\n\n::: {module}\n"


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.ids.add(value)
            if tag == "a" and name == "href" and value:
                self.links.append(value)
            if (
                (tag, name) in FETCHED
                and value
                and dict(attrs).get("rel") not in ("canonical", "next", "prev")
            ):
                self.fetched.append(value)


def broken(site: Path = SITE) -> list[str]:
    """Return every dead link, and everything that a browser would fetch from another host, as sentences."""
    pages = {path: _Links() for path in sorted(site.rglob("*.html"))}
    for path, links in pages.items():
        links.feed(path.read_text(encoding="utf-8"))
    problems = []
    for path, links in pages.items():
        if path.name == "404.html":  # served from any address: its links begin at the root of the site
            continue
        for link in links.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                problems.append(f"{path.name}: dead link {link}")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
                problems.append(f"{path.name}: {link} leads to no heading")
        problems += [
            f"{path.name}: fetches {url}"
            for url in links.fetched
            if urlsplit(url).netloc or url.startswith("//")
        ]
    return problems


def main() -> int:
    """Write the pages, run the notebooks, build the site, check it; returns the exit code."""
    from make_notebooks import write_notebooks

    pages = write_pages()
    for page, seconds in write_notebooks(PAGES):
        pages.append(page)
        print(f"{page.stem}: {seconds:.0f} s")
    placed = set(
        re.findall(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    )
    problems = [f"{page.name} has no place in mkdocs.yml" for page in pages if page.name not in placed]
    tool = Path(sys.executable).with_name("zensical")
    if not problems:
        built = subprocess.run([tool, "build", "--clean", "--strict"], cwd=ROOT, check=False)
        problems = broken() if built.returncode == 0 else ["zensical has refused a page, see above"]
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"{len(pages)} pages in {SITE.relative_to(ROOT)}; open {SITE.relative_to(ROOT)}/index.html")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
