"""A mail server on loopback that takes mails, or fails as it was told; it speaks just enough SMTP."""

import socketserver
import threading
from email import message_from_bytes


class MailServer:
    def __init__(self):
        self.mails = []
        self.refusals = []  # answers to the next DATA commands, "reset" to hang up
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def say(self, text):
                self.wfile.write(text.encode() + b"\r\n")

            def handle(self):
                self.say("220 here")
                while line := self.rfile.readline():
                    word = line.split()[0].upper() if line.split() else b""
                    if word == b"DATA":
                        if server.refusals:
                            refusal = server.refusals.pop(0)
                            if refusal == "reset":
                                return
                            self.say(refusal)
                            continue
                        self.say("354 go on")
                        server.mails.append(message_from_bytes(self.content()))
                        self.say("250 taken")
                    elif word == b"QUIT":
                        self.say("221 bye")
                        return
                    elif word == b"AUTH":
                        self.say("535 wrong password")
                    else:
                        self.say("250-here\r\n250 AUTH PLAIN" if word == b"EHLO" else "250 fine")

            def content(self):
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line)
                return b"".join(lines)

        self.smtp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.smtp.daemon_threads = True
        self.port = self.smtp.server_address[1]
        threading.Thread(target=self.smtp.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self):
        self.smtp.shutdown()
        self.smtp.server_close()
