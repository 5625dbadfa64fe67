"""A network between a client and a server, which can be cut."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Proxy:
    """Carries bytes both ways until it is told not to."""

    def __init__(self, target: str) -> None:
        self.move(target)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._answers = threading.Event()
        self._answers.set()
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def move(self, target: str) -> None:
        """Leads the next connections elsewhere, as a load balancer does."""
        host, port = target.rsplit(":", 1)
        self._target = host, int(port)

    def hold_answers(self) -> None:
        """Keeps what the server says from now on; what the client says still arrives."""
        self._answers.clear()

    def cut(self) -> None:
        """Breaks every connection; what was held is lost. The next connection works."""
        # Only those of now: a client that is quick is back before the last of them is cut.
        broken, self._open = self._open, []
        for end in broken:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._answers.set()

    def close(self) -> None:
        """Breaks every connection and takes no new one."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._open += [client, server]
                threading.Thread(target=self._carry, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._carry, args=(server, client, True), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError), source:
            while data := source.recv(65_536):
                if answers:
                    self._answers.wait()
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxied(target: str) -> Iterator[Proxy]:
    """A proxy to `target` for the length of a `with` block."""
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
