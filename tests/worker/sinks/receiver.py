"""A real receiver of webhooks on the loopback, which answers as a test says."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler], object]


@dataclass(frozen=True)
class Received:
    """One call."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What was received, and how the next call is answered."""

    port: int = 0
    calls: list[Received] = field(default_factory=list)
    answer: Answer = lambda handler: status(handler, 204)
    gone: threading.Event = field(default_factory=threading.Event)
    """Set when the test ends: answers that hang may go."""

    def url(self, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}/hook?a=b"


def status(handler: BaseHTTPRequestHandler, code: int, **headers: str) -> None:
    """Answer with a code alone."""
    handler.send_response(code)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@contextmanager
def receiving(certificate: str | None = None) -> Iterator[Receiver]:
    """A receiver that listens as long as the block lasts; with a certificate it speaks TLS."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.calls.append(Received(self.path, dict(self.headers.items()), body))
            receiver.answer(self)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
            """Nothing on stderr."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A caller that is gone is what some tests want."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        receiver.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.gone.set()
            server.shutdown()
            thread.join()
