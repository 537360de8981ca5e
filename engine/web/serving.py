"""Listen, say where, and stop cleanly."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable

import uvicorn

from engine.web.app import create_app
from engine.web.options import Options
from forewalk.errors import UsageError

LEAVING_S = 3  # for answers under way when the server is stopped; streams of events are cut


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def serve(options: Options, say: Callable[[str], None], open_browser: bool = False) -> None:
    """Answer until SIGINT or SIGTERM; `say` is told the address once it can be used.

    Raises:
        UsageError: the address cannot be listened on, or would let others in unguarded.
        ConfigError: the database cannot be used.
    """
    app = create_app(options)
    options.check(app.state.store.people.any())
    listening = _listening(options)
    host = f"[{options.host}]" if ":" in options.host else options.host
    address = f"http{'s' if options.certificate else ''}://{host}:{listening.getsockname()[1]}"

    def ready() -> None:
        say(f"Forewalk is ready: {address} (stop it with Ctrl-C)")
        if app.state.first_owner is not None:
            say(f"Nobody is known yet. Make the owner, once, at {address}/setup#{app.state.first_owner}")
        if open_browser:
            webbrowser.open(address)

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=options.proxy is not None,
        forwarded_allow_ips=options.proxy,
        ssl_certfile=options.certificate,
        ssl_keyfile=options.certificate_key,
        timeout_graceful_shutdown=LEAVING_S,
    )
    _Server(config, ready).run(sockets=[listening])


def _listening(options: Options) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        return socket.create_server((options.host, options.port), family=family, backlog=256)
    except OSError as problem:
        raise UsageError(
            f"{options.host}:{options.port} cannot be listened on ({problem.strerror}); choose another --port, "
            "0 takes a free one"
        ) from None
