"""A real Prefect server for tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import httpx
import stamina

from weathervane.flow._environment import prefer
from weathervane.flow._sqlite import database_url, keep_tables, with_tables

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

__all__ = ["newest_run", "running_prefect"]


def newest_run(api: SyncPrefectClient) -> FlowRun:
    """The run that began last. Prefect's own order counts a run that is due, and never began, by when it is due."""
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterStartTime
    from prefect.client.schemas.sorting import FlowRunSort

    begun = FlowRunFilter(start_time=FlowRunFilterStartTime(is_null_=False))
    (run,) = api.read_flow_runs(flow_run_filter=begun, sort=FlowRunSort.START_TIME_DESC, limit=1)
    return run


@contextmanager
def running_prefect(startup_seconds: float = 180) -> Iterator[None]:
    """Starts a Prefect server on a database of its own and points this process at it.

    It takes six seconds to a minute: share it between all tests of a session. More would be spent on making the tables,
    which is done once for each version of Prefect: they are kept, empty, in the user's cache folder; and on importing
    the server's code into this process, as Prefect's own `prefect_test_harness` does. Flows do not wait for their
    heartbeat's last second here.
    """
    prefer()
    from prefect import context
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        database = Path(folder, "prefect.db")
        made = with_tables(database)
        with _served(database, folder, made, startup_seconds) as url:
            settings = {PREFECT_API_URL: url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
            with (
                temporary_settings(settings),
                # Threads that are started elsewhere, as gRPC's, have no settings but the process's.
                context._temporary_global_settings_context(context.get_settings_context()),
            ):
                if not made:
                    keep_tables(database)
                yield
                _drain()


@contextmanager
def _served(database: Path, home: str, made: bool, startup_seconds: float) -> Iterator[str]:
    command = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
    environment = {
        "PREFECT_HOME": home,
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database_url(database),
        "PREFECT_SERVER_DATABASE_MIGRATE_ON_START": str(not made).lower(),
        "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": str(not made).lower(),
        # As `prefect_test_harness` has it: no UI, and an application that is this process's own.
        "PREFECT_UI_ENABLED": "0",
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
    }
    with socket.socket() as listener:
        # The server inherits it: a free port that is only looked up may be another process's by the time it is bound.
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        options = ["--fd", str(listener.fileno()), "--log-level", "error", "--lifespan", "on"]
        server = subprocess.Popen(
            [*command, *options], env={**os.environ, **environment}, pass_fds=[listener.fileno()]
        )
    with server:
        try:
            # A test that tries again at once does not hurry the server.
            with stamina.set_testing(False):
                _wait(server, url, startup_seconds)
            yield url
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()


def _wait(server: subprocess.Popen[bytes], url: str, seconds: float) -> None:
    asking = stamina.retry_context(
        on=httpx.TransportError, attempts=None, timeout=seconds, wait_initial=0.1, wait_max=0.2
    )
    for attempt in asking:
        with attempt:
            if server.poll() is not None:
                raise RuntimeError(f"the Prefect server ended by itself, exit code {server.returncode}")
            httpx.get(f"{url}/health").raise_for_status()


def _drain() -> None:
    """Sends what is still to be told, before nobody listens any more."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    APILogWorker.instance().drain()
    EventsWorker.drain_all()
