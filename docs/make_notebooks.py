"""Run the notebooks of examples/notebooks/ and write each as a page with its outputs; part of `make site`.

They are Python files in the percent format, which Jupyter opens through jupytext. Each runs in an empty folder of its
own and in a fresh kernel on loopback; one that raises ends the build.
"""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jupytext
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert.exporters import MarkdownExporter

NOTEBOOKS = Path(__file__).resolve().parent.parent / "examples" / "notebooks"
QUIET = ["--IPKernelApp.log_level=40"]  # the kernel would warn that loopback is not encrypted
PATIENCE_S = 1800  # of one cell; ends a kernel that hangs


def write_notebooks(folder: Path) -> Iterator[tuple[Path, float]]:
    """Run every notebook, write `notebook-NAME.md` and its pictures into `folder`; yields page and seconds.

    Raises:
        RuntimeError: a cell has raised; the message names the notebook and holds the traceback.
    """
    import time

    for source in sorted(NOTEBOOKS.glob("*.py")):
        begun = time.monotonic()
        page = folder / f"notebook-{source.stem.replace('_', '-')}.md"
        page.write_text(_run(source, folder, page.stem), encoding="utf-8")
        yield page, time.monotonic() - begun


def _run(source: Path, folder: Path, name: str) -> str:
    notebook = jupytext.read(source)
    environment = {
        **os.environ,
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "OMP_NUM_THREADS": "1",
    }
    with tempfile.TemporaryDirectory(prefix="notebook-") as scratch:
        where = {"metadata": {"path": scratch}}
        client = NotebookClient(notebook, timeout=PATIENCE_S, resources=where, extra_arguments=QUIET)
        try:
            client.execute(env=environment)
        except CellExecutionError as problem:
            raise RuntimeError(f"{source.name}: {problem}") from None
    text, resources = MarkdownExporter().from_notebook_node(notebook)
    for picture, content in resources["outputs"].items():
        (folder / f"{name}-{picture}").write_bytes(
            content if isinstance(content, bytes) else base64.b64decode(content)
        )
        text = text.replace(f"]({picture})", f"]({name}-{picture})")
    heading, rest = text.split("\n", 1)
    origin = f"This page is `examples/notebooks/{source.name}`, run when the pages were made."
    return f"{heading}\n\n{origin}\n{rest}"
