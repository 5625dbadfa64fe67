"""StartIngest where Prefect has a deployment of the flow: a real server keeps the run, and a test is its worker."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
import stamina
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Cancelling, Crashed, Pending, Running, Scheduled

from weathervane.lake import LakeClient
from weathervane.rpc import RemoteError, ServerSettings, StatusError, from_rpc_error, running_server
from weathervane.source._errors import CredentialsError, DeferredError, IncompleteError
from weathervane.source._run import tasks
from weathervane.source._serve.deployed_runs import DeployedRuns, WatchSettings
from weathervane.source._serve.events import Patience
from weathervane.source._serve.runs import RunRequest, RunState
from weathervane.source._serve.servicer import DOMAIN, source_service
from weathervane.source.v1 import source_pb2 as pb
from weathervane.source.v1 import source_pb2_grpc as pb_grpc

from .pretend_flows import PRETEND, ingest_pretend_things
from .pretend_source import CANARY, PARTS, THINGS, ListVendor, lake_truth

FLOW = "ingest_pretend_things"
QUICK = WatchSettings(poll_seconds=0.2)
BRIEF = WatchSettings(poll_seconds=0.2, patience=Patience(stopped=1, crashed=1))
"""For ends that no event belongs to."""


@pytest.fixture
def api(prefect: None) -> Iterator[SyncPrefectClient]:
    """A client of the session's server."""
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def deployment(api: SyncPrefectClient) -> Iterator[str]:
    """The flow is deployed, for every tenant, as our packages do it; gone afterwards."""
    with deployed(api, "pretend-ingestion") as name:
        yield name


@contextmanager
def deployed(api: SyncPrefectClient, name: str) -> Iterator[str]:
    """A deployment of the flow for the length of a `with` block."""
    made = api.create_deployment(
        flow_id=api.create_flow(ingest_pretend_things),
        name=name,
        tags=["weathervane", "pretend"],
        parameters={"tenant_id": "*"},
    )
    try:
        yield name
    finally:
        api.delete_deployment(made)


@contextmanager
def served(watching: WatchSettings = QUICK, **settings: Any) -> Iterator[pb_grpc.SourceServiceStub]:
    """A server of the source, as if it had just been started."""
    service = source_service(PRETEND, watching=watching)
    with (
        running_server([service], ServerSettings(grace_seconds=2, **settings), domain=DOMAIN) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        yield pb_grpc.SourceServiceStub(channel)


def start(stub: pb_grpc.SourceServiceStub, request_id: str, **fields: str) -> pb.StartIngestResponse:
    """Asks for a run of `acme`."""
    request = pb.StartIngestRequest(tenant="acme", flow=FLOW, request_id=request_id, **fields)
    return stub.StartIngest(request, timeout=60)


def watch(stub: pb_grpc.SourceServiceStub, run_id: str) -> list[pb.WatchIngestResponse]:
    """All events of a run, to the end of the stream."""
    return list(stub.WatchIngest(pb.WatchIngestRequest(run_id=run_id), timeout=180))


def refusal(call: Callable[[], Any]) -> RemoteError:
    """The error that a call must end with."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return from_rpc_error(caught.value)


def work(api: SyncPrefectClient, run_id: str, retries: int = 0) -> Any:
    """Does what a worker does: takes the run, and runs its flow."""
    api.set_flow_run_state(uuid.UUID(run_id), Pending(), force=True)
    flow = ingest_pretend_things.with_options(retries=retries)
    return run_flow(flow, flow_run=api.read_flow_run(uuid.UUID(run_id)), return_type="state")


def fresh() -> str:
    """A request id that the session's server has not seen."""
    return f"test-{uuid.uuid4()}"


def states(events: list[pb.WatchIngestResponse]) -> list[str]:
    """The states of events, repetitions left out."""
    names = [pb.RunState.Name(event.state).removeprefix("RUN_STATE_") for event in events]
    return [name for n, name in enumerate(names) if n == 0 or names[n - 1] != name]


def test_the_deployments_run_is_started_once(api: SyncPrefectClient, acme: ListVendor) -> None:
    """With the arguments that were given and no more; a repeat finds it from any server, other arguments do not."""
    request_id = fresh()
    with served() as stub, served() as other:
        with deployed(api, "short-lived"):
            first = start(stub, request_id, start_date="2026-11-01")
            again = start(stub, request_id, start_date="2026-11-01")
            elsewhere = start(other, request_id, start_date="2026-11-01")
            reused = refusal(lambda: start(other, request_id))
            second = start(other, fresh())
            run = api.read_flow_run(uuid.UUID(first.run_id))
            more = api.read_flow_run(uuid.UUID(second.run_id))
            api.set_flow_run_state(run.id, Pending())
        # With a deployment its runs go that nobody has taken yet.
        orphaned = start(other, request_id, start_date="2026-11-01")
    assert (first.repeat, again.repeat, elsewhere.repeat, second.repeat) == (False, True, True, False)
    assert first.run_id == again.run_id == elsewhere.run_id != second.run_id
    assert (orphaned.run_id, orphaned.repeat) == (first.run_id, True)
    assert (reused.code, reused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
    assert run.parameters == {"tenant_id": "acme", "start_date": "2026-11-01"}
    assert "weathervane" in run.tags
    assert run.state_type is StateType.SCHEDULED
    assert run.name.startswith("acme · pretend_things · ")
    assert more.parameters == {"tenant_id": "acme"}


def test_two_servers_that_are_asked_at_once_start_one_run(
    api: SyncPrefectClient, deployment: str, acme: ListVendor
) -> None:
    """Neither sees the other's run before it makes its own: Prefect's key decides, and one of them is the repeat."""
    request = RunRequest(fresh(), "acme", FLOW)

    async def both() -> Any:
        return await asyncio.gather(*(DeployedRuns(PRETEND).start(request) for _ in range(4)))

    answers = asyncio.run(both())
    assert len({run_id for run_id, _ in answers}) == 1
    assert sorted(repeat for _, repeat in answers) == [False, True, True, True]


def test_a_run_is_watched_to_its_end_by_whoever_asks(
    api: SyncPrefectClient, deployment: str, acme: ListVendor, lake: LakeClient
) -> None:
    """Live, and from a server that was started when all was over; every slice, more than a page, and the result."""
    for number in range(50):
        acme.put(f"n{number}")
    seen: list[pb.WatchIngestResponse] = []
    with served() as stub:
        run_id = start(stub, fresh()).run_id
        stream = stub.WatchIngest(pb.WatchIngestRequest(run_id=run_id), timeout=180)
        seen.append(next(stream))
        watcher = threading.Thread(target=lambda: seen.extend(stream))
        watcher.start()
        work(api, run_id)
        watcher.join()
    with served() as stub:
        replayed = watch(stub, run_id)
    assert seen[0].message == "ingest_pretend_things of acme: Scheduled"
    assert states(replayed) == ["PENDING", "RUNNING", "LOADED"]
    for events in (seen, replayed):
        assert events[-1].state == pb.RUN_STATE_LOADED
        slices = [event for event in events if event.HasField("slice")]
        assert len(slices) == 56  # 28 slices of two datasets
        assert sum(one.slice.rows_inserted for one in slices if one.slice.dataset == THINGS.name) == 55
        assert sum(one.slice.rows_received for one in slices if one.slice.dataset == PARTS.name) == 110
        assert max(one.slice.table_version for one in slices) == 28
    last = replayed[-1]
    assert last.message.startswith("55 new and 0 updated rows in 28 slices; 55 in the table; checkpoint ")
    assert (last.result.row_count, last.result.new_rows, last.result.total_rows) == (55, 55, 55)
    (final,) = {event.slice.checkpoint for event in seen if event.slice.table_version == 28} - {""}
    assert last.result.checkpoint == final
    assert lake_truth(lake) == acme.truth()


def test_a_watcher_that_goes_away_gives_its_place_back(
    api: SyncPrefectClient, deployment: str, acme: ListVendor
) -> None:
    """Nothing goes on asking Prefect for a client that has left."""
    with served(max_concurrent_rpcs=1) as stub:
        run_id = start(stub, fresh()).run_id
        stream = stub.WatchIngest(pb.WatchIngestRequest(run_id=run_id), timeout=180)
        next(stream)
        assert refusal(lambda: watch(stub, run_id)).reason == "TOO_MANY_CALLS"
        stream.cancel()
        for attempt in stamina.retry_context(on=grpc.RpcError, attempts=None, timeout=60, wait_max=1):
            with attempt:
                next(stub.WatchIngest(pb.WatchIngestRequest(run_id=run_id), timeout=60))


@pytest.mark.parametrize(
    ("error", "ends", "told"),
    [
        (IncompleteError("half of it", reason="COUNT_DIFFERS"), "INCOMPLETE", "half of it [tenant=acme "),
        (CredentialsError("refused", reason="TOKEN_REFUSED"), "FAILED", "refused [tenant=acme "),
        (
            RuntimeError(f"GET /?token={CANARY}"),
            "FAILED",
            "internal error: RuntimeError at test_deployed_runs.py:",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_end_by_an_error_is_told(
    error: Exception,
    ends: str,
    told: str,
    api: SyncPrefectClient,
    deployment: str,
    acme: ListVendor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the slices before it, in the error's own safe words; of one that nobody foresaw, its kind and place."""
    monkeypatch.setattr(tasks.write_incremental, "retries", 0)

    def fail(slice: Any) -> None:
        if slice.bounds["after"] is not None:
            raise error

    acme.on_read = fail
    with served() as stub:
        run_id = start(stub, fresh()).run_id
        work(api, run_id)
        events = watch(stub, run_id)
    assert states(events) == ["PENDING", "RUNNING", ends]
    assert [event.slice.dataset for event in events if event.HasField("slice")] == [PARTS.name, THINGS.name]
    assert events[-1].message.startswith(told)
    assert not events[-1].HasField("result")
    assert CANARY not in str(events)


def test_an_end_before_anything_was_read_is_told(
    api: SyncPrefectClient, deployment: str, acme: ListVendor
) -> None:
    """The vendor refuses the token: no event will come, which is known after a while."""
    acme.token = "another"
    with served(BRIEF) as stub:
        run_id = start(stub, fresh()).run_id
        work(api, run_id)
        last = watch(stub, run_id)[-1]
    assert last.state == pb.RUN_STATE_FAILED
    assert last.message.startswith("the vendor refuses the token [tenant=acme reason=TOKEN_REFUSED]; next: ")


def test_a_run_that_is_put_off_ends_the_stream_and_is_watched_again(
    api: SyncPrefectClient, deployment: str, acme: ListVendor, lake: LakeClient
) -> None:
    """The stream says until when; the run goes on by itself then, and has the same id."""

    def wait(slice: Any) -> None:
        raise DeferredError("quota used up", reason="THROTTLED", retry_after=7200)

    acme.on_read = wait
    with served() as stub:
        run_id = start(stub, fresh()).run_id
        with pytest.raises(Pause):
            work(api, run_id)
        first = watch(stub, run_id)
        acme.on_read = lambda slice: None
        work(api, run_id)
        then = watch(stub, run_id)
    assert states(first) == ["PENDING", "RUNNING", "DEFERRED"]
    kept = api.read_flow_run_states(uuid.UUID(run_id))
    (due,) = (one.state_details.scheduled_time for one in kept if one.name == "Deferred")
    assert due is not None
    assert first[-1].message.startswith(
        f"put off until {due:%Y-%m-%d %H:%M:%S} UTC: quota used up [tenant=acme "
    )
    assert states(then) == ["PENDING", "RUNNING", "DEFERRED", "PENDING", "RUNNING", "LOADED"]
    assert then[-1].result.row_count == 5


def test_a_crash_is_told_and_its_resumption_too(
    api: SyncPrefectClient, deployment: str, acme: ListVendor, lake: LakeClient
) -> None:
    """A crash is not the end while Prefect's automation may still resume it; once it has not, it is."""
    with served() as stub:
        run_id = uuid.UUID(start(stub, fresh()).run_id)
        stream = stub.WatchIngest(pb.WatchIngestRequest(run_id=str(run_id)), timeout=180)
        for state in (Pending(), Running(), Crashed(message=f"Request to http://{CANARY} failed")):
            api.set_flow_run_state(run_id, state, force=True)
        told = next(event for event in stream if "died" in event.message)
        assert (told.state, CANARY in told.message) == (pb.RUN_STATE_PENDING, False)
        api.set_flow_run_state(run_id, Scheduled(name="Resuming"), force=True)
        resumed = next(stream)
        work(api, str(run_id))
        rest = list(stream)
    assert (resumed.state, resumed.message) == (
        pb.RUN_STATE_PENDING,
        "ingest_pretend_things of acme: Resuming",
    )
    assert rest[-1].state == pb.RUN_STATE_LOADED
    with served(BRIEF) as stub:
        run_id = uuid.UUID(start(stub, fresh()).run_id)
        for lost in (Pending(), Running(), Crashed()):
            api.set_flow_run_state(run_id, lost, force=True)
        events = watch(stub, str(run_id))
    assert states(events) == ["PENDING", "RUNNING", "PENDING", "FAILED"]


def test_a_run_that_a_person_cancels_is_cancelled(
    api: SyncPrefectClient, deployment: str, acme: ListVendor
) -> None:
    """As `prefect flow-run cancel` does."""
    with served(BRIEF) as stub:
        run_id = start(stub, fresh()).run_id
        api.set_flow_run_state(uuid.UUID(run_id), Cancelling())
        last = watch(stub, run_id)[-1]
    assert (last.state, last.message) == (
        pb.RUN_STATE_CANCELLED,
        "ingest_pretend_things of acme: Cancelled",
    )


def test_without_a_deployment_the_flow_runs_in_process(
    prefect: None, acme: ListVendor, lake: LakeClient
) -> None:
    """And the first event says why; a repeat finds it, even when there is a deployment by then."""
    with served() as stub, get_client(sync_client=True) as api:
        request_id = fresh()
        first = start(stub, request_id)
        events = watch(stub, first.run_id)
        with deployed(api, "later"):
            again = start(stub, request_id)
    assert "`weathervane-deploy`" in events[0].message
    assert events[-1].state == pb.RUN_STATE_LOADED
    assert (again.run_id, again.repeat) == (first.run_id, True)
    assert lake_truth(lake) == acme.truth()


def test_of_several_deployments_the_packages_own_is_taken(
    api: SyncPrefectClient,
    deployment: str,
    acme: ListVendor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Any with the tag could be meant: the one in the package's prefect.yaml is, and without one it is refused."""
    with served() as stub, deployed(api, "hourly"):
        several = refusal(lambda: start(stub, fresh()))
        install_pretend_package(tmp_path, "hourly", monkeypatch)
        run = api.read_flow_run(uuid.UUID(start(stub, fresh()).run_id))
        assert run.deployment_id is not None
        taken = api.read_deployment(run.deployment_id).name
    assert (several.code, several.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "SEVERAL_DEPLOYMENTS")
    assert "hourly, pretend-ingestion" in several.message
    assert taken == "hourly"


def install_pretend_package(folder: Path, deployment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a package on the path that says what it deploys, as those of the house do."""
    (folder / "pretend_package").mkdir()
    (folder / "pretend_package" / "__init__.py").touch()
    (folder / "pretend_package" / "flows.py").write_text(
        f"from prefect import flow\n@flow(name='{FLOW}')\ndef ingest(tenant_id: str): pass\n"
    )
    (folder / "pretend_package" / "prefect.yaml").write_text(f"""\
name: pretend
pull: []
deployments:
  - name: {deployment}
    description: Things.
    entrypoint: pretend_package.flows:ingest
    tags: [weathervane, pretend-package]
    parameters: {{tenant_id: "*"}}
    work_pool: {{name: weathervane-pool, work_queue_name: pretend}}
    concurrency_limit: {{limit: 1, collision_strategy: ENQUEUE}}
""")
    described = folder / "pretend_package-1.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: pretend-package\nVersion: 1\n")
    (described / "entry_points.txt").write_text("[weathervane.deployments]\npretend = pretend_package\n")
    monkeypatch.syspath_prepend(folder)


def test_only_what_was_started_here_is_watched(
    api: SyncPrefectClient, deployment: str, acme: ListVendor
) -> None:
    """Neither a run that is not there, nor one that a schedule or another service started."""
    found = api.read_deployment_by_name(f"{FLOW}/{deployment}")
    others: FlowRun = api.create_flow_run_from_deployment(found.id, parameters={"tenant_id": "acme"})
    with served() as stub:
        for run_id in (str(others.id), str(uuid.uuid4()), "no such run"):
            told = refusal(partial(watch, stub, run_id))
            assert (told.code, told.reason) == (grpc.StatusCode.NOT_FOUND, "NO_SUCH_RUN")
        gone = start(stub, fresh()).run_id
        stream = stub.WatchIngest(pb.WatchIngestRequest(run_id=gone), timeout=60)
        next(stream)
        api.delete_flow_run(uuid.UUID(gone))
        assert refusal(lambda: list(stream)).reason == "NO_SUCH_RUN"


def test_a_prefect_that_does_not_answer_is_said() -> None:
    """UNAVAILABLE, in one line without the address and what it may hold."""
    settings: Any = {PREFECT_API_URL: f"http://user:{CANARY}@127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    runs = DeployedRuns(PRETEND)

    async def first(run_id: str) -> None:
        await anext(runs.watch(run_id))

    with temporary_settings(settings):
        for call in (runs.start(RunRequest("one", "acme", FLOW)), first(str(uuid.uuid4()))):
            with pytest.raises(
                StatusError, match=r"the Prefect server at http://127\.0\.0\.1:\d+/api does not answer"
            ) as caught:
                asyncio.run(call)
            assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.UNAVAILABLE, "PREFECT_API")
            assert CANARY not in str(caught.value)
            assert "\n" not in str(caught.value)


class Door:
    """A port through which a watcher reaches Prefect, unless it is shut: then Prefect does not answer."""

    def __init__(self, to: int) -> None:
        self._to = to
        self.port = 0
        self.shut = False
        self.turned_away = 0
        self._open: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def __call__(self) -> Any:
        """Is there for the length of a `with` block."""
        async with await asyncio.start_server(self._enter, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            yield self
            self.close()

    def close(self) -> None:
        """Cuts all connections."""
        for writer in self._open:
            writer.close()

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.shut:
            self.turned_away += 1
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._open |= {writer, back}
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


def test_an_outage_of_prefect_is_survived(
    api: SyncPrefectClient, deployment: str, acme: ListVendor, lake: LakeClient
) -> None:
    """A watcher that Prefect did not answer for a while misses nothing; after too long a while it is told."""
    behind = api.api_url.port
    assert behind is not None

    async def through(door: Door, settings: WatchSettings) -> tuple[list[RunState], str]:
        runs = DeployedRuns(PRETEND, settings)
        async with door():
            through_the_door: Any = {PREFECT_API_URL: f"http://127.0.0.1:{door.port}/api"}
            with temporary_settings(through_the_door):
                started = await runs.start(RunRequest(fresh(), "acme", FLOW, date(2026, 11, 1)))
            assert started is not None
            with temporary_settings(through_the_door | {PREFECT_CLIENT_MAX_RETRIES: 0}):
                events = runs.watch(started[0])
                seen = [await anext(events)]
                door.shut = True
                door.close()
                rest = asyncio.create_task(_rest(events))
                # Not `to_thread`, which would take the door along: the worker has another way to Prefect.
                await asyncio.get_running_loop().run_in_executor(None, work, api, started[0])
                while door.turned_away < 3 and not rest.done():
                    await asyncio.sleep(0.1)
                door.shut = settings.outage_seconds < 1
                seen += await rest
                return [event.state for event in seen], started[0]

    seen, run_id = asyncio.run(through(Door(behind), QUICK))
    with served() as stub:
        assert len(seen) == len(watch(stub, run_id))
    assert seen[-1] is RunState.LOADED
    with pytest.raises(
        StatusError, match=r"the Prefect server at http://127\.0\.0\.1:\d+/api does not answer"
    ):
        asyncio.run(through(Door(behind), WatchSettings(poll_seconds=0.1, outage_seconds=0.5)))


async def _rest(events: Any) -> list[Any]:
    return [event async for event in events]
