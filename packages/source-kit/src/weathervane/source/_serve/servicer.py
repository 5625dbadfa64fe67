"""SourceService over a source's definition: each method maps, works off the event loop, and maps back.

A run is one of the flow's deployment (`deployed_runs.py`), or one in this process (`runs.py`) when there is none.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any, NoReturn, cast

import grpc
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.settings import get_current_settings

from weathervane.flow import check_prefect
from weathervane.lake import InvalidNameError, check_name
from weathervane.rpc import Service, StatusError
from weathervane.source._definition import Finding, FlowDefinition, Severity, SourceDefinition
from weathervane.source._errors import DeferredError, SourceError
from weathervane.source._prefect import PrefectUnavailableError, prefect_asked, prefect_fault
from weathervane.source._run.days import parse_days
from weathervane.source._run.summary import IngestionSummary
from weathervane.source._serve import convert as convert
from weathervane.source._serve.deployed_runs import DeployedRuns, WatchSettings, not_found
from weathervane.source._serve.runs import RunRequest, Runs, RunSettings, RunsFullError
from weathervane.source.v1 import source_pb2 as pb
from weathervane.source.v1 import source_pb2_grpc as pb_grpc

__all__ = ["DOMAIN", "SourceServicer", "check_tenant", "run_flow", "source_service", "to_request"]

DOMAIN = "weathervane.source"
"""The `ErrorInfo.domain` of the service's errors."""

_Context = grpc.aio.ServicerContext[Any, Any]
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_NO_DEPLOYMENT = (
    "; it runs in this process, as Prefect has no deployment of it: `weathervane-deploy` registers one"
)
_api_lock = threading.Lock()


def source_service(
    definition: SourceDefinition, runs: Runs | None = None, watching: WatchSettings | None = None
) -> Service:
    """The service of one source, ready for `weathervane.rpc.run_server`.

    Args:
        definition: The source.
        runs: Where its runs in this process are kept; give it to wait for them at the end.
        watching: How runs of deployments are watched.
    """
    servicer = SourceServicer(definition, runs or Runs(RunSettings()), DeployedRuns(definition, watching))
    return Service(
        pb.DESCRIPTOR.services_by_name["SourceService"].full_name,
        lambda server: pb_grpc.add_SourceServiceServicer_to_server(servicer, server),
    )


class SourceServicer(pb_grpc.SourceServiceServicer):
    """See `source.proto` for what each method promises."""

    def __init__(self, definition: SourceDefinition, runs: Runs, deployed: DeployedRuns) -> None:
        self._definition = definition
        self._runs = runs
        self._deployed = deployed

    async def DescribeSource(
        self, request: pb.DescribeSourceRequest, context: _Context
    ) -> pb.DescribeSourceResponse:
        """What the source is."""
        return convert.described(self._definition)

    async def CheckTenant(self, request: pb.CheckTenantRequest, context: _Context) -> pb.CheckTenantResponse:
        """What its check of a tenant found."""
        tenant = _tenant(request.tenant)
        try:
            return convert.checked(await asyncio.to_thread(check_tenant, self._definition, tenant))
        except SourceError as error:
            raise StatusError(
                grpc.StatusCode.UNAVAILABLE, error.reason, str(error), {"tenant": tenant}
            ) from error

    async def StartIngest(self, request: pb.StartIngestRequest, context: _Context) -> pb.StartIngestResponse:
        """Starts a run, or finds the one that this request id started."""
        flow, wanted = to_request(
            self._definition,
            tenant=request.tenant,
            flow=request.flow,
            start_date=request.start_date,
            end_date=request.end_date,
            request_id=request.request_id,
        )
        try:
            await asyncio.to_thread(self._definition.credentials.load, wanted.tenant)
            note = ""
            if (
                self._deployed.configured
                and isinstance(flow.flow, Flow)
                and not self._runs.knows(wanted.request_id)
            ):
                if (started := await self._deployed.start(wanted)) is not None:
                    return pb.StartIngestResponse(run_id=started[0], repeat=started[1])
                note = _NO_DEPLOYMENT
            run, repeat = self._runs.start(wanted, partial(run_flow, flow, wanted), note=note)
        except SourceError as error:
            code = grpc.StatusCode.UNAVAILABLE if error.retriable else grpc.StatusCode.FAILED_PRECONDITION
            raise StatusError(code, error.reason, str(error), {"tenant": wanted.tenant}) from error
        except ValueError as error:
            _refuse("REQUEST_ID_REUSED", str(error))
        except RunsFullError:
            limit = self._runs.settings.max_concurrent_runs
            raise StatusError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "TOO_MANY_RUNS",
                f"{limit} runs are in progress here, which is this server's limit; ask again when one has ended",
                {"limit": str(limit)},
            ) from None
        return pb.StartIngestResponse(run_id=run.run_id, repeat=repeat)

    async def WatchIngest(
        self, request: pb.WatchIngestRequest, context: _Context
    ) -> AsyncIterator[pb.WatchIngestResponse]:
        """A run's events, to the last."""
        run = self._runs.find(request.run_id)
        if run is not None:
            events = run.watch()
        elif self._deployed.configured:
            events = self._deployed.watch(request.run_id)
        else:
            raise not_found(request.run_id)
        # Closed here and now when the client goes away, and with it the connection to Prefect.
        async with aclosing(events):
            async for event in events:
                yield convert.event_to_wire(event)


def check_tenant(definition: SourceDefinition, tenant: str) -> list[Finding]:
    """What the source's check found; the vendor's refusal is a finding too.

    Raises:
        SourceError: A retriable or deferred one: nobody could say.
    """
    try:
        return definition.check(tenant)
    except SourceError as error:
        if error.retriable or isinstance(error, DeferredError):
            raise error.with_context(tenant=tenant) from None
        return [Finding(Severity.ERROR, error.reason, f"{error.message}; next: {error.advice}")]


def run_flow(
    flow: FlowDefinition, request: RunRequest, *, retries: tuple[int, int] | None = None
) -> IngestionSummary:
    """Runs a flow in this thread and returns what it returned.

    Args:
        flow: The flow.
        request: For whom, and which days.
        retries: How often the run begins again after an error that may pass, and after how many seconds; None: as the
            flow says.

    Without `PREFECT_API_URL` Prefect starts a temporary server of its own, which takes half a minute and is gone with
    the process; it is started once, whoever comes first.

    Raises:
        PrefectUnavailableError, PrefectSetupError: Prefect's API does not do as asked, at the begin or later.
        SourceError, LakeError: What ended the run.
    """
    days = {"start_date": request.start_date, "end_date": request.end_date}
    run: Any = flow.flow
    if not isinstance(run, Flow):
        return cast(IngestionSummary, run(tenant_id=request.tenant, **days))
    with prefect_asked():
        _reach_prefect()
        if retries is not None:
            run = run.with_options(retries=retries[0], retry_delay_seconds=retries[1])
        return cast(IngestionSummary, run(tenant_id=request.tenant, **days))


def _reach_prefect() -> None:
    try:
        # One at a time: two temporary servers on one fresh database stumble over each other.
        with _api_lock, get_client(sync_client=True) as api:
            check_prefect(api)
    except Exception as error:
        if get_current_settings().api.url:
            raise prefect_fault(error) from None
        raise PrefectUnavailableError(
            f"PREFECT_API_URL is not set, and a temporary Prefect server does not start ({type(error).__name__})",
            reason="PREFECT_API",
        ) from None


def to_request(
    definition: SourceDefinition, *, tenant: str, flow: str, start_date: str, end_date: str, request_id: str
) -> tuple[FlowDefinition, RunRequest]:
    """What is asked for, checked as far as it can be without the vendor.

    Raises:
        StatusError: INVALID_ARGUMENT or NOT_FOUND, with what is wrong and what would be right.
    """
    _tenant(tenant)
    found = definition.flow(flow)
    if found is None:
        names = ", ".join(one.name for one in definition.flows)
        raise StatusError(
            grpc.StatusCode.NOT_FOUND,
            "NO_SUCH_FLOW",
            f"{definition.name} has no flow {flow[:80]!r}; it has {names}",
        )
    if not _REQUEST_ID.fullmatch(request_id):
        _refuse("BAD_REQUEST_ID", "request_id is required: 1-128 printable ASCII characters without spaces")
    try:
        start, end = parse_days(start_date or None, end_date or None)
    except SourceError as error:
        _refuse(error.reason, error.message)
    return found, RunRequest(request_id, tenant, flow, start, end)


def _tenant(name: str) -> str:
    try:
        return check_name("tenant", name)
    except InvalidNameError as error:
        _refuse("BAD_NAME", str(error))


def _refuse(reason: str, message: str) -> NoReturn:
    raise StatusError(grpc.StatusCode.INVALID_ARGUMENT, reason, message)
