"""Serving: bind exactly one port, tell the truth about readiness, drain on SIGTERM, stop in bounded time."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from weathervane.rpc._interceptors import CallInterceptor

log = logging.getLogger(__name__)
# grpc.aio writes its debug log while it holds a lock that its destructors want. Garbage is collected by any thread,
# also by one that is just writing a line of a log: each then waits for the other for ever (seen, with grpcio 1.85).
logging.getLogger("grpc").setLevel(logging.INFO)


class AddressInUseError(OSError):
    """The address cannot be bound; the message says which and what to do."""


@dataclass(frozen=True)
class ServerSettings:
    """How a server listens and ends."""

    host: str = "127.0.0.1"
    """Loopback unless told otherwise: there is no authentication on this port yet."""
    port: int = 0
    """0 takes a free port; the bound one is in `RunningServer.address`."""
    max_message_bytes: int = 4 * 1024 * 1024
    """gRPC's own default. Frames are about 1 MiB, so a larger message is a mistake or an attack."""
    max_concurrent_rpcs: int = 64
    """Calls beyond it are refused at once with RESOURCE_EXHAUSTED instead of queueing without bound."""
    grace_seconds: float = 20.0
    """How long running calls may go on after a stop was asked for."""
    exit_seconds: float = 5.0
    """How long after that the process may still be there, for `run_server`. Then it ends by force with code 1, whatever
    hangs (storage that does not answer holds its thread for ever), and says on stderr where each thread was."""


@dataclass(frozen=True)
class Service:
    """One service to host: its full proto name and how it is added to a server."""

    name: str
    add: Callable[[grpc.aio.Server], None]


@dataclass(frozen=True)
class RunningServer:
    """A server that accepts calls."""

    address: str
    """`host:port`, with the real port."""


class _Server:
    def __init__(self, services: Sequence[Service], settings: ServerSettings, domain: str) -> None:
        self._settings = settings
        self._names = [service.name for service in services]
        self._server = grpc.aio.server(
            interceptors=[CallInterceptor(domain, settings.max_concurrent_rpcs)],
            options=[
                # On by default, and then a second server binds the same port silently.
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", settings.max_message_bytes),
                ("grpc.max_send_message_length", settings.max_message_bytes),
                # A peer that stops answering (SIGSTOP, a pulled cable) is dropped after about 30 s.
                ("grpc.keepalive_time_ms", 20_000),
                ("grpc.keepalive_timeout_ms", 10_000),
                ("grpc.http2.ping_timeout_ms", 10_000),
                ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
                ("grpc.http2.max_ping_strikes", 2),
            ],
        )
        for service in services:
            service.add(self._server)
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            [*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server
        )

    async def start(self) -> RunningServer:
        wanted = f"{self._settings.host}:{self._settings.port}"
        try:
            port = self._server.add_insecure_port(wanted)
        except RuntimeError:
            port = 0
        if port == 0:
            raise AddressInUseError(
                f"cannot listen on {wanted}: the port is taken or the address is not this machine's;"
                " choose another with --host/--port (port 0 takes a free one)"
            )
        await self._server.start()
        for name in ("", *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return RunningServer(f"{self._settings.host}:{port}")

    async def stop(self) -> None:
        await self._health.enter_graceful_shutdown()
        await self._server.stop(self._settings.grace_seconds)


def run_server(
    services: Sequence[Service],
    settings: ServerSettings,
    *,
    domain: str,
    on_ready: Callable[[RunningServer], None],
) -> None:
    """Serves in this thread until SIGTERM or SIGINT, then drains and returns, for the process to end: if it is still
    there `settings.exit_seconds` after the grace, it is ended.

    Args:
        services: What to host, beside health and reflection.
        settings: Where and how.
        domain: The `ErrorInfo.domain` of the services' errors.
        on_ready: Called once calls are accepted.

    Raises:
        AddressInUseError: The address cannot be bound.
    """

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def asked(number: int, frame: object) -> None:
            # Once: whoever asks again and again would else put the end off again and again.
            for one in (signal.SIGTERM, signal.SIGINT):
                signal.signal(one, lambda *_: None)
            # Not in the loop, which may be what hangs, and by a thread that needs no Python. (2 is stderr.)
            seconds = settings.grace_seconds + settings.exit_seconds
            faulthandler.dump_traceback_later(seconds, exit=True, file=2)
            loop.call_soon_threadsafe(stop.set)

        # Not the loop's own handlers, which it takes back when it ends: a thread that hangs outlives it.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, asked)
        server = _Server(services, settings, domain)
        on_ready(await server.start())
        await stop.wait()
        log.info(
            "draining for at most %g s; by force %g s later", settings.grace_seconds, settings.exit_seconds
        )
        await server.stop()

    asyncio.run(main())


@contextmanager
def running_server(
    services: Sequence[Service], settings: ServerSettings, *, domain: str
) -> Iterator[RunningServer]:
    """Serves from a thread of this process for the length of a `with` block; for tests and embedding.

    Raises:
        AddressInUseError: The address cannot be bound.
    """
    started: Future[RunningServer] = Future()
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def main() -> None:
        server = _Server(services, settings, domain)
        try:
            started.set_result(await server.start())
        except BaseException as error:
            started.set_exception(error)
            return
        await ended.wait()
        await server.stop()

    def run() -> None:
        # The loop's whole life in one thread, to its last async generator and helper thread: grpc's objects are not
        # made to be taken apart in another (a crash in garbage collection was seen).
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(main())
        gc.collect()

    thread = threading.Thread(target=run, name="weathervane-rpc", daemon=True)
    thread.start()
    running = started.result()
    try:
        yield running
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
