"""A run that does every tenant's work: who failed is named, and nobody else suffers. The lake's flows show the rest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from prefect import flow, task
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Completed, Pending

from weathervane.flow import (
    EVERY_TENANT,
    FlowError,
    PartsFailedError,
    PrefectUnavailableError,
    Reports,
    Row,
    each_table,
    each_tenant,
    mendable,
    run_name,
)
from weathervane.flow.testing import newest_run

CANARY = "canary-9d1e"


@pytest.fixture
def api(prefect: None) -> Iterator[SyncPrefectClient]:
    """A client of the session's Prefect server."""
    with get_client(sync_client=True) as client:
        yield client


TRIED: list[str] = []


@task(retries=1, retry_condition_fn=mendable, persist_result=False)
def count(tenant: str, number: int) -> list[Row]:
    """Fails for some."""
    TRIED.append(tenant)
    if tenant == "strange":
        raise RuntimeError(CANARY)
    if tenant == "away":
        raise PrefectUnavailableError("it is away", reason="AWAY")
    if tenant == "wrong":
        raise FlowError("it is wrong", reason="WRONG")
    return each_table("counting", tenant, {"orders": lambda: {"state": "counted", "number": number}})


def ended(reports: Reports, size: str) -> State[Reports]:
    """All went well."""
    return Completed(name="Counted", message=size, data=reports)


@flow(flow_run_name=run_name)
def count_all(tenants: list[str], tenant_id: str = EVERY_TENANT) -> Reports:
    """Counts."""
    return each_tenant("counting", tenant_id, count, 3, tenants=lambda: tenants, end=ended, note="Noted.")


def test_who_failed_is_named_and_only_what_passes_is_tried_again(api: SyncPrefectClient) -> None:
    """An error that is not made to be shown is told by its kind alone."""
    TRIED.clear()
    with pytest.raises(PartsFailedError, match=r"^3 of 4 tenants failed: strange: ") as told:
        count_all(["strange", "away", "wrong", "acme"])
    assert TRIED == ["strange", "away", "away", "wrong", "acme"]
    assert "strange: RuntimeError: see the run's log; away: it is away [reason=AWAY]" in str(told.value)
    assert CANARY not in str(told.value)
    run = newest_run(api)
    assert run.name.startswith("every tenant · count-all · ")
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    found = {one.key: one for one in api.read_artifacts(artifact_filter=of_run)}
    summary, bar, tables = (
        f"counting--{key}" for key in ("every-tenant", "every-tenant--progress", "acme--tables")
    )
    assert set(found) == {summary, bar, tables}
    text = str(found[summary].data)
    assert f"- artifact `{tables}`" in text
    assert text.startswith("# counting of every tenant: failed\n\n`3 of 4 tenants failed: ")
    assert "| acme | 1 | 1 counted |" in text
    assert "\nNoted.\n" in text
    assert CANARY not in text
    assert found[bar].data == 100.0


def test_a_run_that_does_all_ends_as_it_says(api: SyncPrefectClient) -> None:
    """For one tenant by its name."""
    assert count_all(["acme"], tenant_id="acme") == {
        "acme": [{"dataset": "orders", "state": "counted", "number": 3}]
    }
    run = newest_run(api)
    assert run.name.startswith("acme · count-all")
    assert run.state is not None
    assert (run.state.name, run.state.message) == ("Counted", "1 tenant, 1 table")


def test_each_table_is_tried_and_a_row_has_every_column(api: SyncPrefectClient) -> None:
    """Those that failed are in one error, which passes if one of them does; one that nobody foresaw is not kept."""

    def wrong() -> Row:
        raise FlowError("it is wrong", reason="WRONG")

    def away() -> Row:
        raise PrefectUnavailableError("it is away", reason="AWAY")

    def strange() -> Row:
        raise RuntimeError(CANARY)

    tables: dict[str, Callable[[], Row | None]] = {
        "a": wrong,
        "b": lambda: {"state": "seen", "rows": 3},
        "c": lambda: None,
    }

    @flow
    def look(more: bool = False) -> None:
        each_table("looking", "acme", {**tables, "d": away} if more else tables)

    with pytest.raises(
        PartsFailedError, match=r"^1 of 3 tables failed: it is wrong \[reason=WRONG\]"
    ) as told:
        look()
    assert not told.value.retriable
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[newest_run(api).id]))
    (shown,) = (one for one in api.read_artifacts(artifact_filter=of_run) if one.type == "table")
    rows = [list(row.values()) for row in json.loads(str(shown.data))]
    assert shown.key == "looking--acme--tables"
    assert rows == [
        ["a", "failed: it is wrong [reason=WRONG]; next: " + FlowError.advice, ""],
        ["b", "seen", 3],
    ]
    with pytest.raises(PartsFailedError, match=r"^2 of 4 tables failed") as told:
        look(more=True)
    assert told.value.retriable
    with pytest.raises(RuntimeError, match=CANARY):
        each_table("looking", "acme", {"e": strange})


def test_a_prefect_that_does_not_answer_is_one_clear_line(api: SyncPrefectClient) -> None:
    """Before anything was done, without its address, which may hold a password."""
    TRIED.clear()

    @flow
    def looks() -> Any:
        context = FlowRunContext.get()
        assert context is not None

        def elsewhere() -> Any:  # a thread of its own: here Prefect has its client already
            settings: Any = {
                PREFECT_API_URL: f"http://user:{CANARY}@127.0.0.1:9/api",
                PREFECT_CLIENT_MAX_RETRIES: 0,
            }
            with temporary_settings(settings), context.model_copy():
                return each_tenant("counting", "acme", count, 3, tenants=lambda: ["acme"], end=ended)

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(elsewhere).result()

    deployment = api.create_deployment(flow_id=api.create_flow(looks), name="looks")
    run = api.create_flow_run_from_deployment(deployment)
    api.set_flow_run_state(run.id, Pending(), force=True)
    with pytest.raises(PrefectUnavailableError) as told:
        run_flow(looks, flow_run=api.read_flow_run(run.id))
    assert "does not answer (ConnectError) [reason=PREFECT_API]" in str(told.value)
    state = api.read_flow_run(run.id).state
    assert state is not None
    assert str(state.message).startswith(
        "nothing was done yet: the Prefect server at http://127.0.0.1:9/api "
    )
    assert TRIED == []
    assert CANARY not in str(told.value) + str(state.message)
