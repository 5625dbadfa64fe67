"""A deployment on this machine: a Prefect server, the lake writer, pretend vendors, everything registered, a worker."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import stamina
from control import post
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL, temporary_settings
from processes import Stack
from vendors import Pretend, Vendor

from weathervane.flow import SILENCE, deploy
from weathervane.lake import LakeClient

PATIENCE = 600.0
"""Seconds that a test waits for what takes one minute on a quiet machine."""
ENDED = {StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED}


class Deployed:
    """What the tests drive, and look at."""

    def __init__(
        self, stack: Stack, api: SyncPrefectClient, lake: LakeClient, logs: Path, worker: Mapping[str, str]
    ) -> None:
        self.stack = stack
        self.api = api
        self.lake = lake
        self.logs = logs
        self.worker = dict(worker)
        """The environment of workers."""

    def deployment(self, name: str) -> UUID:
        """A deployment's id, by `flow/deployment`."""
        return self.api.read_deployment_by_name(name).id

    def run(self, name: str, tenant: str) -> UUID:
        """Makes a run for one tenant, as a person does."""
        given = {"tenant_id": tenant}
        return self.api.create_flow_run_from_deployment(self.deployment(name), parameters=given).id

    def fall_due(self, name: str, days: float) -> None:
        """Makes the runs that the deployment's own schedule has had in the last days, as the server's scheduler does.
        They are late now.
        """
        now = datetime.now(UTC)
        span = {"start_time": (now - timedelta(days=days)).isoformat(), "end_time": now.isoformat()}
        self.api._client.post(f"/deployments/{self.deployment(name)}/schedule", json=span).raise_for_status()

    def runs(self, **chosen: Any) -> list[FlowRun]:
        """The runs that a filter of Prefect's API chooses, by the time at which they were due."""
        return self.api.read_flow_runs(
            flow_run_filter=FlowRunFilter.model_validate(chosen),
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
            limit=200,
        )

    def states(self, run: UUID) -> list[str]:
        """The names of the states that a run went through."""
        return [str(state.name) for state in self.api.read_flow_run_states(run)]

    def await_run(self, run: UUID, right: Callable[[FlowRun], bool]) -> FlowRun:
        """Waits until a run is as it should be; fails with what it is when that takes too long."""
        for attempt in patiently():
            with attempt:
                found = self.api.read_flow_run(run)
                assert right(found), f"{found.name} is {found.state!r}"
        return found

    def await_end(self, run: UUID) -> FlowRun:
        """Waits until a run has ended, in whatever way."""
        return self.await_run(run, lambda found: found.state_type in ENDED)

    def differences(self, vendors: Sequence[Pretend], start: str = "") -> list[str]:
        """What in the lake is not as at the vendors; of tables whose name, `tenant/dataset`, starts so."""
        return [
            line for vendor in vendors for line in vendor.differences(self.lake) if line.startswith(start)
        ]


@contextmanager
def deployed(
    home: Path,
    vendors: Sequence[Vendor],
    *,
    server: Mapping[str, str] | None = None,
    silence: timedelta = SILENCE,
) -> Iterator[tuple[Deployed, list[Pretend]]]:
    """Starts everything but a worker, and registers what all packages deploy.

    Args:
        home: An empty folder.
        vendors: The vendors to start.
        server: Settings of the Prefect server.
        silence: After how long without a sign a run is taken for dead.
    """
    begins = (datetime.now(UTC) - timedelta(days=90)).replace(minute=0, second=0, microsecond=0)
    logs = home / "logs"
    with Stack(logs) as stack:
        prefect = stack.prefect(home / "prefect", env=server)
        writer = stack.module(
            "lake-writer", "weathervane.lake.server", "--lake", str(home / "lake"), "--port", "0"
        )
        running = [vendor.start(stack, begins) for vendor in vendors]
        deploy(prefect["PREFECT_API_URL"], silence=silence)
        worker = prefect | {
            "WEATHERVANE_LAKE_ADDRESS": writer["address"],
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            # Looked for ahead of its time, a run that waits for a place would be tried at every look.
            "PREFECT_WORKER_PREFETCH_SECONDS": "1",
            # On SQLite the server answers 503 to one of two that write at once; waits double, to two minutes in all.
            "PREFECT_CLIENT_MAX_RETRIES": "7",
            # The shortest: twice in the silence.
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        }
        with (
            temporary_settings({PREFECT_API_URL: prefect["PREFECT_API_URL"]}),
            get_client(sync_client=True) as api,
            LakeClient(writer["address"]) as lake,
        ):
            yield Deployed(stack, api, lake, logs, worker), running


class Hold:
    """Makes a pretend vendor leave a request without an answer, so that a run is in its middle. Use it in a `with`
    block.

    Args:
        control: The vendor's control routes.
        skip: How many such requests are answered before.
        match: What requests; see the sandbox's guide.
    """

    def __init__(self, control: str, *, skip: int = 0, **match: Any) -> None:
        self._faults = f"{control}/faults"
        # Longer than any test; a client that gives up finds the next request held too.
        self._fault = {"name": "slow", "seconds": 900, "times": None, "skip": skip, "match": match}

    def __enter__(self) -> Self:
        post(self._faults, self._fault)
        return self

    def __exit__(self, *_: object) -> None:
        request = urllib.request.Request(f"{self._faults}?name=slow", method="DELETE")
        with urllib.request.urlopen(request, timeout=60):
            pass

    def await_caught(self) -> None:
        """Waits until a request is held."""
        for attempt in patiently():
            with attempt, urllib.request.urlopen(self._faults, timeout=60) as answer:
                assert any(fault["fired"] for fault in json.load(answer) if fault["name"] == "slow")


def control_of(vendor: Pretend, source: str, tenant: str) -> str:
    """A pretend vendor's control routes; they are where its API is."""
    return f"{vendor.environment[f'WEATHERVANE_{source}__{tenant.upper()}__API_URL']}/_sandbox"


def patiently() -> Iterator[Any]:
    """Tries again each second for as long as a busy machine may need."""
    return iter(
        stamina.retry_context(
            on=AssertionError, attempts=None, timeout=PATIENCE, wait_initial=1, wait_max=1, wait_jitter=0
        )
    )
