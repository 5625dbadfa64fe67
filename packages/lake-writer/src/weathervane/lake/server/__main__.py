"""The command `weathervane-lake-writer` (or `python -m weathervane.lake`)."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from weathervane.lake.server.delta import UnusableRootError, check_root
from weathervane.lake.server.services import lake_services
from weathervane.lake.server.settings import LakeSettings
from weathervane.rpc import AddressInUseError, RunningServer, ServerSettings, run_server

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def serve(
    lake: Annotated[
        str, typer.Option(envvar="WEATHERVANE_LAKE_ROOT", help="Folder or URL of the lake; a folder is made.")
    ],
    host: Annotated[str, typer.Option(envvar="WEATHERVANE_LAKE_HOST")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="WEATHERVANE_LAKE_PORT", min=0, max=65535, help="0 takes a free one.")
    ] = 50051,
    merges: Annotated[
        int,
        typer.Option(
            envvar="WEATHERVANE_LAKE_MERGES", min=1, help="Writes merged at the same time, 0.3 GiB each."
        ),
    ] = LakeSettings.max_concurrent_merges,
) -> None:
    """Serve the lake writer until SIGTERM. Prints one JSON line when it accepts calls."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = LakeSettings(root=lake, max_concurrent_merges=merges)
    try:
        with _libraries_hushed():
            check_root(settings)
    except UnusableRootError as error:
        _fail(str(error))

    def ready(server: RunningServer) -> None:
        print(json.dumps({"event": "ready", "address": server.address, "lake": lake}), flush=True)

    try:
        run_server(
            lake_services(settings),
            ServerSettings(host=host, port=port),
            domain="weathervane.lake",
            on_ready=ready,
        )
    except AddressInUseError as error:
        _fail(str(error))


@contextmanager
def _libraries_hushed() -> Iterator[None]:
    """Discards stderr, to which the Rust libraries log; the one line that says what is wrong would be lost."""
    stderr = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _fail(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(2)


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
