"""Serve several ASGI applications on several ports of one process, in a thread or until a signal."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import uvicorn

__all__ = ["SandboxError", "bind", "run_until_signalled", "serving", "url_of"]

START_SECONDS = 30
GRACE_SECONDS = 2


class SandboxError(Exception):
    """The sandbox cannot run as asked; the message is one line for the person who started it."""


def bind(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """Return a listening TCP socket; port 0 takes a free one.

    Connections are accepted by the kernel from here on, so a URL can be given out before the server runs.

    Raises:
        SandboxError: the port is in use, or the host cannot be bound.
    """
    if not 0 <= port <= 65_535:  # the resolver would take it modulo 65,536
        raise SandboxError(f"cannot listen on {host}:{port}: a port is between 0 and 65535")
    try:
        info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # With the protocol named, asyncio turns Nagle off; otherwise every answer waits 40 ms for an ACK.
        sock = socket.socket(info[0], info[1], info[2])
    except (OSError, OverflowError) as error:
        raise SandboxError(f"cannot listen on {host}:{port}: {error}") from None
    try:
        # Without it a port stays refused for a minute after a stop; it never allows two listeners on Linux.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(info[4])
        sock.listen(128)
    except (OSError, OverflowError) as error:
        sock.close()
        raise SandboxError(f"cannot listen on {host}:{port}: {error}") from None
    return sock


def url_of(sock: socket.socket) -> str:
    """Return the `http://host:port` of a listening socket."""
    host, port = sock.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # every address: give one that a client of this machine can use
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def serving(apps: Sequence[tuple[Any, socket.socket]]) -> Iterator[None]:
    """Serve each ASGI application on its socket in a thread of this process; stop cleanly on exit.

    The body runs once every server is up. Sockets are closed on exit. Requests still running after
    two seconds are cut off.

    Raises:
        SandboxError: a server did not come up.
    """
    thread = _ServerThread(apps)
    thread.start()
    try:
        thread.wait_until_up()
        yield
    finally:
        thread.stop()


def run_until_signalled(apps: Sequence[tuple[Any, socket.socket]], ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; call `ready` once when every server is up. For the main thread only."""
    stopped = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        with serving(apps):
            ready()
            stopped.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Server(uvicorn.Server):
    """A server that notices its stop at once: tests start and stop many of them."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        counter = 0
        while not await self.on_tick(counter):
            counter = (counter + 1) % 864_000
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), 0.1)

    def stop(self) -> None:
        self.should_exit = True
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._wake.set)


class _ServerThread(threading.Thread):
    def __init__(self, apps: Sequence[tuple[Any, socket.socket]]) -> None:
        super().__init__(name="weathervane-sandbox", daemon=True)
        self._sockets = [sock for _, sock in apps]
        self._servers = [
            _Server(
                uvicorn.Config(
                    app,
                    log_config=None,
                    log_level="critical",
                    access_log=False,
                    lifespan="off",
                    server_header=False,
                    timeout_graceful_shutdown=GRACE_SECONDS,
                )
            )
            for app, _ in apps
        ]
        self._up = threading.Event()
        self._failure: BaseException | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # handed to the thread that waits
            self._failure = error
        finally:
            self._up.set()
            for sock in self._sockets:
                sock.close()

    async def _serve(self) -> None:
        serving = [
            asyncio.ensure_future(server.serve(sockets=[sock]))
            for server, sock in zip(self._servers, self._sockets, strict=True)
        ]
        while not all(server.started for server in self._servers):
            if any(task.done() for task in serving):
                break
            await asyncio.sleep(0.005)
        self._up.set()
        await asyncio.gather(*serving)

    def wait_until_up(self) -> None:
        if not self._up.wait(START_SECONDS) or not all(server.started for server in self._servers):
            raise SandboxError(f"the sandbox's server did not start: {self._failure}")

    def stop(self) -> None:
        for server in self._servers:
            server.stop()
        self.join(GRACE_SECONDS + 8)
