"""`weathervane-deploy`: register what the installed packages deploy with a Prefect server."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import timedelta
from typing import Annotated

import typer

from weathervane.flow._automations import SILENCE
from weathervane.flow._deployments import Kind
from weathervane.flow._errors import FlowError
from weathervane.flow._packages import DeployError
from weathervane.flow._register import deploy

__all__ = ["app"]

_USAGE, _UNAVAILABLE = 2, 3
"""As all commands of the house end (docs/exit-codes.md)."""
_SHORTEST_SILENCE = 60
"""Seconds: two of the shortest heartbeats that Prefect allows."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def _deploy(
    server_url: Annotated[
        str,
        typer.Option(
            envvar="PREFECT_API_URL",
            show_envvar=True,
            help="Prefect's API. PREFECT_API_AUTH_STRING is honoured.",
        ),
    ],
    package: Annotated[
        list[str] | None, typer.Option(help="Only this one, e.g. shopify; may be repeated. Default: all.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be done, and do nothing.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete deployments that left their package's prefect.yaml.")
    ] = False,
    pool_type: Annotated[str, typer.Option(help="Type of a work pool that is not there yet.")] = "process",
    heartbeat_within: Annotated[
        int,
        typer.Option(
            min=_SHORTEST_SILENCE,
            help="Seconds of silence after which a run is taken for dead and started again; at least two heartbeats.",
        ),
    ] = int(SILENCE.total_seconds()),
) -> None:
    """Register what the installed packages deploy: pool, queues, block types, deployments, schedules, automations.

    Doing it again changes nothing. What an operator paused stays paused. Exit code 2 when something is not right, 3
    when the server is down.
    """
    try:
        changes = deploy(
            server_url,
            package or (),
            pool_type=pool_type,
            silence=timedelta(seconds=heartbeat_within),
            prune=prune,
            dry_run=dry_run,
            tell=lambda change: print(change.line(dry_run=dry_run), flush=True),
        )
    except (DeployError, FlowError) as error:
        print("\n".join(f"error: {line}" for line in str(error).splitlines()), file=sys.stderr)
        raise typer.Exit(
            _UNAVAILABLE if isinstance(error, FlowError) and error.retriable else _USAGE
        ) from None
    counts = Counter(change.kind for change in changes)
    told = ", ".join(f"{counts[kind]} {kind.value}" for kind in Kind if counts[kind])
    print(f"dry run, nothing is done yet: {told}" if dry_run else told)
