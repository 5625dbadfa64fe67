"""Runs of deployments: created on the Prefect server, run by a worker, watched by what Prefect keeps of them.

Nothing of them is remembered here. The request id is the run's idempotency key in Prefect, and the run's id is its name
for watchers: every server of the source answers alike, after a restart too.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast
from uuid import UUID

import grpc
import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.events import EventPage
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterIdempotencyKey,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventResourceFilter
from prefect.events.schemas.events import ReceivedEvent
from prefect.exceptions import ObjectNotFound, PrefectException, PrefectHTTPStatusError
from prefect.settings import get_current_settings
from prefect.types import DateTime

from weathervane.flow import TAG, candidates, meant, no_such_api
from weathervane.rpc import StatusError
from weathervane.source._definition import SourceDefinition
from weathervane.source._prefect import prefect_fault
from weathervane.source._run.report import COMMITTED, ENDED
from weathervane.source._serve.events import Patience, WatchedRun
from weathervane.source._serve.runs import RunEvent, RunRequest

__all__ = ["DeployedRuns", "WatchSettings", "not_found"]

_TRY_SECONDS = 20
"""For one answer of Prefect; its client tries again by itself."""
_START_SECONDS = 30
_PAGE = 50  # the most events that Prefect's API gives at once
_NO_ANSWER = (httpx.HTTPError, httpx.InvalidURL, PrefectException, ValueError, TimeoutError)
"""ValueError: what answers is no Prefect API, and its answer no JSON, or another."""
_ASKED = "weathervane.start-ingest.asked"
_CALL = "weathervane.start-ingest.call"
"""Labels of a run: what was asked for, and which call created it."""


@dataclass(frozen=True)
class WatchSettings:
    """How a run is watched."""

    poll_seconds: float = 2.0
    """Between two looks, each of two small requests. A server has at most 64 watchers (`max_concurrent_rpcs`)."""
    outage_seconds: float = 300.0
    """A Prefect server that does not answer for so long ends the stream; a restart takes half a minute."""
    patience: Patience = field(default_factory=Patience)


class DeployedRuns:
    """The runs that a source's service started on the Prefect server."""

    def __init__(self, definition: SourceDefinition, settings: WatchSettings | None = None) -> None:
        self._definition = definition
        self._settings = settings or WatchSettings()

    @property
    def configured(self) -> bool:
        """Whether a Prefect API is configured."""
        return bool(get_current_settings().api.url)

    async def start(self, request: RunRequest) -> tuple[str, bool] | None:
        """Starts a run of the flow's deployment, or finds the one that this request id started.

        Returns:
            The run's id and whether it was there already; None when no deployment of the flow is registered.

        Raises:
            StatusError: UNAVAILABLE, FAILED_PRECONDITION, or INVALID_ARGUMENT: the id started something else.
        """
        days = {"start_date": request.start_date, "end_date": request.end_date}
        given = {"tenant_id": request.tenant, **{name: str(day) for name, day in days.items() if day}}
        asked = " ".join([request.flow, *(f"{name}={value}" for name, value in given.items())])
        key, call = self._key(request.request_id), uuid.uuid4().hex
        async with self._api() as api, asyncio.timeout(_START_SECONDS):
            known = FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=[key]))
            if found := await api.read_flow_runs(flow_run_filter=known, limit=1):
                run = found[0]
            else:
                deployment = await self._deployment(api, request.flow)
                if deployment is None:
                    return None
                try:
                    run = await api.create_flow_run_from_deployment(
                        deployment.id,
                        parameters=given,
                        name=f"{request.tenant} · {request.flow.removeprefix('ingest_')} · asked for by gRPC",
                        idempotency_key=key,
                        labels={_ASKED: asked, _CALL: call},
                    )
                except PrefectHTTPStatusError as error:
                    if error.response.status_code != httpx.codes.CONFLICT:
                        raise
                    raise _refusal(
                        "DEPLOYMENT_DIFFERS",
                        f"deployment {deployment.name} of {request.flow} does not take {', '.join(given)}; register the"
                        " package's present one with weathervane-deploy",
                    ) from None
        if run.labels.get(_ASKED) != asked:
            raise StatusError(
                grpc.StatusCode.INVALID_ARGUMENT,
                "REQUEST_ID_REUSED",
                f"request_id {request.request_id!r} started run {run.id} with other arguments; give each run its own",
            )
        return str(run.id), run.labels.get(_CALL) != call

    async def watch(self, run_id: str) -> AsyncGenerator[RunEvent]:
        """Every event of a run that Prefect keeps, then each as it happens, until it has ended or was put off.

        Raises:
            StatusError: NOT_FOUND: `start` did not start it. UNAVAILABLE: Prefect's API does not answer.
                FAILED_PRECONDITION: what answers is no Prefect API, or refuses.
        """
        settings = self._settings
        async with self._api() as api:
            run = await self._find(api, run_id)
            flow = str(run.labels.get(_ASKED)).partition(" ")[0]
            watched = WatchedRun(run, flow, settings.patience)
            answered = time.monotonic()
            while not watched.over:
                try:
                    # In this order: what belongs to a state that is read here is then not missed.
                    states = await api.read_flow_run_states(run.id)
                    events = await _events(api, run.id, watched.events)
                except _NO_ANSWER:
                    if time.monotonic() - answered > settings.outage_seconds:
                        raise
                else:
                    answered = time.monotonic()
                    if not states:
                        raise not_found(run_id)
                    for event in watched.add(states, events, answered):
                        yield event
                if not watched.over:
                    await asyncio.sleep(settings.poll_seconds)

    async def _find(self, api: PrefectClient, run_id: str) -> FlowRun:
        try:
            number = UUID(run_id)
        except ValueError:
            raise not_found(run_id) from None
        try:
            run = await api.read_flow_run(number)
        except ObjectNotFound as error:
            if no_such_api(error):
                raise
            raise not_found(run_id) from None
        if not (run.idempotency_key or "").startswith(self._key("")):
            raise not_found(run_id)
        return run

    async def _deployment(self, api: PrefectClient, flow: str) -> DeploymentResponse | None:
        found = await api.read_deployments(**candidates(flow))
        found = await asyncio.to_thread(meant, found, self._definition.name, flow)
        if len(found) > 1:
            names = ", ".join(sorted(one.name for one in found))
            raise _refusal(
                "SEVERAL_DEPLOYMENTS",
                f"{flow} has several deployments with the tag {TAG}: {names}; leave it on the one to run",
            )
        return found[0] if found else None

    def _key(self, request_id: str) -> str:
        return f"weathervane-start-ingest:{self._definition.name}:{request_id}"

    @asynccontextmanager
    async def _api(self) -> AsyncIterator[PrefectClient]:
        try:
            # Making a client loads certificates, which takes tens of milliseconds.
            made = await asyncio.to_thread(partial(get_client, httpx_settings={"timeout": _TRY_SECONDS}))
            async with made as api:
                yield api
        except _NO_ANSWER as error:
            fault = prefect_fault(error)
            code = grpc.StatusCode.UNAVAILABLE if fault.retriable else grpc.StatusCode.FAILED_PRECONDITION
            raise StatusError(code, fault.reason, str(fault)) from None


async def _events(api: PrefectClient, run: UUID, known: set[UUID]) -> list[ReceivedEvent]:
    """The run's events that are not known yet."""
    # By number, not by time: they come late, and by the clocks of workers that may differ.
    always = EventOccurredFilter(
        since=cast(DateTime, datetime(2020, 1, 1, tzinfo=UTC)),
        until=cast(DateTime, datetime.now(UTC) + timedelta(days=365)),
    )
    chosen = EventFilter(
        occurred=always,
        event=EventNameFilter(name=[COMMITTED, ENDED]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{run}"]),
    )
    found: dict[UUID, ReceivedEvent] = {}
    page = await api.read_events(chosen, limit=_PAGE)
    while True:
        found |= {event.id: event for event in page.events if event.id not in known}
        if page.next_page is None or len(known) + len(found) >= page.total:
            return list(found.values())
        # Not at the address that the answer names: that is the server's idea of itself, and would get our password.
        token: Any = httpx.URL(str(page.next_page)).params["page-token"]
        answer = await api.request("GET", "/events/filter/next", params={"page-token": token})
        page = EventPage.model_validate(answer.json())


def not_found(run_id: str) -> StatusError:
    """NOT_FOUND, for a run that nobody here knows."""
    return StatusError(
        grpc.StatusCode.NOT_FOUND,
        "NO_SUCH_RUN",
        f"there is no run {run_id[:80]!r} here: it was never started, or is forgotten since",
    )


def _refusal(reason: str, message: str) -> StatusError:
    return StatusError(grpc.StatusCode.FAILED_PRECONDITION, reason, message)
