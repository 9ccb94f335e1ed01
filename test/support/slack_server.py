"""A server that plays Slack: it takes messages, and answers as it is told to."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

# Status and body of an answer; "silence" is none, and "lost" breaks the connection instead.
ANSWERS = {
    "ok": (200, b'{"ok": true, "channel": "C1", "ts": "1.2"}'),
    "invalid_auth": (200, b'{"ok": false, "error": "invalid_auth"}'),
    "500": (500, b"<html>\n<h1>Server Error</h1>\n</html>"),
    "garbage": (200, b"\x1b[31m<html>\n" * 1000),
    "another JSON": (200, b'["ok"]'),
}


@dataclass
class Message:
    """What was sent."""

    authorization: str
    fields: dict[str, str]


class SlackServer(ThreadingHTTPServer):
    """Takes the messages of ``chat.postMessage``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = "ok"
        self.paths: list[str] = []
        self.messages: list[Message] = []
        self.is_closing = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api/"


class _Handler(BaseHTTPRequestHandler):
    server: SlackServer

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"])).decode()
        is_json = "json" in self.headers["Content-Type"]
        fields = json.loads(content) if is_json else {name: value for name, (value,) in parse_qs(content).items()}
        self.server.paths.append(self.path)
        self.server.messages.append(Message(self.headers["Authorization"], fields))
        if self.server.answer == "silence":
            self.server.is_closing.wait(60)
        if self.server.answer in ("silence", "lost"):
            return
        status, body = ANSWERS[self.server.answer]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the messages are kept."""


@contextlib.contextmanager
def playing_slack() -> Iterator[SlackServer]:
    """Serve for as long as the context lasts."""
    with SlackServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.is_closing.set()
            server.shutdown()
            thread.join()
