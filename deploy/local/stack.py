"""The whole of WeatherVane on this machine, until Ctrl-C: Prefect on PostgreSQL, a worker, the lake writer, the four
source services and pretend vendors, with every deployment registered and scheduled.

Run it by `nox -s stack`. Each start is a fresh one: the lake and the logs are in `.stack/` until the next; Prefect's
database is in a temporary folder and goes with the stack.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from blocks import save_credentials
from postgres import NoPostgresError, start_postgres
from prefect.settings import PREFECT_API_URL, temporary_settings
from processes import Stack, StartError, port_near
from showing import console, registered, show
from vendors import VENDORS, Pretend

from weathervane.flow import DeployError, FlowError, deploy

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".stack"
UI_PORT = 4200
LAKE_PORT = 50051
RUNS = 4
"""How many runs the worker has at a time: each is a process that imports Prefect, and this is one person's machine."""
BEHIND = timedelta(days=2)
"""How far in the past the vendors' clocks begin, so that there is something to catch up with."""
TICK = timedelta(hours=1)
"""How far they run in a minute, until they are at the present."""

_LOCK = "stack.lock"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class HomeError(Exception):
    """The folder cannot be the stack's; the message says why."""


def main(
    home: Annotated[
        Path, typer.Option(help="Where the lake and the logs are; emptied at each start.")
    ] = HOME,
    postgres: Annotated[
        bool, typer.Option(help="PostgreSQL when it is installed; or SQLite in any case.")
    ] = True,
    free_ports: Annotated[
        bool, typer.Option("--free-ports", help="Free ports only, not the documented ones.")
    ] = False,
) -> None:
    """Run the stack until Ctrl-C. Exit code 1 when a part ends by itself, 2 when the stack cannot start."""
    for number in _SIGNALS:
        signal.signal(number, _interrupted)
    # Neither another server nor real tenants' credentials: what runs here is pretend.
    for name in [name for name in os.environ if name.startswith(("PREFECT_", "WEATHERVANE_"))]:
        del os.environ[name]
    up = False
    try:
        with (
            _owned(home.resolve()) as folder,
            tempfile.TemporaryDirectory(prefix="weathervane-", ignore_cleanup_errors=True) as temporary,
            # Left last: threads wait for parts, which the stack ends.
            ThreadPoolExecutor() as threads,
            Stack(folder / "logs") as stack,
        ):
            try:
                vendors = _start(stack, threads, folder, Path(temporary) if postgres else None, free_ports)
                up = True
                _stay(stack, vendors)
            finally:
                _deafen()
                (folder / "stack.json").unlink(missing_ok=True)
                console.print(f"\nStopping {len(stack.parts)} parts ...")
    except KeyboardInterrupt:
        console.print(f"Stopped. The lake and the logs stay in {home} until the next start.")
        raise typer.Exit(0 if up else 130) from None
    except StartError as error:
        _fail(error, 1 if up else 2)
    except (HomeError, DeployError, FlowError, OSError) as error:
        _fail(error, 2)


def _start(
    stack: Stack, threads: ThreadPoolExecutor, home: Path, database: Path | None, free_ports: bool
) -> list[Pretend]:
    """Starts all parts, as many at a time as do not need each other; registers, and shows what there is."""
    began = time.monotonic()
    port = (lambda wanted: 0) if free_ports else port_near
    console.print(
        "[bold]Starting[/] Prefect, a worker, the lake writer, four sources and pretend vendors ..."
    )
    server = {
        # The newer UI asks a company for its settings; this one talks to its own server only.
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        # Its 10 s for a query are few when two cores have runs, a browser and all the parts to serve.
        "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
    }
    lake_options = ("--lake", str(home / "lake"), "--port", str(port(LAKE_PORT)))
    lake = threads.submit(stack.module, "lake-writer", "weathervane.lake.server", *lake_options)
    begins = (datetime.now(UTC) - BEHIND).replace(microsecond=0)
    pretend = [threads.submit(vendor.start, stack, begins) for vendor in VENDORS]
    try:
        if database is None:
            raise NoPostgresError("it is not wanted")
        url = threads.submit(start_postgres, stack, database).result()
        server["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = url
    except NoPostgresError as error:
        console.print(
            f"  No PostgreSQL ({error}): Prefect runs on SQLite, which serves one person.", markup=False
        )
    environment = threads.submit(stack.prefect, home / "prefect", port(UI_PORT), server).result()
    environment["WEATHERVANE_LAKE_ADDRESS"] = lake.result()["address"]
    environment["WEATHERVANE_PAUSES"] = str(home / "pauses")
    vendors = [one.result() for one in pretend]
    sources = [
        threads.submit(_serve, stack, vendor.source, port(vendor.port), environment) for vendor in VENDORS
    ]
    console.print("  Registering the deployments, and the pretend tenants' credentials as blocks ...")
    deploy(environment["PREFECT_API_URL"])
    # What our own modules warn of stands in a run's log beside Prefect's lines.
    runs = environment | {"PREFECT_LOGGING_EXTRA_LOGGERS": "weathervane"}
    # This process has read its settings already: without this, Prefect's client would start a server of its own.
    with temporary_settings({PREFECT_API_URL: environment["PREFECT_API_URL"]}):
        documents = [
            name
            for vendor, running in zip(VENDORS, vendors, strict=True)
            for name in save_credentials(vendor.source, running.environment)
        ]
        threads.submit(stack.worker, "worker", runs, limit=RUNS).result()
        addresses = [one.result() for one in sources]
        deployments = registered()
    ready: dict[str, Any] = {
        "ui": environment["PREFECT_API_URL"].removesuffix("/api"),
        "api": environment["PREFECT_API_URL"],
        "database": "PostgreSQL" if "PREFECT_SERVER_DATABASE_CONNECTION_URL" in server else "SQLite",
        "lake": environment["WEATHERVANE_LAKE_ADDRESS"],
        "sources": dict(zip((vendor.source for vendor in VENDORS), addresses, strict=True)),
        "deployments": [one.name for one in deployments],
        "blocks": documents,
        "processes": {part.name: part.process.pid for part in stack.parts},
    }
    (home / "stack.json.new").write_text(json.dumps(ready, indent=2))
    (home / "stack.json.new").replace(home / "stack.json")
    show(stack.parts, ready, deployments, home, time.monotonic() - began)
    return vendors


def _serve(stack: Stack, source: str, port: int, environment: dict[str, str]) -> str:
    """Starts a source's gRPC service; returns its address."""
    name = f"{source.replace('_', '-')}-source"
    options = ("serve", "--port", str(port))
    return str(stack.module(name, f"weathervane.{source}", *options, env=environment)["address"])


def _stay(stack: Stack, vendors: list[Pretend]) -> None:
    """Lets the vendors' clocks run, for as long as all parts do."""
    present, begun = -BEHIND.total_seconds(), time.monotonic()
    while True:
        next_tick = time.monotonic() + 60
        while time.monotonic() < next_tick:
            stack.check()
            time.sleep(0.5)
        step = int(min(TICK.total_seconds(), time.monotonic() - begun - present))
        present += step
        for vendor in vendors:
            try:
                vendor.advance(step)
            except OSError:
                # It is ending, or has too much to do; the first is told by the check.
                continue


@contextmanager
def _owned(home: Path) -> Iterator[Path]:
    """The folder, emptied, and ours alone as long as we run.

    Raises:
        HomeError: It holds what is not of a stack, or another stack runs in it.
    """
    if home.exists() and any(home.iterdir()) and not (home / _LOCK).exists():
        raise HomeError(f"{home} holds something else; choose an empty folder with --home")
    home.mkdir(parents=True, exist_ok=True)
    with (home / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HomeError(f"a stack is running in {home}; stop it, or choose another --home") from None
        for path in home.iterdir():
            if path.name != _LOCK:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        yield home


def _fail(error: Exception, code: int) -> NoReturn:
    print(f"error: {error}", file=sys.stderr)
    raise typer.Exit(code)


def _interrupted(number: int, frame: object) -> None:
    _deafen()
    raise KeyboardInterrupt


def _deafen() -> None:
    """From here on we are stopping; a second Ctrl-C shall not leave half of it running."""
    for number in _SIGNALS:
        # Not SIG_IGN, which a part that is just being started would inherit.
        signal.signal(number, lambda *_: None)


if __name__ == "__main__":
    typer.run(main)
