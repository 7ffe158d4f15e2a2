"""An SMTP server and a Slack webhook in the test process, which receive alerts."""

from __future__ import annotations

import email
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Mail:
    """
    A message that arrived.

    :param to: the recipients in the envelope
    """

    def __init__(self, to: list[str], message: Message) -> None:
        self.to = to
        self.subject = str(message["Subject"])
        parts = [part for part in message.walk() if not part.is_multipart()]
        self.text = "".join(part.get_payload(decode=True).decode() for part in parts)  # type: ignore[union-attr]


@contextmanager
def smtp_server() -> Iterator[tuple[int, list[Mail]]]:
    """Yield a port, and the mails that arrive there."""
    arrived: list[Mail] = []

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 here")
            to: list[str] = []
            while line := self.rfile.readline().decode().strip():
                verb = line.split(":")[0].upper()
                if verb == "RCPT TO":
                    to.append(line.split("<")[1].split(">")[0])
                if verb == "DATA":
                    self._say("354 go on")
                    lines = list(iter(self.rfile.readline, b".\r\n"))
                    arrived.append(Mail(to, email.message_from_bytes(b"".join(lines))))
                self._say("250 well")

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with _serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)) as port:
        yield port, arrived


@contextmanager
def webhook(status: int = 200) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """Yield a port, and the path and text of each message that is posted to it."""
    arrived: list[tuple[str, str]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            arrived.append((self.path, json.loads(body)["text"]))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Hook)) as port:
        yield port, arrived


@contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.socket.getsockname()[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
