"""SourceService over real gRPC. Flows here are plain functions where Prefect has no say, the real one where it has."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

import grpc
import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from weathervane.lake import BusyError, LakeClient, TableRef, WriteResult
from weathervane.rpc import RemoteError, ServerSettings, from_rpc_error, running_server
from weathervane.source._definition import Finding, FlowDefinition, Severity, SourceDefinition
from weathervane.source._errors import (
    ConfigurationError,
    ContractError,
    CredentialsError,
    DeferredError,
    IncompleteError,
    SourceError,
    UnavailableError,
)
from weathervane.source._prefect import PrefectUnavailableError
from weathervane.source._progress import Progress, announce
from weathervane.source._run.summary import IngestionSummary, PutOff, TableSummary, summary_of
from weathervane.source._serve.runs import RunRequest, Runs, RunSettings
from weathervane.source._serve.servicer import DOMAIN, run_flow, source_service
from weathervane.source.v1 import source_pb2 as pb
from weathervane.source.v1 import source_pb2_grpc as pb_grpc

from .nonsense_days import NONSENSE
from .pretend_flows import PRETEND, PretendSandbox, ingest_pretend_things
from .pretend_source import CANARY, PARTS, THINGS, ListVendor, lake_truth

TABLE = TableSummary(
    path="file:///lake/acme/pretend_things",
    table_version=7,
    total_rows=9,
    checkpoint="here",
    rows_received=3,
    rows_inserted=2,
    rows_updated=1,
)
SUMMARY = summary_of("pretend", {"pretend_things": TABLE})
RECEIPT = WriteResult(
    table=TableRef("acme", "pretend_things"),
    write_id="w",
    table_version=7,
    rows_received=21,
    rows_inserted=1,
    rows_updated=2,
    rows_unchanged=3,
    rows_collapsed=4,
    rows_deleted=5,
    rows_quarantined=6,
    total_rows=9,
    bytes_written=1,
    bytes_removed=1,
    checkpoint="here",
    committed_at=datetime.now(UTC),
    table_uri="file:///lake/acme/pretend_things",
)


@dataclass
class Script:
    """A flow that does as it is told, and remembers how it was called."""

    work: Callable[[], IngestionSummary] = lambda: SUMMARY
    calls: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, **arguments: Any) -> IngestionSummary:
        """Runs the script."""
        self.calls.append(arguments)
        return self.work()


@pytest.fixture(autouse=True)
def acme(monkeypatch: pytest.MonkeyPatch, vendor: ListVendor) -> None:
    """The tenant `acme` has credentials."""
    for name, value in PretendSandbox(vendor).environment("acme").items():
        monkeypatch.setenv(name, value)


@contextmanager
def served(definition: SourceDefinition, **settings: int) -> Iterator[pb_grpc.SourceServiceStub]:
    """The real service on a free port, and a client of it."""
    service = source_service(definition, Runs(RunSettings(**settings)))
    with (
        running_server([service], ServerSettings(grace_seconds=2), domain=DOMAIN) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        yield pb_grpc.SourceServiceStub(channel)


def scripted(script: Script, check: Callable[[str], list[Finding]] = lambda tenant: []) -> SourceDefinition:
    """The pretend source with a flow by script."""
    return replace(PRETEND, flows=(FlowDefinition("ingest", script, (THINGS, PARTS)),), check=check)


def start(stub: pb_grpc.SourceServiceStub, request_id: str = "one", **fields: str) -> pb.StartIngestResponse:
    """Starts a run of `acme`, but for `fields`."""
    wanted = {"tenant": "acme", "flow": "ingest", "request_id": request_id, **fields}
    return stub.StartIngest(pb.StartIngestRequest(**wanted), timeout=10)


def watch(stub: pb_grpc.SourceServiceStub, run_id: str) -> list[pb.WatchIngestResponse]:
    """All events of a run, to its end."""
    return list(stub.WatchIngest(pb.WatchIngestRequest(run_id=run_id), timeout=60))


def refusal(call: Callable[[], Any]) -> RemoteError:
    """The error that a call must end with."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return from_rpc_error(caught.value)


def test_a_source_is_described() -> None:
    """Its flows in order, each dataset once, and what a client needs to know of the tables."""
    with served(PRETEND) as stub:
        described = stub.DescribeSource(pb.DescribeSourceRequest(), timeout=10)
    assert (described.source, described.api_version, described.api_version_ends) == (
        "pretend",
        "1",
        "2030-01-01",
    )
    assert described.package_version == PRETEND.package_version
    assert [(f.name, list(f.datasets)) for f in described.flows] == [
        ("ingest_pretend_things", ["pretend_things", "pretend_parts"])
    ]
    assert [(d.name, list(d.unique_keys)) for d in described.datasets] == [
        ("pretend_things", ["tenant_id", "thing_id"]),
        ("pretend_parts", ["tenant_id", "thing_id", "part_id"]),
    ]


def test_a_definition_that_contradicts_itself_is_refused() -> None:
    """At import, not at the first call."""
    (only,) = PRETEND.flows
    with pytest.raises(ValueError, match="two flows have one name"):
        replace(PRETEND, flows=(only, only))
    with pytest.raises(ValueError, match="fills no dataset"):
        replace(PRETEND, flows=(replace(only, datasets=()),))
    with pytest.raises(ValueError, match="two datasets are named 'pretend_things' and differ"):
        replace(
            PRETEND,
            flows=(
                only,
                FlowDefinition("b", ingest_pretend_things, (replace(THINGS, cluster_by="thing_id"),)),
            ),
        )


def test_a_check_says_what_was_found() -> None:
    """A warning leaves the tenant fit to run, an error does not."""
    findings = [Finding(severity, "REASON", severity.value) for severity in Severity]
    with served(scripted(Script(), lambda tenant: findings[:2])) as stub:
        fit = stub.CheckTenant(pb.CheckTenantRequest(tenant="acme"), timeout=10)
    with served(scripted(Script(), lambda tenant: findings)) as stub:
        unfit = stub.CheckTenant(pb.CheckTenantRequest(tenant="acme"), timeout=10)
    assert (fit.ok, unfit.ok) == (True, False)
    assert [(f.severity, f.reason, f.message) for f in unfit.findings] == [
        (pb.SEVERITY_INFO, "REASON", "info"),
        (pb.SEVERITY_WARNING, "REASON", "warning"),
        (pb.SEVERITY_ERROR, "REASON", "error"),
    ]


@pytest.mark.parametrize("kind", [CredentialsError, ConfigurationError, ContractError])
def test_a_refusal_of_the_vendor_is_an_answer(kind: type[SourceError]) -> None:
    """The call succeeds, and says what is wrong and what to do."""

    def check(tenant: str) -> list[Finding]:
        raise kind("the vendor says no", reason="SAYS_NO")

    with served(scripted(Script(), check)) as stub:
        answer = stub.CheckTenant(pb.CheckTenantRequest(tenant="acme"), timeout=10)
    assert not answer.ok
    (finding,) = answer.findings
    assert (finding.severity, finding.reason) == (pb.SEVERITY_ERROR, "SAYS_NO")
    assert finding.message == f"the vendor says no; next: {kind.advice}"


@pytest.mark.parametrize(
    "error",
    [
        UnavailableError("it is down", reason="VENDOR_DOWN"),
        DeferredError("later", reason="VENDOR_DOWN", retry_after=9),
    ],
)
def test_a_check_that_could_not_be_made_is_unavailable(error: SourceError) -> None:
    """Nobody knows whether the tenant is fit, so nobody says so."""

    def check(tenant: str) -> list[Finding]:
        raise error

    with served(scripted(Script(), check)) as stub:
        told = refusal(lambda: stub.CheckTenant(pb.CheckTenantRequest(tenant="acme"), timeout=10))
    assert (told.code, told.reason, told.metadata) == (
        grpc.StatusCode.UNAVAILABLE,
        "VENDOR_DOWN",
        {"tenant": "acme"},
    )


def test_a_run_is_watched_to_its_end() -> None:
    """What has happened, then what happens, with the receipt of each slice, and the result last."""

    def work() -> IngestionSummary:
        announce(Progress("a slice", "acme", "the first", RECEIPT))
        return SUMMARY

    script = Script(work)
    with served(scripted(script)) as stub:
        run_id = start(stub, start_date="2026-11-01", end_date="2026-11-02").run_id
        live, replayed = watch(stub, run_id), watch(stub, run_id)
    assert live == replayed
    assert [event.state for event in live] == [
        pb.RUN_STATE_PENDING,
        pb.RUN_STATE_RUNNING,
        pb.RUN_STATE_RUNNING,
        pb.RUN_STATE_LOADED,
    ]
    assert live[2].slice == pb.SliceResult(
        dataset="pretend_things",
        slice="the first",
        rows_received=21,
        rows_inserted=1,
        rows_updated=2,
        rows_unchanged=3,
        rows_deleted=5,
        rows_quarantined=6,
        table_version=7,
        checkpoint="here",
    )
    assert live[3].result == pb.IngestResult(
        path="file:///lake/acme/pretend_things",
        row_count=3,
        new_rows=2,
        updated_rows=1,
        total_rows=9,
        checkpoint="here",
    )
    assert script.calls == [
        {"tenant_id": "acme", "start_date": date(2026, 11, 1), "end_date": date(2026, 11, 2)}
    ]


def test_several_watch_while_it_happens() -> None:
    """Each sees every event, whenever it came; one that reads nothing holds nobody up."""
    begun, go_on = threading.Event(), threading.Event()

    def work() -> IngestionSummary:
        begun.set()
        assert go_on.wait(30)
        for number in range(2_000):
            announce(Progress(f"{number} " + "x" * 1_000, "acme"))
        return SUMMARY

    with served(scripted(Script(work))) as stub:
        run_id = start(stub).run_id
        idle = stub.WatchIngest(pb.WatchIngestRequest(run_id=run_id), timeout=60)
        next(idle)
        assert begun.wait(10)
        seen: list[list[pb.WatchIngestResponse]] = []
        watchers = [threading.Thread(target=lambda: seen.append(watch(stub, run_id))) for _ in range(3)]
        for watcher in watchers:
            watcher.start()
        go_on.set()
        for watcher in watchers:
            watcher.join(60)
        assert [len(events) for events in seen] == [2_003] * 3
        assert seen[0] == seen[1] == seen[2]
        # 2 MB were waiting for it all the while.
        assert 1 + len(list(idle)) == 2_003


def test_a_watcher_that_goes_away_is_forgotten() -> None:
    """A run that nobody watches any more goes on, and can be watched again."""
    go_on = threading.Event()

    def work() -> IngestionSummary:
        assert go_on.wait(30)
        return SUMMARY

    with served(scripted(Script(work))) as stub:
        run_id = start(stub).run_id
        gone = stub.WatchIngest(pb.WatchIngestRequest(run_id=run_id), timeout=60)
        next(gone)
        gone.cancel()
        go_on.set()
        assert watch(stub, run_id)[-1].state == pb.RUN_STATE_LOADED


def test_a_repeated_request_starts_nothing() -> None:
    """The same request id gets the first answer, while the run goes on and after it; other arguments are refused."""
    script = Script()
    with served(scripted(script)) as stub:
        first = start(stub)
        watch(stub, first.run_id)
        again = start(stub)
        other = start(stub, "two")
        watch(stub, other.run_id)
        reused = refusal(lambda: start(stub, end_date="2026-11-02"))
    assert (first.repeat, again.repeat, other.repeat) == (False, True, False)
    assert first.run_id == again.run_id != other.run_id
    assert len(script.calls) == 2
    assert (reused.code, reused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")


def test_runs_at_a_time_are_bounded() -> None:
    """One more is refused at once, a repeat of a running one is not; when one has ended there is room."""
    go_on = threading.Event()

    def work() -> IngestionSummary:
        assert go_on.wait(30)
        return SUMMARY

    with served(scripted(Script(work)), max_concurrent_runs=2) as stub:
        runs = [start(stub, name).run_id for name in ("one", "two")]
        full = refusal(lambda: start(stub, "three"))
        assert start(stub, "two").repeat
        go_on.set()
        for run_id in runs:
            watch(stub, run_id)
        assert not start(stub, "three").repeat
    assert (full.code, full.reason, full.metadata) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "TOO_MANY_RUNS",
        {"limit": "2"},
    )


def test_what_is_remembered_is_bounded() -> None:
    """Of a run's events the oldest are dropped, and that is said; of ended runs the oldest are forgotten."""

    def work() -> IngestionSummary:
        for number in range(100):
            announce(Progress(str(number), "acme"))
        return SUMMARY

    with served(scripted(Script(work)), max_events_kept=10, max_runs_kept=1) as stub:
        ids = []
        for name in ("one", "two", "three"):
            ids.append(start(stub, name).run_id)
            events = watch(stub, ids[-1])
        late = watch(stub, ids[-1])
        forgotten = refusal(lambda: watch(stub, ids[0]))
    assert events[-1] == late[-1]
    assert [event.message for event in late[:2]] == ["93 earlier events are no longer kept", "91"]
    assert len(late) == 11
    assert (forgotten.code, forgotten.reason) == (grpc.StatusCode.NOT_FOUND, "NO_SUCH_RUN")


@pytest.mark.parametrize(
    ("error", "state", "told"),
    [
        (
            IncompleteError("half of it", reason="COUNT_DIFFERS", tenant="acme"),
            pb.RUN_STATE_INCOMPLETE,
            "half of it",
        ),
        (
            CredentialsError("refused", reason="TOKEN_REFUSED"),
            pb.RUN_STATE_FAILED,
            "refused .*renew the tenant's",
        ),
        (
            DeferredError("quota used up", reason="THROTTLED", retry_after=7200),
            pb.RUN_STATE_DEFERRED,
            "put off for 7,200 s: quota used up ",
        ),
        (BusyError("the lake is draining"), pb.RUN_STATE_FAILED, "the lake is draining"),
        (
            RuntimeError(f"GET /?token={CANARY}"),
            pb.RUN_STATE_FAILED,
            r"internal error: RuntimeError at test_service.py:\d+, in work; .*incident [0-9a-f]{12}",
        ),
        (SystemExit(CANARY), pb.RUN_STATE_FAILED, "ended by SystemExit"),
        (KeyError(CANARY), pb.RUN_STATE_FAILED, "internal error: KeyError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_an_end_by_an_error_is_told(error: BaseException, state: int, told: str) -> None:
    """In the error's own safe words; of one that nobody foresaw, whose words may hold anything, its kind and place."""

    def work() -> IngestionSummary:
        raise error

    with served(scripted(Script(work))) as stub:
        last = watch(stub, start(stub).run_id)[-1]
    assert last.state == state
    assert re.match(told, last.message)
    assert CANARY not in last.message
    assert not last.HasField("result")


def test_a_run_that_left_a_part_for_later_is_deferred_with_its_result() -> None:
    """What it read is told, and what is left, and when that can be had: it is not all loaded."""
    left: PutOff = {
        "dataset": "reports",
        "retry_after": 73_473.0,
        "reason": "THROTTLED",
        "message": "the day's quota is used up",
    }
    partly = summary_of("pretend", {"pretend_things": replace(TABLE, rows_quarantined=4, first_misfit="odd")})
    partly.metadata["deferred"] = left
    with served(scripted(Script(lambda: partly))) as stub:
        last = watch(stub, start(stub).run_id)[-1]
    assert last.state == pb.RUN_STATE_DEFERRED
    assert last.message.endswith(
        "rows; pretend_things 4 set aside: odd (see pretend_things_quarantine);"
        " the rest is put off for 73,473 s: the day's quota is used up"
    )
    assert last.result.set_aside_rows == 4
    assert last.result.new_rows == SUMMARY.metadata["new_rows"]


def test_an_empty_run_is_verified_empty() -> None:
    """The vendor said that there is nothing, which is not the same as nothing having been read."""
    empty = replace(SUMMARY, metadata={**SUMMARY.metadata, "state": "verified_empty", "checkpoint": None})
    with served(scripted(Script(lambda: empty))) as stub:
        last = watch(stub, start(stub).run_id)[-1]
    assert (last.state, last.result.checkpoint) == (pb.RUN_STATE_VERIFIED_EMPTY, "")


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({"tenant": ""}, grpc.StatusCode.INVALID_ARGUMENT, "BAD_NAME"),
        ({"tenant": "../acme"}, grpc.StatusCode.INVALID_ARGUMENT, "BAD_NAME"),
        ({"tenant": "a" * 64}, grpc.StatusCode.INVALID_ARGUMENT, "BAD_NAME"),
        ({"tenant": "nobody"}, grpc.StatusCode.FAILED_PRECONDITION, "CREDENTIALS_MISSING"),
        ({"flow": ""}, grpc.StatusCode.NOT_FOUND, "NO_SUCH_FLOW"),
        ({"flow": "x" * 9_000}, grpc.StatusCode.NOT_FOUND, "NO_SUCH_FLOW"),
        ({"request_id": ""}, grpc.StatusCode.INVALID_ARGUMENT, "BAD_REQUEST_ID"),
        ({"request_id": "x" * 129}, grpc.StatusCode.INVALID_ARGUMENT, "BAD_REQUEST_ID"),
        ({"request_id": "a\nb"}, grpc.StatusCode.INVALID_ARGUMENT, "BAD_REQUEST_ID"),
        ({"start_date": "2026-02-30"}, grpc.StatusCode.INVALID_ARGUMENT, "BAD_DATE"),
        ({"end_date": "x" * 9_000}, grpc.StatusCode.INVALID_ARGUMENT, "BAD_DATE"),
        *(
            (days, grpc.StatusCode.INVALID_ARGUMENT, "BAD_DATE")
            for days, _ in NONSENSE
            if all(isinstance(day, str) for day in days.values())
        ),
    ],
)
def test_a_run_that_cannot_be_is_not_started(
    fields: dict[str, str], code: grpc.StatusCode, reason: str
) -> None:
    """The refusal comes at once and names what is wrong; no flow is called."""
    script = Script()
    with served(scripted(script)) as stub:
        told = refusal(lambda: start(stub, **fields))
    assert (told.code, told.reason) == (code, reason)
    assert len(told.message) < 500
    assert script.calls == []


def test_an_unknown_run_is_not_found() -> None:
    """Not an empty stream, which would look like a run without news."""
    with served(PRETEND) as stub:
        told = refusal(lambda: watch(stub, "no such run"))
    assert (told.code, told.reason) == (grpc.StatusCode.NOT_FOUND, "NO_SUCH_RUN")


def test_a_prefect_flow_tells_its_news_over_the_wire(
    prefect: None, lake: LakeClient, vendor: ListVendor
) -> None:
    """The flow runs in a thread of the service; its tasks' commits reach the watcher, and the rows the lake."""
    with served(PRETEND) as stub:
        events = watch(stub, start(stub, flow="ingest_pretend_things").run_id)
    assert events[-1].state == pb.RUN_STATE_LOADED
    assert [event.slice.dataset for event in events if event.HasField("slice")] == [
        PARTS.name,
        THINGS.name,
    ] * 3
    assert events[-1].result.row_count == 5
    assert lake_truth(lake) == vendor.truth()


def test_a_prefect_that_does_not_answer_is_said() -> None:
    """One clear line, without the address and what it may hold."""
    settings: Any = {PREFECT_API_URL: f"http://user:{CANARY}@127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    request = RunRequest("one", "acme", "ingest_pretend_things")
    told = pytest.raises(
        PrefectUnavailableError, match=r"the Prefect server at http://127.0.0.1:9/api does not answer"
    )
    with temporary_settings(settings), told as caught:
        run_flow(PRETEND.flows[0], request)
    assert CANARY not in str(caught.value)
