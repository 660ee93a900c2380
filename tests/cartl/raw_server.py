"""A server that answers with any bytes at all."""

from __future__ import annotations

import socket
import threading

ANSWERS_BEFORE_IT_IS_GONE = 4


class RawServer:
    """Answers each connection with the same bytes, a few times; then with a 404."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.answer = b""
        self.asked = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(0.1)
                try:
                    received = connection.recv(65_536)
                    while b"\r\n\r\n" not in received:
                        received += connection.recv(65_536) or b"\r\n\r\n"
                    self.asked += 1
                    gone = self.asked > ANSWERS_BEFORE_IT_IS_GONE
                    connection.sendall(http(b"{}", 404) if gone else self.answer)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(
                        65_536
                    ):  # what was sent is read, or a reset may overtake the answer
                        pass
                except OSError:
                    continue

    def close(self) -> None:
        self._socket.close()


def http(body: bytes, status: int = 200, kind: str = "application/json", *more: str) -> bytes:
    head = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(head).encode() + body
