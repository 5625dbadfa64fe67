"""`weathervane-lake-writer` (or `python -m weathervane.lake.server`): serve one lake."""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

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
    if "://" not in lake:
        _check_folder(Path(lake))

    def ready(server: RunningServer) -> None:
        print(json.dumps({"event": "ready", "address": server.address, "lake": lake}), flush=True)

    try:
        run_server(
            lake_services(LakeSettings(root=lake, max_concurrent_merges=merges)),
            ServerSettings(host=host, port=port),
            domain="weathervane.lake",
            on_ready=ready,
        )
    except AddressInUseError as error:
        _fail(str(error))


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        _fail(f"the lake folder {folder} cannot be written: {error.strerror}; choose another with --lake")


def _fail(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(2)


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
