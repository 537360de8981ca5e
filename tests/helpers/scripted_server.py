"""A server on loopback that answers as it was told and remembers what it was asked."""

import json
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from helpers.waiting import PATIENCE_S


@dataclass
class Answer:
    """One answer: a JSON-able body or raw bytes; `hang` seconds before it, `drip` seconds between its bytes."""

    body: object = None
    status: int = 200
    headers: dict = field(default_factory=dict)
    hang: threading.Event | None = None
    drip: threading.Event | None = None
    declared_length: int | None = None

    @property
    def content(self):
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class ScriptedServer:
    def __init__(self):
        self.answers = []
        self.requests = []
        self.released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                server.requests.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
                answer = server.answers.pop(0) if server.answers else Answer({"message": "not scripted"}, 500)
                if answer == "reset":
                    self.connection.shutdown(socket.SHUT_RDWR)  # close() alone waits for the files made of it
                    self.close_connection = True
                    return
                if answer.hang:
                    answer.hang.wait(PATIENCE_S)
                self.send_response_only(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                content = answer.content
                self.send_header("Content-Length", str(answer.declared_length or len(content)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.send_slowly(content, answer.drip)

            def send_slowly(self, content, drip):
                try:
                    for place in range(len(content) if drip else 0):
                        self.wfile.write(content[place : place + 1])
                        if drip.wait(0.05):
                            return
                    self.wfile.write(b"" if drip else content)
                except OSError:
                    pass
                self.close_connection = True

            do_GET = do_POST = do_DELETE = do_PATCH = answer  # noqa: N815 - names of http.server

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def say(self, *answers):
        self.answers.extend(answers)

    def asked(self, method=None):
        return [request for request in self.requests if method in (None, request[0])]

    def close(self):
        self.released.set()
        self.http.shutdown()
        self.http.server_close()
