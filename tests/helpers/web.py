"""Talking to the web application: in this process over ASGI, or to a server of its own on loopback."""

import asyncio
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import httpx

from engine.web.app import create_app
from engine.web.options import Options
from helpers.waiting import PATIENCE_S

HERE = "http://127.0.0.1:8000"


DATABASE = None  # SQLite in the state folder


def options_in(folder, **more):
    return Options(state=folder / "serve", runs=folder / "runs", **{"database": DATABASE, **more})


class Client:
    """A browser or a program that asks one application, a request at a time."""

    def __init__(self, app, **headers):
        self.app, self.headers, self.cookies = app, headers, httpx.Cookies()

    def ask(self, method, path, headers=None, **more):
        async def asked():
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=HERE, cookies=self.cookies) as client:
                answer = await client.request(
                    method, path, headers={**self.headers, **(headers or {})}, **more
                )
                self.cookies = client.cookies
                return answer

        return asyncio.run(asked())

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, **more):
        return self.ask("POST", path, **more)

    def delete(self, path, **more):
        return self.ask("DELETE", path, **more)


def client_in(folder, **more):
    return Client(create_app(options_in(folder, **more)))


@contextmanager
def server(folder, *flags):
    """Run `python -m engine.web` on a free port; yield its process and its address."""
    command = [sys.executable, "-m", "engine.web", "--port", "0", "--state", folder / "serve"]
    process = subprocess.Popen(
        [*command, "--runs", folder / "runs", *flags], stdout=subprocess.PIPE, text=True, cwd=folder
    )
    try:
        said = process.stdout.readline()
        found = re.search(r"http://\S+", said)
        assert found, f"it did not say where it listens: {said!r}"
        yield process, found[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)
        process.stdout.close()
