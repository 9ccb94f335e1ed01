"""A relay in front of the S3 server that records requests, and makes bad weather for them."""

from __future__ import annotations

import contextlib
import http.client
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# Answers of S3 that refuse a request: status, code and date.
ANSWERS = {
    "500": (500, "InternalError", ""),
    "503": (503, "SlowDown", ""),
    "expired token": (400, "ExpiredToken", ""),
    "wrong clock": (403, "RequestTimeTooSkewed", "Thu, 01 Jan 2026 00:00:00 GMT"),
    "no region": (301, "PermanentRedirect", ""),
}
# Those that do not last: a request that is repeated meets them no more.
PASSING_FAULTS = ("500", "503", "refused", "lost", "cut", "trickle", "black hole")
LASTING_FAULTS = ("expired token", "wrong clock", "no region")


def split(content: bytes, pieces: int) -> list[bytes]:
    size = len(content) // pieces + 1
    return [content[start : start + size] for start in range(0, len(content), size)]


class RecordingProxy(ThreadingHTTPServer):
    """Passes every request on to the server unchanged, so that its signature stays valid."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.requests: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        # Called with the method and the path before a request is passed on, and when the server has answered; what
        # they raise cuts the connection.
        self.before: Callable[[str, str], None] = lambda *_: None
        self.after: Callable[[str, str], None] = lambda *_: None
        # Called with the method and the path; returns the fault that the request meets, one of FAULTS, or nothing.
        self.weather: Callable[[str, str], str] = lambda *_: ""
        self.is_closing = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of connections that were cut on purpose, or by a client that was killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def count(self, method: str) -> int:
        return sum(recorded == method for recorded, _ in self.requests)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RecordingProxy

    def relay(self) -> None:
        self.server.requests.append((self.command, self.path))
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.server.before(self.command, self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.server.weather(self.command, self.path)
        if fault in ANSWERS:
            self.refuse(*ANSWERS[fault])
            return
        if fault == "refused":
            raise ConnectionAbortedError
        if fault == "black hole":
            self.server.is_closing.wait(60)
            raise ConnectionAbortedError
        connection = http.client.HTTPConnection(self.server.upstream)
        with contextlib.closing(connection):
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() != "expect":
                    connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            content = response.read()
        self.server.after(self.command, self.path)
        if fault == "lost":
            raise ConnectionAbortedError
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", response.headers.get("Content-Length", str(len(content))))
        self.end_headers()
        if fault == "cut":
            self.wfile.write(content[: len(content) // 2])
            raise ConnectionAbortedError
        for piece in split(content, 20) if fault == "trickle" else [content]:
            self.wfile.write(piece)
            self.server.is_closing.wait(0.02 if fault == "trickle" else 0)

    def refuse(self, status: int, code: str, date: str) -> None:
        """Answer as S3 does when it refuses."""
        content = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(content)))
        if date:
            self.send_header("Date", date)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = relay  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing: the requests are recorded."""


@contextlib.contextmanager
def recording(upstream: str) -> Iterator[RecordingProxy]:
    """Have a proxy relay to the server at ``upstream`` for as long as the context lasts."""
    with RecordingProxy(upstream) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.is_closing.set()
            proxy.shutdown()
            thread.join()
