"""The promises that every source keeps, each with the check that it does. They need a Prefect server.

A source's `tests/test_conformance.py` is, with its fixtures in `conftest.py`::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_the_source_keeps_the_promise(check, source_under_test, prefect, tmp_path):
        with staged(source_under_test, tmp_path / "lake") as stage:
            check(stage)
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from prefect import Flow
from prefect.client.orchestration import get_client

from weathervane.flow.testing import newest_run
from weathervane.lake import TableRef, decode_schema
from weathervane.rpc import ServerSettings, running_server
from weathervane.source._errors import ConfigurationError, CredentialsError, SourceError
from weathervane.source._progress import Progress, listening
from weathervane.source._run.set_aside import MAX_SET_ASIDE
from weathervane.source._serve.servicer import DOMAIN, source_service
from weathervane.source.testing._stage import Stage
from weathervane.source.testing._unfit import (
    an_unfit_value_of_any_column_costs_its_row_alone,
    rows_that_hardly_fit_are_no_load,
)
from weathervane.source.testing._vendor import Fault
from weathervane.source.v1 import source_pb2 as pb
from weathervane.source.v1 import source_pb2_grpc as pb_grpc

__all__ = ["CHECKS", "Check"]

Check = Callable[[Stage], None]


class _Killed(BaseException):
    """Ends a run where it stands, as a kill does: no handler for errors sees it."""


def a_flow_is_what_the_schedule_expects(stage: Stage) -> None:
    """A Prefect flow of its own name, with three retries a minute apart, that takes a tenant and two days."""
    for one in stage.source.definition.flows:
        flow: Any = one.flow
        assert isinstance(flow, Flow), f"{one.name} is no Prefect flow"
        assert (flow.name, flow.retries, flow.retry_delay_seconds) == (one.name, 3, 60)
        # What a source adds (Meta's `level`) comes after these, and has a default.
        assert list(flow.parameters.properties)[:3] == ["tenant_id", "start_date", "end_date"]
        assert flow.parameters.required == ["tenant_id"]


def a_first_run_loads_all_that_the_vendor_has(stage: Stage) -> None:
    """Every table is made and holds the vendor's rows, each once; the summary counts them and shows no secret."""
    definition = stage.source.definition
    for name, summary in stage.run_all("acme").items():
        flow = definition.flow(name)
        assert flow is not None
        assert list(summary.metadata["datasets"]) == [dataset.name for dataset in flow.datasets]
        assert (summary.source, summary.metadata["state"]) == (definition.name, "loaded")
        assert summary.row_count == summary.metadata["new_rows"] == summary.metadata["total_rows"]
        assert summary.metadata["checkpoint"], f"{name} moved no checkpoint"
    stage.assert_true("acme")
    for dataset in definition.datasets:
        table = stage.lake.describe(TableRef("acme", dataset.name))
        assert table.schema.equals(dataset.schema), f"{dataset.name}: {table.schema} is not what is declared"
        assert table.unique_keys == dataset.unique_keys
    with get_client(sync_client=True) as api:
        stage.assert_secret(*(json.dumps(run.parameters) for run in api.read_flow_runs(limit=200)))


def a_second_run_changes_nothing(stage: Stage) -> None:
    """With an unchanged vendor all that is read again is unchanged, and no data file is written."""
    stage.run_all("acme")
    before = stage.state("acme")
    for name, summary in stage.run_all("acme").items():
        for dataset, counts in summary.metadata["datasets"].items():
            changed = (counts.rows_inserted, counts.rows_updated, counts.rows_deleted)
            assert not any(changed), (
                f"{name}: {dataset} has (new, updated, removed) {changed} on an unchanged vendor"
            )
    assert stage.state("acme") == before
    stage.assert_true("acme")


def a_change_upstream_arrives(stage: Stage) -> None:
    """The next run brings what was changed and added, and no more than that."""
    stage.run_all("acme")
    stage.vendor.change()
    for name, summary in stage.run_all("acme").items():
        assert summary.row_count, f"{name} brought nothing"
        assert summary.row_count < summary.metadata["total_rows"], f"{name} read everything anew"
    stage.assert_true("acme")


def a_run_killed_between_two_commits_is_made_good_by_the_next(stage: Stage) -> None:
    """Killed anywhere in its first slice or before its last commit, the next run ends with an undisturbed one's lake.

    The slices between are like the first: the kit's own tests kill a run after every commit.
    """
    for flow in stage.source.definition.flows:
        commits = _commits(stage, flow, stage.enter(f"whole_{flow.name}"[:63]))
        assert commits, f"{flow.name} told of no commit"
        for stop in sorted({*range(1, len(flow.datasets) + 2), commits - 1} & {*range(1, commits)}):
            tenant = stage.enter(f"killed_{stop}_{flow.name}"[:63])
            assert _commits(stage, flow, tenant, stop) == stop
            stage.run(flow, tenant)
            stage.assert_true(tenant, flow.datasets)


def a_throttled_call_is_made_again(stage: Stage) -> None:
    """The vendor's wish to be left alone for a while costs time, no rows and no second copy."""
    stage.vendor.break_down(Fault.THROTTLED)
    stage.run_all("acme")
    stage.assert_true("acme")


def a_read_that_is_not_whole_commits_nothing(stage: Stage) -> None:
    """An answer with less than it should hold fails the run: rows, tables and checkpoints stay as they were."""
    stage.run_all("acme")
    before = stage.state("acme")
    stage.vendor.change()
    stage.vendor.break_down(Fault.INCOMPLETE)
    for flow in stage.source.definition.flows:
        with pytest.raises(SourceError, match="tenant=acme") as caught:
            stage.run(flow, "acme")
        assert caught.value.retriable, f"{caught.value!r} would not be tried again"
    assert stage.state("acme") == before
    stage.vendor.mend()
    stage.run_all("acme")
    stage.assert_true("acme")


def refused_credentials_are_said_in_one_line(stage: Stage) -> None:
    """Whose they are and what to do, no secret; and the flow does not try again what only a person can mend."""
    stage.vendor.break_down(Fault.REFUSED)
    for flow in stage.source.definition.flows:
        with pytest.raises(CredentialsError, match="tenant=acme") as caught:
            stage.run(flow, "acme", retries=3)
        assert not caught.value.retriable
        with get_client(sync_client=True) as api:
            run = newest_run(api)
        assert run.run_count == 1, (
            f"{flow.name} was tried {run.run_count} times: let its body end with `run_for_tenant`"
        )
        assert "\n" not in str(caught.value)
        stage.assert_secret(str(caught.value), repr(caught.value))
    assert stage.state("acme") == {}
    stage.vendor.mend()
    stage.run_all("acme")
    stage.assert_true("acme")


def an_unknown_tenant_is_said_in_one_line(stage: Stage) -> None:
    """Which variables or which block to give, without asking the vendor."""
    for flow in stage.source.definition.flows:
        with pytest.raises(ConfigurationError, match=r"WEATHERVANE_.+__NOBODY__.*tenant=nobody") as caught:
            stage.run(flow, "nobody")
        assert "\n" not in str(caught.value)
        with pytest.raises(ConfigurationError, match="tenant's name"):
            stage.run(flow, "../acme")


def days_that_nobody_can_read_are_refused_in_one_line(stage: Stage) -> None:
    """Before the vendor is asked for rows; an end behind the checkpoint too, without a start to read days again."""
    nonsense: tuple[dict[str, Any], ...] = (
        {"start_date": "2099-01-01"},
        {"end_date": "9999-12-31"},
        {"start_date": "1970-01-01"},
        {"start_date": "2026-W01-1"},
        {"start_date": "20261101"},
        {"start_date": datetime(2026, 11, 1, tzinfo=UTC)},
        {"start_date": "2026-11-02", "end_date": "2026-11-01"},
    )
    stage.run_all("acme")
    before = stage.state("acme")
    for one in stage.source.definition.flows:
        flow: Any = one.flow
        for days in (*nonsense, {"end_date": "2001-01-01"}):
            with pytest.raises(ConfigurationError) as caught:
                flow.fn(tenant_id="acme", **days)
            assert caught.value.reason == "BAD_DATE", f"{one.name} with {days}: {caught.value}"
    assert stage.state("acme") == before


def a_row_that_does_not_fit_is_set_aside(stage: Stage) -> None:
    """It is kept whole beside its table and counted; the rows beside it land."""
    aside = stage.vendor.spoil()
    assert aside, "the sandbox spoilt nothing, so this proves nothing"
    counted = {}
    for summary in stage.run_all("acme").values():
        for dataset, counts in summary.metadata["datasets"].items():
            counted[dataset] = counts.rows_quarantined
            assert counts.rows_received > counts.rows_quarantined
    for dataset, rows in aside.items():
        assert counted[dataset] == rows
        kept = stage.lake.read(TableRef("acme", f"{dataset}_quarantine")).read_all()
        assert kept.num_rows == rows
        assert all(json.loads(record) for record in kept["record"].to_pylist()), "a record is not whole"


def a_row_that_no_longer_fits_stays(stage: Stage) -> None:
    """Where the vendor's newer version of it is read again, what the lake has is kept: it has not vanished."""
    stage.run_all("acme")
    before = {one.name: set(stage.rows(one, "acme")) for one in stage.source.definition.datasets}
    # The second run reads a few rows, and those that were spoilt may be the most of them.
    os.environ[MAX_SET_ASIDE] = "1"
    assert stage.vendor.spoil(), "the sandbox spoilt nothing, so this proves nothing"
    stage.run_all("acme")
    for dataset in stage.source.definition.datasets:
        gone = sorted(before[dataset.name] - set(stage.rows(dataset, "acme")))
        assert not gone, f"{dataset.name} lost {len(gone)} rows that no longer fit, e.g. {gone[0]}"


def the_service_describes_checks_and_runs(stage: Stage) -> None:
    """Over gRPC: what the source has, whether the tenant can be read, and a run from its start to its result."""
    definition = stage.source.definition
    service = source_service(definition)
    with (
        running_server([service], ServerSettings(grace_seconds=2), domain=DOMAIN) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        stub = pb_grpc.SourceServiceStub(channel)
        described = stub.DescribeSource(pb.DescribeSourceRequest(), timeout=30)
        assert (described.source, described.api_version) == (definition.name, definition.api_version)
        schemas = {one.name: decode_schema(one.arrow_schema) for one in described.datasets}
        assert schemas == {dataset.name: dataset.schema for dataset in definition.datasets}
        check = stub.CheckTenant(pb.CheckTenantRequest(tenant="acme"), timeout=60)
        assert check.ok, check.findings
        for flow in definition.flows:
            request = pb.StartIngestRequest(tenant="acme", flow=flow.name, request_id=f"check-{flow.name}")
            started = stub.StartIngest(request, timeout=30)
            events = list(stub.WatchIngest(pb.WatchIngestRequest(run_id=started.run_id), timeout=120))
            assert events[-1].state == pb.RUN_STATE_LOADED, events[-1].message
            assert {event.slice.dataset for event in events} >= {dataset.name for dataset in flow.datasets}
            assert events[-1].result.total_rows == len(stage.rows(flow.datasets[0], "acme"))
        stage.assert_true("acme")
        stage.vendor.break_down(Fault.REFUSED)
        refused = stub.CheckTenant(pb.CheckTenantRequest(tenant="acme"), timeout=60)
        assert not refused.ok
        stage.assert_secret(*(finding.message for finding in refused.findings))


def _commits(stage: Stage, flow: Any, tenant: str, stop: int | None = None) -> int:
    """Runs a flow, kills it right after its n-th commit if so asked, and counts its commits."""
    commits: list[Progress] = []

    def heard(progress: Progress) -> None:
        commits.append(progress)
        if len(commits) == stop:
            raise _Killed

    with listening(heard), contextlib.suppress(_Killed):
        stage.run(flow, tenant)
    return len(commits)


CHECKS: tuple[Check, ...] = (
    a_flow_is_what_the_schedule_expects,
    a_first_run_loads_all_that_the_vendor_has,
    a_second_run_changes_nothing,
    a_change_upstream_arrives,
    a_run_killed_between_two_commits_is_made_good_by_the_next,
    a_throttled_call_is_made_again,
    a_read_that_is_not_whole_commits_nothing,
    refused_credentials_are_said_in_one_line,
    an_unknown_tenant_is_said_in_one_line,
    days_that_nobody_can_read_are_refused_in_one_line,
    a_row_that_does_not_fit_is_set_aside,
    a_row_that_no_longer_fits_stays,
    an_unfit_value_of_any_column_costs_its_row_alone,
    rows_that_hardly_fit_are_no_load,
    the_service_describes_checks_and_runs,
)
"""All of them, in an order in which the first failure says most."""
