"""What a running stack tells the person who started it."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from processes import Part, StartError
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

_SCHEDULE_SECONDS = 120.0
"""The server's scheduler looks for new deployments every few seconds."""

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 140)


@dataclass(frozen=True)
class Registered:
    """A deployment on the server."""

    name: str
    """`flow/deployment`, as commands take it."""
    schedule: str
    next_run: datetime | None
    """In UTC; None for one without a schedule."""


def registered() -> list[Registered]:
    """The deployments on the server of PREFECT_API_URL, by name; each with a schedule has a run that is scheduled.

    Raises:
        StartError: The server schedules none: Prefect's scheduler may fail while all else looks healthy.
    """
    from prefect.client.orchestration import get_client

    deadline = time.monotonic() + _SCHEDULE_SECONDS
    with get_client(sync_client=True) as api:
        while True:
            flows = {flow.id: flow.name for flow in api.read_flows()}
            deployments = api.read_deployments()
            next_runs = {one.id: _next_run(api, one.id) for one in deployments}
            missing = [one.name for one in deployments if one.schedules and next_runs[one.id] is None]
            if deployments and not missing:
                found = [
                    Registered(f"{flows[one.flow_id]}/{one.name}", _schedule(one), next_runs[one.id])
                    for one in deployments
                ]
                return sorted(found, key=lambda one: one.name)
            if time.monotonic() > deadline:
                raise StartError(f"prefect schedules no run of {', '.join(missing)}; see its log")
            time.sleep(0.5)


def _schedule(deployment: Any) -> str:
    crons = [one.schedule for one in deployment.schedules if hasattr(one.schedule, "cron")]
    return ", ".join(f"{cron.cron} {cron.timezone}" for cron in crons)


def _next_run(api: Any, deployment: Any) -> datetime | None:
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.sorting import FlowRunSort

    chosen = FlowRunFilter.model_validate(
        {"deployment_id": {"any_": [deployment]}, "state": {"type": {"any_": ["SCHEDULED"]}}}
    )
    runs = api.read_flow_runs(flow_run_filter=chosen, sort=FlowRunSort.EXPECTED_START_TIME_ASC, limit=1)
    return runs[0].expected_start_time if runs else None


def show(
    parts: Iterable[Part], ready: dict[str, Any], deployments: list[Registered], home: Path, seconds: float
) -> None:
    """Where everything is, what is scheduled, and what to do next."""
    table = Table(title="What runs", title_justify="left", box=SIMPLE_HEAD)
    for name in ("part", "where", "log"):
        table.add_column(name, no_wrap=True)
    for part in parts:
        table.add_row(part.name, part.address, shown(part.log))
    console.print(table)
    table = Table(title="Deployments", title_justify="left", box=SIMPLE_HEAD)
    for name in ("deployment", "schedule", "next run"):
        table.add_column(name, no_wrap=True)
    for one in deployments:
        when = f"{one.next_run:%a %Y-%m-%d %H:%M} UTC" if one.next_run else "none"
        table.add_row(one.name, one.schedule, when)
    console.print(table)
    prefect = shown(Path(sys.executable).with_name("prefect"))
    run = (
        f"PREFECT_API_URL={ready['api']} {prefect} deployment run {shlex.quote(deployments[0].name)} --watch"
    )
    console.print(
        Panel(
            f"[bold]{ready['ui']}[/]   Deployments, then Run on one of them; its artifacts are beside its logs.\n"
            f"From a terminal (one tenant only: -p tenant_id=acme):\n  {run}\n"
            f"Delta tables: {shown(home / 'lake')}/<tenant>/<dataset>   Prefect's database: {ready['database']}\n"
            "The vendors' clocks began two days ago and run an hour a minute until now: run again, and rows differ.\n"
            "Ctrl-C stops everything.",
            title=f"Up after {seconds:.0f} s",
            border_style="green",
        )
    )


def shown(path: Path) -> str:
    """The path as it is typed from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
