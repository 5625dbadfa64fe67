"""The four tasks and the flow around them, in a real Prefect."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
import stamina
from prefect import Task, flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.runtime import flow_run
from prefect.states import Scheduled

from weathervane.flow.testing import newest_run
from weathervane.lake import BusyError, LakeClient, LakeError, RejectedError, TableRef
from weathervane.source._errors import (
    CredentialsError,
    DeferredError,
    IncompleteError,
    InternalError,
    SourceError,
    UnavailableError,
)
from weathervane.source._progress import Progress, listening
from weathervane.source._run import tasks
from weathervane.source._run.slices import Slice
from weathervane.source._run.summary import IngestionSummary

from .pretend_flows import ingest_pretend_things
from .pretend_source import CANARY, ListReader, ListVendor, lake_truth


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries as many as declared, without their waits."""
    monkeypatch.setattr(tasks.write_incremental, "retry_delay_seconds", 0)


def task_runs(api: SyncPrefectClient, run_id: str, at_least: int) -> Counter[str]:
    """How often each task ran in a flow run; Prefect shows them a little later, so it is asked until they are there."""
    chosen = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(run_id)]))
    for attempt in stamina.retry_context(on=AssertionError, attempts=None, timeout=60, wait_max=1):
        with attempt:
            found = Counter(
                run.task_key.split(".")[-1].split("-")[0]
                for run in api.read_task_runs(flow_run_filter=chosen)
            )
            assert found.total() >= at_least
    return found


@pytest.mark.parametrize(
    ("name", "retries"),
    [("build_key", 0), ("merge_incremental", 0), ("write_records", 3), ("write_incremental", 3)],
)
def test_the_tasks_are_what_the_mission_names(name: str, retries: int) -> None:
    """Four Prefect tasks; those that write are tried three more times, half a minute apart."""
    task: Any = getattr(tasks, name)
    assert isinstance(task, Task)
    assert (task.name, task.retries) == (name, retries)
    delay: Any = task.retry_delay_seconds
    assert delay == (30 if retries else 0)
    assert not task.persist_result


def test_a_flow_returns_its_summary(prefect: None, acme: ListVendor, lake: LakeClient) -> None:
    """The rows are in the lake, and the news reaches who listens, through Prefect's tasks."""
    heard: list[Progress] = []
    with listening(heard.append):
        summary = ingest_pretend_things("acme")
    assert isinstance(summary, IngestionSummary)
    assert (summary.row_count, summary.metadata["state"]) == (5, "loaded")
    assert lake_truth(lake) == acme.truth()
    assert len(heard) == 6


def test_a_hundred_thousand_rows_are_a_few_task_runs(prefect: None, lake: LakeClient) -> None:
    """A task a slice: the number of rows does not matter to Prefect."""
    vendor = ListVendor()
    for number in range(100_000):
        vendor.put(str(number), number, parts=())
    ran: list[str] = []

    @flow
    def ingest_many() -> IngestionSummary:
        ran.append(str(flow_run.get_id()))
        return tasks.ingest("acme", ListReader(vendor, size=25_000))

    summary = ingest_many()
    assert summary.row_count == 100_000
    with get_client(sync_client=True) as api:
        found = task_runs(api, ran[0], at_least=4)
    assert found == {"write_incremental": 4}


@pytest.mark.usefixtures("prefect", "at_once")
def test_many_slices_are_not_many_task_runs(lake: LakeClient) -> None:
    """Each task run takes more of them; one that is tried again writes only those that are left, and all are told."""
    vendor = ListVendor()
    for number in range(30):
        vendor.put(f"{number:02}", number, parts=())
    read: list[str] = []

    def fails_once(slice: Slice) -> None:
        read.append(slice.name)
        if len(read) == 13:
            raise UnavailableError("down", reason="VENDOR_DOWN")

    vendor.on_read = fails_once
    ran: list[str] = []

    @flow
    def ingest_many() -> IngestionSummary:
        ran.append(str(flow_run.get_id()))
        return tasks.ingest("acme", ListReader(vendor, size=1))

    summary = ingest_many()
    assert (summary.row_count, summary.metadata["slices"]) == (30, 30)
    repeated = [name for name, times in Counter(read).items() if times > 1]
    assert repeated == [read[12]]
    with get_client(sync_client=True) as api:
        assert task_runs(api, ran[0], at_least=12) == {"write_incremental": 12}
        chosen = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(ran[0])]))
        names = {run.name for run in api.read_task_runs(flow_run_filter=chosen)}
        artifacts = api.read_artifacts(flow_run_filter=chosen)
    assert f"acme/pretend_things · {read[0]}" in names
    assert any(name.endswith("and up to 15 more") for name in names)
    (receipts,) = (str(one.data) for one in artifacts if one.key == "pretend-things--acme--slices")
    assert len(json.loads(receipts)) == 2 * 30


def test_parameters_and_states_hold_no_secret(
    prefect: None, acme: ListVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Prefect stores of a run that failed by its credentials is the tenant's name and one clear line."""
    acme.token = "another"
    with get_client(sync_client=True) as api:
        # Other tests leave runs that are due and never begin.
        due = api.create_flow_run(
            ingest_pretend_things, state=Scheduled(scheduled_time=datetime.now(UTC) + timedelta(days=1))
        )
        with pytest.raises(CredentialsError, match="tenant=acme"):
            ingest_pretend_things.with_options(retry_delay_seconds=0)("acme")
        run = newest_run(api)
        stored = run.model_dump_json() + json.dumps([log.message for log in api.read_logs(limit=200)])
        api.delete_flow_run(due.id)
    assert run.parameters == {"tenant_id": "acme", "start_date": None, "end_date": None}
    assert "the vendor refuses the token" in stored
    assert CANARY not in stored


FATAL = CredentialsError("refused", reason="TOKEN_REFUSED")


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (FATAL, 1),
        (DeferredError("come back in an hour", reason="THROTTLED", retry_after=3600), 1),
        (RejectedError("no such column"), 1),
        (UnavailableError("down", reason="VENDOR_DOWN"), 4),
        (IncompleteError("half of it", reason="COUNT_DIFFERS"), 4),
        (BusyError("draining"), 4),
        (ZeroDivisionError("nobody foresaw it"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_only_what_can_be_mended_is_tried_again(
    error: Exception, attempts: int, prefect: None, acme: ListVendor, at_once: None
) -> None:
    """The error itself says whether the same call may succeed; of one that nobody foresaw the flow tries again."""
    seen: list[Slice] = []

    def fail(slice: Slice) -> None:
        seen.append(slice)
        raise error

    acme.on_read = fail
    foreseen = isinstance(error, SourceError | LakeError)
    told = str(error.args[0]) if foreseen else "internal error: ZeroDivisionError"
    with pytest.raises(type(error) if foreseen else InternalError, match=told):
        ingest_pretend_things.with_options(retries=0)("acme")
    assert len(seen) == attempts


def test_a_retry_makes_the_slice_good(
    prefect: None, acme: ListVendor, lake: LakeClient, at_once: None
) -> None:
    """A vendor that was down for a moment costs nothing but time."""
    failures = iter([True, True])

    def fail(slice: Slice) -> None:
        if next(failures, False):
            raise UnavailableError("down", reason="VENDOR_DOWN")

    acme.on_read = fail
    heard: list[Progress] = []
    with listening(heard.append):
        assert ingest_pretend_things.with_options(retries=0)("acme").row_count == 5
    assert lake_truth(lake) == acme.truth()
    assert [one.message for one in heard if "down" in one.message] == [
        f"down; the slice is read again in 30 s, attempt {number} of 4" for number in (2, 3)
    ]


def test_records_without_keys_land_once(prefect: None, lake: LakeClient) -> None:
    """`write_records` appends, and its write id makes a repeat harmless."""
    batch = pa.record_batch({"text": ["a", "a"]})
    table = TableRef("acme", "notes")

    @flow
    def appending() -> list[bool]:
        return [
            tasks.write_records(lake, table, [batch], batch.schema, write_id).repeat
            for write_id in ("one", "one", "two")
        ]

    assert appending() == [False, True, False]
    assert lake.read(table).read_all().num_rows == 4


def test_keys_are_built_for_a_whole_batch() -> None:
    """One text per row that names it, null parts too; two rows share it only if all parts are the same."""
    batch = pa.record_batch({"a": ["x", "x", None], "b": pa.array([1, 12, 2])})
    assert tasks.build_key.fn(batch, ("a", "b")).to_pylist() == ['["x","1"]', '["x","12"]', '[null,"2"]']


def test_the_lake_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or on this machine, on the lake writer's own port."""
    monkeypatch.setenv("WEATHERVANE_LAKE_ADDRESS", "lake:1")
    assert tasks.lake_address() == "lake:1"
    monkeypatch.delenv("WEATHERVANE_LAKE_ADDRESS")
    assert tasks.lake_address() == "127.0.0.1:50051"
