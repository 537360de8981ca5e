"""`forewalk serve`: the web application and the API on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import say_at_once
from forewalk.errors import UsageError

EPILOG = """\b
Examples:
  python -m engine.web
  python -m engine.web --port 8080 --open
  python -m engine.web --state /srv/forewalk --runs /srv/forewalk/runs

Exit codes: 0 done, 1 failure, 2 usage, 3 configuration, 4 connection, 5 data, 130 interrupted."""


def serve(
    port: Annotated[int, typer.Option(help="Where it listens; 0 takes a free one.", min=0, max=65535)] = 8000,
    state: Annotated[
        Path, typer.Option(help="Folder of what it remembers: jobs, users, files.", metavar="DIR")
    ] = Path("serve"),
    runs: Annotated[Path, typer.Option(help="Folder of the runs.", metavar="DIR")] = Path("runs"),
    paper: Annotated[
        Path | None, typer.Option(help="Settings of the paper book to show and to stop.", metavar="FILE")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    users: Annotated[
        bool, typer.Option("--users", help="Everybody logs in; the first owner by a link that is printed.")
    ] = False,
    host: Annotated[
        str, typer.Option(help="Address to listen on; other machines need users and TLS.")
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Another name by which browsers may ask for it; repeatable.", metavar="NAME"),
    ] = None,
    tls_certificate: Annotated[Path | None, typer.Option(help="PEM file.", metavar="FILE")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file.", metavar="FILE")] = None,
    proxy: Annotated[
        str | None,
        typer.Option(help="Address of a proxy that does TLS, whose headers are believed.", metavar="ADDRESS"),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(help="PostgreSQL for teams; default SQLite in DIR.", metavar="postgresql://..."),
    ] = None,
    local_webhooks: Annotated[
        bool, typer.Option("--local-webhooks", help="Webhooks may lead to this machine, too.")
    ] = False,
    slots: Annotated[int, typer.Option(help="Jobs at a time.", min=1)] = 1,
    memory_mb: Annotated[int, typer.Option(help="Memory of one job.", min=100)] = 16_000,
) -> None:
    """Serve the web application and the API on this machine; ready when it prints its address."""
    say_at_once("starting")
    try:
        from engine.web.jobs.desk import Limits
        from engine.web.options import Options
        from engine.web.serving import serve as listen
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] in ("engine", "forewalk"):
            raise
        raise UsageError(
            f"the web application needs {missing.name}: pip install 'forewalk[web]'"
        ) from missing
    options = Options(
        state=state,
        runs=runs,
        host=host,
        port=port,
        allowed_hosts=tuple(allow_host or ()),
        users=users,
        database=database,
        paper=paper,
        certificate=tls_certificate,
        certificate_key=tls_key,
        proxy=proxy,
        local_webhooks=local_webhooks,
        limits=Limits(slots=slots, memory_mb=memory_mb),
    )
    listen(options, typer.echo, open_)
