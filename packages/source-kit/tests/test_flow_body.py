"""In which state a flow's run ends, who gets a run, and what a person then sees, in a real Prefect."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stamina
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import CancelledRun, Pause
from prefect.flow_engine import run_flow
from prefect.runtime import flow_run as runtime
from prefect.states import Cancelled, Cancelling, Completed, Crashed, Failed, Pending, Running, Scheduled

from weathervane.flow import EVERY_TENANT, RESUMING, LeftOutError, dispatch, every, finish_dispatch_of
from weathervane.flow.testing import newest_run
from weathervane.lake import BusyError, LakeClient, NotFoundError, RejectedError, StaleCheckpointError
from weathervane.source._errors import (
    ConfigurationError,
    CredentialsError,
    DeferredError,
    IncompleteError,
    InternalError,
    UnavailableError,
)
from weathervane.source._progress import Progress, listening
from weathervane.source._run import tasks
from weathervane.source._run.flow_body import run_for_tenant
from weathervane.source._run.report_words import summary_line
from weathervane.source._run.slices import Slice
from weathervane.source._run.summary import IngestionSummary, TableSummary, summary_of

from .pretend_flows import PretendCredentials, PretendSandbox, ingest_pretend_things
from .pretend_source import CANARY, ListReader, ListVendor, lake_truth

AT_ONCE = ingest_pretend_things.with_options(retries=0)


@pytest.fixture
def api(prefect: None) -> Any:
    """A client of the session's server."""
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def deployed(api: SyncPrefectClient) -> Any:
    """Makes runs of a deployment as a schedule or a person does; nobody runs them but the test."""
    flow_id = api.create_flow(ingest_pretend_things)
    deployment_id = api.create_deployment(flow_id=flow_id, name="pretend", tags=["weathervane"])

    def make(tenant: str, **options: Any) -> FlowRun:
        return api.create_flow_run_from_deployment(deployment_id, parameters={"tenant_id": tenant}, **options)

    return make


def artifacts(api: SyncPrefectClient, run: FlowRun) -> dict[str, Any]:
    """What a run left, by key."""
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    return {str(one.key): one for one in api.read_artifacts(artifact_filter=of_run)}


def raising(error: Exception) -> Any:
    """A vendor's behaviour on every read."""

    def fail(slice: Slice) -> None:
        raise error

    return fail


def test_a_run_that_read_rows_is_loaded_and_shows_what_it_did(
    api: SyncPrefectClient, acme: ListVendor, lake: LakeClient
) -> None:
    """The state's name and line, the run's and its tasks' names, a bar, a table of receipts and a summary."""
    acme.put("odd", "much")
    summary = ingest_pretend_things("acme")
    run = newest_run(api)
    assert run.state is not None
    assert (run.state.type, run.state.name) == (StateType.COMPLETED, "Loaded, 1 set aside")
    assert run.state.message is not None
    assert run.state.message.startswith(
        "5 new and 0 updated rows in 3 slices; pretend_things 1 set aside: column value: expected a number, got a"
        " string (see pretend_things_quarantine); 5 in the table; checkpoint "
    )
    assert run.name.startswith("acme · pretend_things · up to ")
    found = artifacts(api, run)
    assert {key: one.type for key, one in found.items()} == {
        "pretend-things--acme": "markdown",
        "pretend-things--acme--progress": "progress",
        "pretend-things--acme--slices": "table",
    }
    assert float(found["pretend-things--acme--progress"].data) == 100.0
    table = json.loads(found["pretend-things--acme--slices"].data)
    assert len(table) == 6  # three slices of two datasets
    assert sum(row["new"] for row in table if row["dataset"] == "pretend_things") == 5
    text = found["pretend-things--acme"].data
    checkpoint = summary.metadata["checkpoint"]
    assert f"| pretend_things | none | `{checkpoint}` |" in text
    assert "| pretend_things | 6 | 5 | 0 | 0 | 0 | 0 | 1 | 0 |" in text
    assert "# acme/pretend_things: loaded, 1 set aside" in text
    assert "- did not fit: pretend_things 1 set aside: column value: expected a number" in text
    assert [row["set aside"] for row in table if row["dataset"] == "pretend_things"] == [0, 0, 1]
    assert summary.path in text
    assert str(run.id) in text
    assert CANARY not in run.model_dump_json() + json.dumps([str(one.data) for one in found.values()])


def test_a_checkpoint_of_many_accounts_fills_no_line() -> None:
    """A person sees how it begins and how long it is."""
    table = TableSummary(path="", table_version=1, total_rows=1, checkpoint="", rows_inserted=1)
    told = [
        summary_line(summary_of("pretend", {"things": replace(table, checkpoint=checkpoint)}))
        for checkpoint in ("x" * 200, "x" * 60_000)
    ]
    assert told[0].endswith("; checkpoint " + "x" * 200)
    assert told[1] == f"{told[0]}… (60,000 characters)"


def test_a_vendor_that_has_nothing_is_verified_empty(
    api: SyncPrefectClient, acme: ListVendor, lake: LakeClient
) -> None:
    """Nothing was read, and that is known."""
    acme.things.clear()
    assert ingest_pretend_things("acme").metadata["state"] == "verified_empty"
    state = newest_run(api).state
    assert state is not None
    assert (state.type, state.name) == (StateType.COMPLETED, "Verified empty")


def test_what_was_not_whole_is_incomplete_after_all_retries(
    api: SyncPrefectClient, acme: ListVendor, lake: LakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried as often as the flow says; then the state's name says that the lake stands before the gap."""
    monkeypatch.setattr(tasks.write_incremental, "retries", 0)
    acme.on_read = raising(IncompleteError("half of it", reason="COUNT_DIFFERS"))
    with pytest.raises(IncompleteError, match="tenant=acme"):
        ingest_pretend_things.with_options(retries=1, retry_delay_seconds=0)("acme")
    run = newest_run(api)
    assert run.state is not None
    assert (run.state.type, run.state.name, run.run_count) == (StateType.FAILED, "Incomplete", 2)
    assert "half of it" in str(run.state.message)
    assert artifacts(api, run)["pretend-things--acme"].description == "acme/pretend_things: incomplete"


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (CredentialsError("refused", reason="TOKEN_REFUSED"), 1),
        (RejectedError("no such column"), 1),
        (DeferredError("come back in an hour", reason="THROTTLED", retry_after=3600), 1),
        (StaleCheckpointError("overtaken"), 4),
        (BusyError("full"), 4),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_flow_ends_at_once_when_no_retry_can_mend_it(
    error: Exception, attempts: int, api: SyncPrefectClient, acme: ListVendor
) -> None:
    """A flow's own retries know no condition, so the run is told that none are left; a stale one begins anew."""
    seen: list[str] = []

    @flow(retries=3, retry_delay_seconds=0)
    def failing() -> IngestionSummary:
        def work(tenant: str, credentials: PretendCredentials) -> IngestionSummary:
            seen.append(str(runtime.get_id()))
            raise error

        return run_for_tenant("acme", PretendCredentials, work)

    heard: list[Progress] = []
    with listening(heard.append), pytest.raises(type(error), match=str(error.args[0])):
        failing()
    assert len(seen) == attempts
    told = f"{error.args[0]}; the run begins again in 0 s, attempt"
    assert [one.message for one in heard] == [f"{told} {number} of 4" for number in range(2, attempts + 1)]
    state = newest_run(api).state
    assert state is not None
    assert state.type is StateType.FAILED
    if attempts == 1:
        assert state.message == str(error)


def test_by_hand_a_run_without_a_lake_ends_at_once(
    api: SyncPrefectClient, acme: ListVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the vendor is asked, in one line with the address and the setting: whoever waits can mend it."""
    monkeypatch.setenv("WEATHERVANE_LAKE_ADDRESS", "127.0.0.1:1")
    acme.token = "another"  # which the vendor would refuse
    with pytest.raises(BusyError, match=r"no lake writer at 127\.0\.0\.1:1 .*WEATHERVANE_LAKE_ADDRESS"):
        ingest_pretend_things("acme")
    assert newest_run(api).run_count == 1


def test_a_run_that_ends_before_it_reads_leaves_a_summary_all_the_same(
    api: SyncPrefectClient, acme: ListVendor
) -> None:
    """Under the flow's name and the tenant: what happened, and what to do."""
    with pytest.raises(ConfigurationError):
        ingest_pretend_things("nobody")
    (shown,) = artifacts(api, newest_run(api)).items()
    assert shown[0] == "pretend-things--nobody"
    assert shown[1].description == "nobody/pretend_things: failed"
    assert "WEATHERVANE_PRETEND__NOBODY__" in shown[1].data


def test_the_text_of_an_error_that_nobody_foresaw_stays_in_the_process(
    api: SyncPrefectClient, acme: ListVendor, lake: LakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """It may hold a token or a row. Prefect is told of which kind it was, where it arose, and where the rest is."""
    acme.on_read = raising(RuntimeError(f"GET /?token={CANARY}"))
    once = ingest_pretend_things.with_options(retries=1, retry_delay_seconds=0)
    with pytest.raises(
        InternalError, match=r"RuntimeError at test_flow_body.py:\d+, in fail; .* incident \w{12}"
    ):
        once("acme")
    run = newest_run(api)
    # Once in a task and once more in a flow that is tried again.
    assert run.run_count == 2
    texts = [str(one.data) for one in artifacts(api, run).values()]
    tasks_run = api.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])))
    texts += [run.model_dump_json(), *(one.model_dump_json() for one in tasks_run)]
    assert not [text for text in texts if CANARY in text]
    told = {record.name for record in caplog.records if CANARY in record.getMessage() + str(record.exc_text)}
    assert told == {"incidents"}


def test_what_was_read_before_an_error_that_nobody_foresaw_is_still_shown(
    api: SyncPrefectClient, acme: ListVendor, lake: LakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside of a slice too: the run's own summary has the last word."""
    slices = ListReader.next_slice

    def fail(reader: ListReader, checkpoint: str | None) -> Slice | None:
        if checkpoint is not None:
            raise KeyError("next")
        return slices(reader, checkpoint)

    monkeypatch.setattr(ListReader, "next_slice", fail)
    with pytest.raises(InternalError, match=r"KeyError at test_flow_body.py"):
        AT_ONCE("acme")
    shown = artifacts(api, newest_run(api))["pretend-things--acme"].data
    assert "KeyError at test_flow_body.py" in shown
    assert "Nothing was read" not in shown


def test_an_error_names_its_tenant_outside_of_prefect_too(acme: ListVendor) -> None:
    """And the summary is then the function's own answer."""
    acme.token = "another"
    with pytest.raises(CredentialsError, match="tenant=acme"):
        ingest_pretend_things.fn("acme")
    with pytest.raises(ConfigurationError, match="name a tenant"):
        ingest_pretend_things.fn(EVERY_TENANT)


def test_each_tenant_has_a_run_and_a_failure_of_its_own(
    api: SyncPrefectClient, acme: ListVendor, lake: LakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a deployment they are child runs, one after the other; the others are read all the same."""
    broken = ListVendor()
    for name, value in PretendSandbox(broken).environment("aaa_broken").items():
        monkeypatch.setenv(name, value)
    broken.token = "another"
    with pytest.raises(Exception, match="1 of 2 tenants failed: aaa_broken: the vendor refuses the token"):
        AT_ONCE(EVERY_TENANT)
    assert lake_truth(lake) == acme.truth()


def test_a_deployments_run_for_every_tenant_starts_one_run_each(
    api: SyncPrefectClient, deployed: Any, acme: ListVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linked to it, named for the tenant, once even if it is tried again, and none for a tenant that still has one."""
    for name, value in PretendSandbox(acme).environment("busy").items():
        monkeypatch.setenv(name, value)
    waiting = deployed("busy", state=Scheduled(scheduled_time=datetime.now(UTC) - timedelta(hours=1)))
    # Neither a tenant that has no credentials any more is left out, nor one of whom other days are read.
    deployed("gone")
    other_days = {"tenant_id": "acme", "start_date": "2026-11-01"}
    api.create_flow_run_from_deployment(waiting.deployment_id, parameters=other_days)
    parent = deployed(EVERY_TENANT)
    for _ in range(2):
        api.set_flow_run_state(parent.id, Pending(), force=True)
        summary: Any = run_flow(ingest_pretend_things, flow_run=api.read_flow_run(parent.id))
    parent = api.read_flow_run(parent.id)
    assert parent.state is not None
    assert (parent.state.type, parent.state.name) == (StateType.COMPLETED, "Dispatched, 1 left out")
    of_parent = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[parent.id]))
    (child,) = api.read_flow_runs(flow_run_filter=of_parent)
    assert (child.parameters["tenant_id"], child.deployment_id) == ("acme", parent.deployment_id)
    assert child.name.startswith("acme · pretend_things · ")
    assert summary.metadata["runs"] == {"acme": str(child.id)}
    assert waiting.expected_start_time is not None
    stands = f"its run of {waiting.expected_start_time:%Y-%m-%d %H:%M} UTC is Scheduled since "
    assert str(parent.state.message).startswith(f"started 1 of 2 tenants: acme; left out 1: busy ({stands}")
    assert api.read_flow_run(waiting.id).state_type is StateType.SCHEDULED
    (links,) = artifacts(api, parent).items()
    assert links[0] == "pretend-things--every-tenant"
    assert f"/runs/flow-run/{child.id})" in links[1].data
    assert f"busy is left out: `{stands}" in links[1].data


def test_a_tenant_that_is_left_out_twice_fails_the_dispatch(
    api: SyncPrefectClient, deployed: Any, acme: ListVendor, lake: LakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a row: its run was there at the dispatch before. All others have their runs, and no retry follows."""
    for name, value in PretendSandbox(acme).environment("busy").items():
        monkeypatch.setenv(name, value)
    waiting = deployed("busy")
    for state in (Running(), Cancelling()):
        api.set_flow_run_state(waiting.id, state, force=True)
    for number in (1, 2):
        parent = deployed(EVERY_TENANT)
        api.set_flow_run_state(parent.id, Pending(), force=True)
        with contextlib.suppress(LeftOutError):
            run_flow(ingest_pretend_things, flow_run=api.read_flow_run(parent.id))
        ended = api.read_flow_run(parent.id)
        assert ended.state is not None
        assert ended.run_count == 1
        of_parent = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[parent.id]))
        (child,) = api.read_flow_runs(flow_run_filter=of_parent)
        api.set_flow_run_state(child.id, Pending(), force=True)
        run_flow(ingest_pretend_things, flow_run=api.read_flow_run(child.id))
        assert api.read_flow_run(child.id).state_name in ("Loaded", "Verified empty")
        if number == 1:
            assert ended.state_name == "Dispatched, 1 left out"
    assert (ended.state.type, ended.state.name) == (StateType.FAILED, "Tenants left out")
    told = str(ended.state.message)
    assert told.startswith(
        "left out for the second time in a row: busy; started 1 of 2 tenants: acme; left out 1: busy"
    )
    assert "reason=TENANTS_LEFT_OUT" in told
    # It ended. Another run of the tenant is left out for the first time: one that was skipped left out nobody, nor did
    # one of other days.
    api.set_flow_run_state(waiting.id, Cancelled(), force=True)
    deployed("busy")
    for name, days in (("Skipped", {}), ("Dispatched", {"start_date": "2026-11-01"})):
        given = {"tenant_id": EVERY_TENANT, **days}
        other = api.create_flow_run_from_deployment(waiting.deployment_id, parameters=given)
        for state in (Running(), Completed(name=name)):
            api.set_flow_run_state(other.id, state, force=True)
    parent = deployed(EVERY_TENANT)
    api.set_flow_run_state(parent.id, Pending(), force=True)
    run_flow(ingest_pretend_things, flow_run=api.read_flow_run(parent.id))
    assert api.read_flow_run(parent.id).state_name == "Dispatched, 1 left out"


def test_a_dispatch_looks_early_at_a_tenant_that_was_put_off(
    api: SyncPrefectClient,
    deployed: Any,
    acme: ListVendor,
    lake: LakeClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The vendor's delay may have been a mistake: the same run is due at once, and no second one is made."""
    acme.on_read = raising(DeferredError("quota used up", reason="THROTTLED", retry_after=999_999_999))
    run = deployed("acme")
    api.set_flow_run_state(run.id, Pending(), force=True)
    with pytest.raises(Pause):
        run_flow(ingest_pretend_things, flow_run=api.read_flow_run(run.id))
    put_off = api.read_flow_run(run.id).state
    assert put_off is not None
    due = put_off.state_details.scheduled_time
    assert due is not None
    assert due - datetime.now(UTC) <= timedelta(days=1)
    acme.on_read = lambda slice: None
    # Whatever comes of looking for the dead, a run has its own work to do.
    monkeypatch.setenv("WEATHERVANE_DEAD_AFTER_PENDING", "soon")
    parent = deployed(EVERY_TENANT)
    api.set_flow_run_state(parent.id, Pending(), force=True)
    run_flow(ingest_pretend_things, flow_run=api.read_flow_run(parent.id))
    assert "could not look for dead runs: WEATHERVANE_DEAD_AFTER_PENDING: write a time" in caplog.text
    ended, now = (api.read_flow_run(one.id).state for one in (parent, run))
    assert ended is not None
    assert now is not None
    assert (ended.name, ended.message) == (
        "Dispatched",
        "started 1 of 1 tenants: acme; of them put off before, and due now: acme",
    )
    assert (now.type, now.name) == (StateType.SCHEDULED, "Looking early")
    early = now.state_details.scheduled_time
    assert early is not None
    assert early <= datetime.now(UTC)
    api.set_flow_run_state(run.id, Pending(), force=True)
    run_flow(ingest_pretend_things, flow_run=api.read_flow_run(run.id))
    assert api.read_flow_run(run.id).state_name == "Loaded"
    assert lake_truth(lake) == acme.truth()


def test_a_dispatch_resumes_the_dead_instead_of_waiting_for_them(
    api: SyncPrefectClient,
    deployed: Any,
    acme: ListVendor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A run that died in an outage of Prefect, of which no event came: the tenant is read by it."""
    monkeypatch.setenv("WEATHERVANE_DEAD_AFTER_RUNNING", "PT0.001S")
    dead = deployed("acme")
    for state in (Pending(), Running()):
        api.set_flow_run_state(dead.id, state, force=True)
    parent = deployed(EVERY_TENANT)
    api.set_flow_run_state(parent.id, Pending(), force=True)
    run_flow(ingest_pretend_things, flow_run=api.read_flow_run(parent.id))
    now = api.read_flow_run(parent.id)
    assert now.state is not None
    assert now.state.name == "Dispatched, 1 left out"
    assert " is Resuming since " in str(now.state.message)
    assert f"a dead run: {dead.name}: Running since " in caplog.text
    # It looks at itself too, and is alive.
    assert "Crashed" not in [state.name for state in api.read_flow_run_states(parent.id)]
    died = api.read_flow_run(dead.id)
    assert died.state is not None
    assert (died.state_name, "gives no sign" in str(died.state.message)) == (RESUMING, True)


def test_a_killed_dispatch_is_finished_by_the_runs_that_it_started(
    api: SyncPrefectClient, deployed: Any, acme: ListVendor, lake: LakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resumed, it would wait for a place behind them. Each tenant has one run."""
    tenants = ["one", "other"]
    parent = deployed(EVERY_TENANT)
    for state in (Pending(), Running()):
        api.set_flow_run_state(parent.id, state, force=True)
    # It died when it had started one.
    child = deployed("acme", idempotency_key=f"{parent.id}:acme")
    for name in tenants:
        monkeypatch.setenv(f"WEATHERVANE_PRETEND__{name.upper()}__TOKEN", "none")
    # While it is at work nobody does its work, nor that of what is no dispatch, or is none that is known.
    keys = (f"{child.id}:acme", f"{parent.flow_id}:acme", "weathervane-start-ingest:pretend:one")
    for one in (child, *(child.model_copy(update={"idempotency_key": key}) for key in keys)):
        assert finish_dispatch_of(api, one, PretendCredentials.configured_tenants) is None
    for state in (Crashed(), Scheduled(name=RESUMING)):
        api.set_flow_run_state(parent.id, state, force=True)
    api.set_flow_run_state(child.id, Pending(), force=True)
    run_flow(ingest_pretend_things, flow_run=api.read_flow_run(child.id))
    assert api.read_flow_run(child.id).state_name == "Loaded"
    now = api.read_flow_run(parent.id)
    assert now.state is not None
    assert (now.state.type, now.state.name) == (StateType.COMPLETED, "Dispatched")
    assert f"{api.read_flow_run(child.id).name} did what was left of it" in str(now.state.message)
    assert finish_dispatch_of(api, child, PretendCredentials.configured_tenants) is None
    of_deployment = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[parent.deployment_id]))
    runs = list(every(api.read_flow_runs, flow_run_filter=of_deployment))
    told = sorted(str(run.parameters["tenant_id"]) for run in runs)
    assert told == sorted([EVERY_TENANT, "acme", *tenants])
    assert {run.idempotency_key for run in runs if run.id != parent.id} == {
        f"{parent.id}:{tenant}" for tenant in ["acme", *tenants]
    }


def test_many_tenants_are_few_requests(api: SyncPrefectClient, deployed: Any) -> None:
    """More of them than Prefect makes runs of at once; one request for each would make a night of many minutes."""
    tenants = [f"tenant{number}" for number in range(101)]
    parent = deployed(EVERY_TENANT)
    asked: list[str] = []
    api._client.event_hooks = {"request": [lambda request: asked.append(request.url.path)]}
    state = dispatch(api, parent, tenants).state(None)
    assert (state.name, sum(path.endswith("/bulk") for path in asked)) == ("Dispatched", 2)
    assert len(asked) < 10
    of_deployment = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[parent.deployment_id]))
    runs = every(api.read_flow_runs, flow_run_filter=of_deployment)
    told = sorted(str(run.parameters["tenant_id"]) for run in runs)
    assert told == sorted([EVERY_TENANT, *tenants])


def test_after_a_downtime_the_newest_run_does_the_work_of_all(
    api: SyncPrefectClient, acme: ListVendor, lake: LakeClient
) -> None:
    """Each scheduled run reads up to now: of three nights that are due, two step aside, whoever comes first."""
    deployment = api.create_deployment(
        flow_id=api.create_flow(ingest_pretend_things),
        name="nightly",
        parameters={"tenant_id": "acme"},
        schedules=[
            DeploymentScheduleCreate(schedule=CronSchedule(cron="0 2 * * *", timezone="UTC"), active=True)
        ],
    )
    today = datetime.now(UTC)
    span = {"start_time": (today - timedelta(days=3)).isoformat(), "end_time": today.isoformat()}
    assert api._client.post(f"/deployments/{deployment}/schedule", json=span).is_success
    due = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment]))
    nights = [
        run
        for run in api.read_flow_runs(flow_run_filter=due, sort=FlowRunSort.EXPECTED_START_TIME_ASC)
        if run.expected_start_time < today
    ]
    assert len(nights) == 3
    for night in (nights[0], nights[2], nights[1]):
        api.set_flow_run_state(night.id, Pending(), force=True)
        run_flow(ingest_pretend_things, flow_run=api.read_flow_run(night.id))
    assert [api.read_flow_run(night.id).state_name for night in nights] == ["Skipped", "Skipped", "Loaded"]
    of_first = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[nights[0].id]))
    (link,) = api.read_artifacts(artifact_filter=of_first)
    assert link.key == "pretend-things--acme"
    assert f"/runs/flow-run/{nights[2].id})" in str(link.data)
    assert lake_truth(lake) == acme.truth()


def test_a_pause_of_hours_puts_the_run_off_and_frees_its_process(
    api: SyncPrefectClient, deployed: Any, acme: ListVendor, lake: LakeClient
) -> None:
    """The same run is due when the vendor says, with its retries untouched; then it goes on."""
    before = datetime.now(UTC)
    acme.on_read = raising(DeferredError("quota used up", reason="THROTTLED", retry_after=7200))
    run = deployed("acme")
    api.set_flow_run_state(run.id, Pending(), force=True)
    with pytest.raises(Pause):
        run_flow(ingest_pretend_things, flow_run=api.read_flow_run(run.id))
    run = api.read_flow_run(run.id)
    assert run.state is not None
    assert (run.state.type, run.state.name) == (StateType.SCHEDULED, "Deferred")
    due = run.state.state_details.scheduled_time
    assert due is not None
    assert timedelta(seconds=7200) <= due - before < timedelta(seconds=7260)
    assert run.empirical_policy.retries == 4
    acme.on_read = lambda slice: None
    api.set_flow_run_state(run.id, Pending(), force=True)
    run_flow(ingest_pretend_things, flow_run=api.read_flow_run(run.id))
    assert api.read_flow_run(run.id).state_name == "Loaded"
    assert lake_truth(lake) == acme.truth()


def test_a_run_that_is_put_off_after_a_retry_is_found_by_workers(
    api: SyncPrefectClient, acme: ListVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prefect marks a run that is tried again in its process, and shows no marked run to a worker."""
    monkeypatch.setattr(tasks.write_incremental, "retries", 0)
    api.create_work_pool(WorkPoolCreate(name="put-off", type="process"))
    deployment = api.create_deployment(
        flow_id=api.create_flow(ingest_pretend_things), name="pooled", work_pool_name="put-off"
    )
    troubles = iter(
        [
            UnavailableError("down", reason="VENDOR_DOWN"),
            DeferredError("quota used up", reason="THROTTLED", retry_after=7200),
        ]
    )

    def fail(slice: Slice) -> None:
        raise next(troubles)

    acme.on_read = fail
    run = api.create_flow_run_from_deployment(deployment, parameters={"tenant_id": "acme"})
    api.set_flow_run_state(run.id, Pending(), force=True)
    with pytest.raises(Pause):
        run_flow(
            ingest_pretend_things.with_options(retry_delay_seconds=0), flow_run=api.read_flow_run(run.id)
        )
    run = api.read_flow_run(run.id)
    assert (run.state_name, run.run_count, run.empirical_policy.retries) == ("Deferred", 2, 4)
    found = api.get_scheduled_flow_runs_for_work_pool(
        "put-off", scheduled_before=datetime.now(UTC) + timedelta(hours=3)
    )
    assert [one.flow_run.id for one in found] == [run.id]


def test_a_run_that_keeps_dying_is_left_to_a_person(
    api: SyncPrefectClient, deployed: Any, acme: ListVendor
) -> None:
    """It is resumed a few times, then it says so instead of dying for ever."""
    run = deployed("acme")
    for _ in range(5):
        for state in (Pending(), Running(), Crashed()):
            api.set_flow_run_state(run.id, state, force=True)
    api.set_flow_run_state(run.id, Pending(), force=True)
    with pytest.raises(ConfigurationError, match="died 5 times"):
        run_flow(ingest_pretend_things, flow_run=api.read_flow_run(run.id))
    # The person mended it, and presses Retry.
    api.set_flow_run_state(run.id, Pending(), force=True)
    run_flow(ingest_pretend_things, flow_run=api.read_flow_run(run.id))
    assert api.read_flow_run(run.id).state_name == "Loaded"


def test_a_run_that_was_cancelled_on_a_machine_that_died_is_not_resumed(
    api: SyncPrefectClient, deployed: Any, acme: ListVendor, lake: LakeClient
) -> None:
    """A person asked for its end; nobody was left to bring it about. One that a person starts again does run."""
    run = deployed("acme")
    for state in (Pending(), Running(), Cancelling(), Crashed(), Scheduled(), Pending()):
        api.set_flow_run_state(run.id, state, force=True)
    with pytest.raises(CancelledRun):
        run_flow(ingest_pretend_things, flow_run=api.read_flow_run(run.id))
    assert api.read_flow_run(run.id).state_type is StateType.CANCELLED
    api.set_flow_run_state(run.id, Pending(), force=True)
    run_flow(ingest_pretend_things, flow_run=api.read_flow_run(run.id))
    assert api.read_flow_run(run.id).state_name == "Loaded"
    assert lake_truth(lake) == acme.truth()


@pytest.mark.parametrize("end", [Completed(name="Loaded"), Failed(message="a person must act"), Cancelled()])
def test_a_run_that_had_ended_and_is_taken_for_lost_ends_as_it_had(
    end: Any, api: SyncPrefectClient, deployed: Any, acme: ListVendor, lake: LakeClient
) -> None:
    """Prefect lets an ended run begin again, and its automations may do that when it lost the event of the end."""
    run = deployed("acme")
    for state in (Pending(), Running(), end, Scheduled(name=RESUMING), Pending()):
        api.set_flow_run_state(run.id, state, force=True)
    with contextlib.suppress(RuntimeError, CancelledRun):
        run_flow(ingest_pretend_things, flow_run=api.read_flow_run(run.id))
    now = api.read_flow_run(run.id)
    assert (now.state_type, now.state_name, now.run_count) == (end.type, end.name, 2)
    with pytest.raises(NotFoundError):
        lake_truth(lake)
    # A person presses Retry.
    api.set_flow_run_state(run.id, Pending(), force=True)
    run_flow(ingest_pretend_things, flow_run=api.read_flow_run(run.id))
    assert api.read_flow_run(run.id).state_name == "Loaded"
    assert lake_truth(lake) == acme.truth()


def test_programs_hear_of_each_slice_and_of_the_end(
    api: SyncPrefectClient, acme: ListVendor, lake: LakeClient
) -> None:
    """Events on the run's own resource, with the receipts."""
    ingest_pretend_things("acme")
    run = newest_run(api)
    chosen = {
        "filter": {"resource": {"id": [f"prefect.flow-run.{run.id}"]}, "event": {"prefix": ["weathervane."]}}
    }
    for attempt in stamina.retry_context(on=AssertionError, attempts=None, timeout=60, wait_max=1):
        with attempt:
            events = api._client.post("/events/filter", json=chosen).json()["events"]
            assert len(events) == 7
    ended = [one for one in events if one["event"] == "weathervane.run.ended"]
    assert [one["payload"]["summary"]["row_count"] for one in ended] == [5]
    slices = [one["payload"] for one in events if one["event"] == "weathervane.slice.committed"]
    assert sum(one["rows_inserted"] for one in slices if one["dataset"] == "pretend_things") == 5
