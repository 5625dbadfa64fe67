"""Runs gRPC servers: one port for one server, health that follows its state, a drain on SIGTERM that is bounded."""

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
# grpc.aio writes its debug log while it holds a lock that its destructors need. Any thread may collect garbage, also
# one that is writing a log line and holds the handler's lock: the two then deadlock (seen with grpcio 1.85).
logging.getLogger("grpc").setLevel(logging.INFO)


class AddressInUseError(OSError):
    """The address cannot be bound; the message names it and says what to do."""


@dataclass(frozen=True)
class ServerSettings:
    """Where a server listens, what it accepts and how it shuts down."""

    host: str = "127.0.0.1"
    """Loopback by default, because the port has no authentication yet."""
    port: int = 0
    """0 takes a free port; `RunningServer.address` has the bound one."""
    max_message_bytes: int = 4 * 1024 * 1024
    """gRPC's default. Frames are about 1 MiB, so a larger message is a mistake or an attack."""
    max_concurrent_rpcs: int = 64
    """Calls beyond this number are refused with RESOURCE_EXHAUSTED instead of queueing without bound."""
    grace_seconds: float = 20.0
    """How long running calls may continue after a stop was requested."""
    exit_seconds: float = 5.0
    """How long after `grace_seconds` a process in `run_server` may still run. It is then ended with exit code 1, and
    the stack of each thread is written to stderr. A thread that waits for a storage which does not answer would
    otherwise keep the process alive for ever."""


@dataclass(frozen=True)
class Service:
    """A service to host: its full proto name, and the function that adds it to a server."""

    name: str
    add: Callable[[grpc.aio.Server], None]


@dataclass(frozen=True)
class RunningServer:
    """A server that accepts calls."""

    address: str
    """`host:port`, with the port that was bound."""


class _Server:
    def __init__(self, services: Sequence[Service], settings: ServerSettings, domain: str) -> None:
        self._settings = settings
        self._names = [service.name for service in services]
        self._server = grpc.aio.server(
            interceptors=[CallInterceptor(domain, settings.max_concurrent_rpcs)],
            options=[
                # By default it is on, and a second server could bind the same port without an error.
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
    """Serves in the calling (main) thread until SIGTERM or SIGINT, then drains and returns.

    The process must end after that: if it still runs `settings.exit_seconds` after the grace period, it is killed.

    Args:
        services: The services to host, in addition to health and reflection.
        settings: The address, limits and times.
        domain: The `ErrorInfo.domain` of the services' errors.
        on_ready: Called when the server accepts calls.

    Raises:
        AddressInUseError: The address cannot be bound.
    """

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def asked(number: int, frame: object) -> None:
            # Later signals are ignored, because each would restart the timer below.
            for one in (signal.SIGTERM, signal.SIGINT):
                signal.signal(one, lambda *_: None)
            # The timer must not depend on the event loop, which may be what hangs; faulthandler's thread needs no
            # Python. (File 2 is stderr.)
            seconds = settings.grace_seconds + settings.exit_seconds
            faulthandler.dump_traceback_later(seconds, exit=True, file=2)
            loop.call_soon_threadsafe(stop.set)

        # Not loop.add_signal_handler: the loop removes its handlers when it closes, and a hanging thread outlives it.
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
    """Serves from a thread of this process for the duration of a `with` block; for tests and embedding.

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
        # The loop is run and closed in this one thread, with its async generators and executor: destroying grpc's
        # objects in another thread has crashed in garbage collection.
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
