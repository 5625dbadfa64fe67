"""The lake's own flows, with a real Prefect server and a real lake: what they do to
every tenant, and what they report.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
)
from prefect.client.schemas.objects import Artifact, FlowRun, StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ParameterTypeError
from prefect.flow_engine import run_flow
from prefect.states import Pending

from weathervane.flow import PartsFailedError
from weathervane.flow.testing import newest_run
from weathervane.lake import QUARANTINE_SCHEMA, LakeClient, TableRef, WriteMode, WriteSpec
from weathervane.lake.flows import check_freshness, compact_lake, freshness, tenants, upkeep, vacuum_lake
from weathervane.lake.testing import running_lake

from .test_vacuum import added, made
from .writer_process import SCHEMA, batch


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes tasks retry without a delay."""
    for task in (
        tenants._tenants,
        upkeep.compact_tenant,
        upkeep.vacuum_tenant,
        freshness.check_tenant,
    ):
        monkeypatch.setattr(task, "retry_delay_seconds", 0)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LakeClient]:
    """A lake with two tenants, at the flows' address: events in three files, orders, and one row set aside."""
    with running_lake(tmp_path / "lake") as client:
        monkeypatch.setenv("WEATHERVANE_LAKE_ADDRESS", client.target)
        for tenant in ("acme", "blue_sky"):
            write(client, tenant)
        yield client


@pytest.fixture
def api(prefect: None) -> Iterator[SyncPrefectClient]:
    """A client of the session's Prefect server."""
    with get_client(sync_client=True) as client:
        yield client


def write(lake: LakeClient, tenant: str) -> None:
    """Writes three appends, and an upsert with a row that did not fit."""
    aside = reject("9", "total", "x", "is no number", "{}")
    for number in range(3):
        spec = WriteSpec(TableRef(tenant, "events"), f"e{number}", WriteMode.APPEND, SCHEMA)
        lake.write(spec, [batch([[number, number]])])
    spec = WriteSpec(TableRef(tenant, "orders"), "o1", WriteMode.UPSERT, SCHEMA, ("id",))
    lake.write(spec, [batch([[1, 1], [2, 2]])], quarantined=[aside], checkpoint="c-1")


def reject(*values: str) -> pa.RecordBatch:
    """One row that was set aside."""
    return pa.record_batch([[value] for value in values], schema=QUARANTINE_SCHEMA)


def ended(api: SyncPrefectClient) -> tuple[StateType, str | None, str]:
    """Type, name and message of the state in which the newest run ended."""
    state = newest_run(api).state
    assert state is not None
    return state.type, state.name, state.message or ""


def artifacts(api: SyncPrefectClient, run: FlowRun) -> dict[str, Artifact]:
    """A run's artifacts by key."""
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    found = api.read_artifacts(artifact_filter=of_run)
    assert len({one.key for one in found}) == len(found), "something was shown twice"
    return {str(one.key): one for one in found}


def tables(api: SyncPrefectClient, run: FlowRun) -> dict[str, dict[str, Any]]:
    """The rows of a run's table artifacts, by key and dataset."""
    return {
        key: {row["dataset"]: row for row in json.loads(str(one.data))}
        for key, one in artifacts(api, run).items()
        if one.type == "table"
    }


def summary(api: SyncPrefectClient, key: str) -> str:
    """The newest run's summary in Markdown."""
    found = artifacts(api, newest_run(api))[key]
    assert found.type == "markdown"
    return str(found.data)


def damage(folder: Path, tenant: str, dataset: str) -> None:
    """Empties a table's newest commit file."""
    newest = max((folder / "lake" / tenant / dataset / "_delta_log").glob("*.json"))
    newest.write_text("")


def test_every_table_of_every_tenant_is_compacted(api: SyncPrefectClient, lake: LakeClient) -> None:
    """One task run and one artifact for each tenant, and a state message with the result."""
    reports = compact_lake()
    assert set(reports) == {"acme", "blue_sky"}
    assert ended(api) == (
        StateType.COMPLETED,
        "Compacted",
        "2 tenants, 6 tables: 10 files before, 6 after",
    )
    run = newest_run(api)
    assert run.name.startswith("every tenant · compact lake · 20")
    found = tables(api, run)
    assert set(found) == {"compaction--acme--tables", "compaction--blue-sky--tables"}
    assert set(found["compaction--acme--tables"]) == {"events", "orders", "orders_quarantine"}
    events = found["compaction--acme--tables"]["events"]
    assert (events["files before"], events["files after"], events["state"]) == (3, 1, "compacted")
    assert found["compaction--acme--tables"]["orders"]["state"] == "compact already"
    assert lake.describe(TableRef("blue_sky", "events")).file_count == 1
    bar = artifacts(api, run)["compaction--every-tenant--progress"]
    assert (bar.type, bar.data) == ("progress", 100.0)
    text = summary(api, "compaction--every-tenant")
    assert text.startswith(
        "# compaction of every tenant: compacted\n\n`2 tenants, 6 tables: 10 files before, 6 after`"
    )
    assert "| acme | 3 | 1 compacted, 2 compact already |" in text
    assert f"/runs/flow-run/{run.id})" in text


def test_one_tenants_failure_is_named_and_stops_no_other(
    api: SyncPrefectClient, lake: LakeClient, tmp_path: Path
) -> None:
    """Nor does it stop the tenant's other tables; what no retry can mend is tried once."""
    damage(tmp_path, "acme", "events")
    with pytest.raises(
        PartsFailedError, match="1 of 2 tenants failed: acme: 1 of 3 tables failed: acme/events"
    ):
        compact_lake()
    kind, name, line = ended(api)
    assert (kind, name) == (StateType.FAILED, "Failed")
    assert "is empty; restore _delta_log" in line
    assert "\n" not in line
    found = tables(api, newest_run(api))
    assert found["compaction--acme--tables"]["events"]["state"].startswith("failed: acme/events: ")
    assert found["compaction--acme--tables"]["orders"]["state"] == "compact already"
    assert found["compaction--blue-sky--tables"]["events"]["state"] == "compacted"
    assert len(found) == 2
    text = summary(api, "compaction--every-tenant")
    assert text.startswith("# compaction of every tenant: failed\n\n`1 of 2 tenants failed: acme: ")
    assert "| acme | | failed: `1 of 3 tables failed: acme/events: " in text
    assert "| blue_sky | 3 | 1 compacted, 2 compact already |" in text


def test_a_vacuum_counts_first_and_deletes_then(
    api: SyncPrefectClient, lake: LakeClient, tmp_path: Path
) -> None:
    """For one tenant, while the other's files stay. A retention that the lake refuses is reported in one line."""
    spec = WriteSpec(TableRef("acme", "orders"), "o2", WriteMode.UPSERT, SCHEMA, ("id",))
    lake.write(spec, [batch([[1, 7]])])
    folder = tmp_path / "lake" / "acme" / "orders"
    for version, days in ((0, 30), (1, 20), (2, 10)):
        made(folder, version, days)
    old = added(folder, 1)
    vacuum_lake("acme", dry_run=True)
    assert ended(api)[1:] == (
        "Counted",
        f"1 tenant, 3 tables: 1 file of {old.stat().st_size:,} bytes would be deleted",
    )
    assert old.exists()
    vacuum_lake("acme")
    assert ended(api)[:2] == (StateType.COMPLETED, "Vacuumed")
    assert not old.exists()
    found = tables(api, newest_run(api))
    assert set(found) == {"vacuum--acme--tables"}
    assert found["vacuum--acme--tables"]["orders"]["versions"] == "2 to 2"
    with pytest.raises(PartsFailedError, match="retention_hours 24 is not 168 to"):
        vacuum_lake("acme", retention_hours=24)
    with pytest.raises(ParameterTypeError, match="retention_hours"):
        vacuum_lake("acme", retention_hours=0)


def test_fresh_tables_are_fresh(api: SyncPrefectClient, lake: LakeClient) -> None:
    """One row for each dataset, with the number of rows set aside; never a value of a row."""
    assert set(check_freshness()) == {"acme", "blue_sky"}
    assert ended(api) == (
        StateType.COMPLETED,
        "Fresh",
        "2 tenants, 4 tables, all of them written lately",
    )
    found = tables(api, newest_run(api))
    assert set(found) == {"freshness--acme--tables", "freshness--blue-sky--tables"}
    row = found["freshness--acme--tables"]["orders"]
    assert (row["rows"], row["set aside"], row["checkpoint"], row["version"]) == (2, 1, "c-1", 1)
    assert (row["state"], row["allowed (h)"]) == ("fresh", 26)
    assert row["age (h)"] < 1
    assert row["last write"].endswith(" UTC")
    assert set(found["freshness--acme--tables"]) == {"events", "orders"}
    assert "is no number" not in json.dumps(found)


def test_a_stale_table_is_named_in_the_line_that_an_automation_sees(
    api: SyncPrefectClient, lake: LakeClient
) -> None:
    """By the dataset's own allowance, if it has one. Compaction does not make a table fresh."""
    compact_lake("acme")
    with pytest.raises(PartsFailedError, match="1 of 2 tables are stale: acme/events"):
        check_freshness("acme", max_age_hours_by_dataset={"events": 1e-9})
    kind, name, line = ended(api)
    assert (kind, name) == (StateType.FAILED, "Stale")
    assert line == "1 of 2 tables are stale: acme/events (0.0 h, allowed 1e-09 h)"
    states = {
        dataset: row["state"]
        for dataset, row in tables(api, newest_run(api))["freshness--acme--tables"].items()
    }
    assert states == {"events": "stale", "orders": "fresh"}
    reports = check_freshness(
        "acme", max_age_hours=1e-9, max_age_hours_by_dataset={"events": None, "orders": 1}
    )
    assert {row["dataset"]: row["state"] for row in reports["acme"]} == {
        "events": "not watched",
        "orders": "fresh",
    }
    with pytest.raises(PartsFailedError, match="4 of 4 tables are stale"):
        check_freshness(max_age_hours=1e-9)


@pytest.mark.parametrize(
    ("tenant", "line"),
    [
        ("nobody", "1 of 1 tenants failed: nobody: nobody: the lake has no table of this tenant"),
        ("../acme", "tenant '../acme' is not a name: use 1-63 characters"),
    ],
)
def test_a_tenant_that_is_none_is_one_clear_line(
    api: SyncPrefectClient, lake: LakeClient, tenant: str, line: str
) -> None:
    """An invalid tenant id is reported in one line."""
    for one in (compact_lake, vacuum_lake, check_freshness):
        with pytest.raises(PartsFailedError):
            one(tenant)
        assert ended(api)[0] is StateType.FAILED
        assert ended(api)[2].startswith(line)


def test_an_empty_lake_has_nothing_to_do(
    api: SyncPrefectClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder without a table is not a tenant yet."""
    (tmp_path / "acme" / "orders").mkdir(parents=True)
    with running_lake(tmp_path) as client:
        monkeypatch.setenv("WEATHERVANE_LAKE_ADDRESS", client.target)
        for flow in (compact_lake, vacuum_lake, check_freshness):
            assert flow() == {}
            assert ended(api)[0] is StateType.COMPLETED


def test_a_lake_that_is_not_there_is_said(api: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the retries, in one line that says what to check."""
    monkeypatch.setenv("WEATHERVANE_LAKE_ADDRESS", "127.0.0.1:1")
    with pytest.raises(Exception, match="is it running there"):
        compact_lake()
    assert ended(api)[0] is StateType.FAILED
    assert ended(api)[2].startswith("the lake writer did not answer (UNAVAILABLE")


def test_a_run_ends_what_is_dead_of_its_deployment(
    api: SyncPrefectClient, lake: LakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does the work of the dead run, so that run is not resumed."""
    monkeypatch.setenv("WEATHERVANE_DEAD_AFTER_PENDING", "PT0.001S")
    deployment = api.create_deployment(flow_id=api.create_flow(compact_lake), name="nightly")
    dead, looks = (api.create_flow_run_from_deployment(deployment) for _ in range(2))
    api.set_flow_run_state(dead.id, Pending(), force=True)
    api.set_flow_run_state(looks.id, Pending(), force=True)
    run_flow(compact_lake, flow_run=api.read_flow_run(looks.id))
    assert [api.read_flow_run(one.id).state_name for one in (dead, looks)] == ["Crashed", "Compacted"]


def test_after_a_downtime_one_run_does_the_work_of_all(api: SyncPrefectClient, lake: LakeClient) -> None:
    """Of three hourly runs that are due, two are skipped."""
    deployment = api.create_deployment(
        flow_id=api.create_flow(check_freshness),
        name="hourly",
        schedules=[DeploymentScheduleCreate(schedule=CronSchedule(cron="0 * * * *", timezone="UTC"))],
    )
    now = datetime.now(UTC)
    span = {"start_time": (now - timedelta(hours=3)).isoformat(), "end_time": now.isoformat()}
    assert api._client.post(f"/deployments/{deployment}/schedule", json=span).is_success
    of_deployment = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment]))
    runs = api.read_flow_runs(flow_run_filter=of_deployment, sort=FlowRunSort.EXPECTED_START_TIME_ASC)
    due = [run for run in runs if run.expected_start_time and run.expected_start_time < now]
    assert len(due) == 3
    for run in (due[0], due[2], due[1]):
        api.set_flow_run_state(run.id, Pending(), force=True)
        run_flow(check_freshness, flow_run=api.read_flow_run(run.id))
    assert [api.read_flow_run(run.id).state_name for run in due] == ["Skipped", "Skipped", "Fresh"]
    (shown,) = artifacts(api, due[0]).values()
    assert (shown.type, shown.key) == ("markdown", "freshness--every-tenant")
    assert f"`{due[2].name} is due as well and does it all`" in str(shown.data)
