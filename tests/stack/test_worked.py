"""All packages' deployments on a real server, run by a real worker the way their schedules run them, against pretend
vendors: how each run ends, what it leaves, and what it never shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from control import post
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolUpdate
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling, Scheduled
from vendors import TENANTS, VENDORS, Pretend

from weathervane.klaviyo import KlaviyoCredentialsBlock
from weathervane.lake import TableRef

from .running import ENDED, Deployed, Hold, control_of, deployed, patiently

ORDERS = "ingest_shopify_orders/shopify-orders-ingestion"
KLAVIYO = "ingest_klaviyo_campaigns/klaviyo-campaigns-ingestion"
META = "ingest_meta_ads/meta-ads-ingestion"
NIGHTS = {
    "ingest_google_ads/google-ads-ingestion": 1,
    KLAVIYO: 1,
    META: 1,
    # The worker was away for three nights.
    ORDERS: 3,
    # Once a week.
    "ingest_shopify_products/shopify-products-ingestion": 7,
}
"""Deployments, and of how many days their runs are due."""
PAUSE = 7_200
"""Seconds for which Klaviyo's reports of one tenant are throttled."""
WRONG = "EAAcanary0000wrong"
"""The token of a tenant whom Meta does not know."""
SECRETS = ("demo-secret", "EAAdemoacme", "EAAdemoumijapan", "1//demo", "pk_demo", WRONG, "shpat_", "ya29.")
"""Every tenant's, and how those begin that the vendors hand out for them."""


@dataclass
class Morning:
    """What there is after the worker has done what was due."""

    deployed: Deployed
    vendors: dict[str, Pretend]
    """By source."""
    began: datetime
    due: dict[str, list[FlowRun]]
    """By deployment: the runs of its schedule, the oldest first."""
    children: dict[tuple[str, str], FlowRun]
    """By deployment and tenant: what those started."""


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Morning]:
    """Runs of every schedule fall due while there is no worker; then there is one, and does them."""
    home = tmp_path_factory.mktemp("deployed")
    # Here a schedule fires when the test says so. A slot is looked for anew after seconds, not after half a minute.
    server = {
        "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
        "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
    }
    with deployed(home, VENDORS, server=server) as (stage, running):
        vendors = dict(zip((vendor.source for vendor in VENDORS), running, strict=True))
        environment = stage.worker | {"WEATHERVANE_META_ADS__BROKEN__ACCESS_TOKEN": WRONG}
        meta = vendors["meta_ads"].environment
        environment["WEATHERVANE_META_ADS__BROKEN__API_URL"] = meta["WEATHERVANE_META_ADS__ACME__API_URL"]
        for source, vendor in vendors.items():
            if source != "klaviyo":
                environment |= vendor.environment
        _save_blocks(vendors["klaviyo"].environment)
        klaviyo = control_of(vendors["klaviyo"], "KLAVIYO", "acme")
        throttle = {"name": "throttled", "times": 1, "retry_after": PAUSE}
        post(f"{klaviyo}/faults", throttle | {"match": {"endpoint": "campaign-values-reports"}})
        # One place: who is put off has to leave it.
        stage.api.update_deployment(stage.deployment(KLAVIYO), DeploymentUpdate(concurrency_limit=1))
        # As many at a time as there are cores to start them.
        stage.api.update_work_pool("weathervane-pool", WorkPoolUpdate(concurrency_limit=2))
        began = datetime.now(UTC)
        for name, days in NIGHTS.items():
            stage.fall_due(name, days)
        due = {name: stage.runs(deployment_id={"any_": [stage.deployment(name)]}) for name in NIGHTS}
        stage.stack.worker("worker", environment)
        due = {name: [stage.await_end(run.id) for run in runs] for name, runs in due.items()}
        children = {
            (name, str(child.parameters["tenant_id"])): stage.await_run(child.id, _settled)
            for name, runs in due.items()
            for run in runs
            for child in stage.runs(parent_flow_run_id={"any_": [run.id]})
        }
        yield Morning(stage, vendors, began, due, children)


def _settled(run: FlowRun) -> bool:
    return run.state_type in ENDED or run.state_name == "Deferred"


def _save_blocks(environment: dict[str, str]) -> None:
    """Keeps the tenants' credentials on the Prefect server, as `docs/running.md` says."""
    for tenant in TENANTS:
        prefix = f"WEATHERVANE_KLAVIYO__{tenant.upper()}__"
        fields = {
            name.removeprefix(prefix).lower(): value
            for name, value in environment.items()
            if name.startswith(prefix)
        }
        block: Any = KlaviyoCredentialsBlock(**fields)
        block.save(f"klaviyo-{tenant.replace('_', '-')}")


def test_each_deployment_is_run_by_its_schedule_for_every_tenant(morning: Morning) -> None:
    """Five schedules fire, each starts a run for each tenant, and the lake is as the vendors are."""
    for name, runs in morning.due.items():
        assert all(run.auto_scheduled for run in runs)
        assert runs[-1].state_name == "Dispatched", (name, runs[-1].state)
        assert runs[-1].parameters["tenant_id"] == "*"
    told = {(name, tenant): run.state_name for (name, tenant), run in morning.children.items()}
    wanted = {(name, tenant): "Loaded" for name in NIGHTS for tenant in TENANTS}
    # What these are about has a test of its own.
    assert told == wanted | {(KLAVIYO, "acme"): "Deferred", (META, "broken"): "Failed"}
    assert {run.name.split(" · ")[0] for run in morning.children.values()} == {*TENANTS, "broken"}
    others = [vendor for source, vendor in morning.vendors.items() if source != "klaviyo"]
    assert morning.deployed.differences(others) == []


def test_the_lakes_own_deployments_are_run_by_their_schedules(morning: Morning) -> None:
    """With their default parameters, for every tenant, after the tenants' rows have come."""
    stage = morning.deployed
    # Each with the days in which its schedule fires once.
    ends = {
        "compact_lake/lake-compaction": (1, "Compacted"),
        "vacuum_lake/lake-vacuum": (7, "Vacuumed"),
        "check_freshness/lake-freshness": (1 / 24, "Fresh"),
    }
    for name, (days, _) in ends.items():
        stage.fall_due(name, days)
    for name, (_, end) in ends.items():
        # Of two that are due, one at each end of the span, the newer does the work.
        run = stage.runs(deployment_id={"any_": [stage.deployment(name)]})[-1]
        ended = stage.await_end(run.id)
        assert (ended.auto_scheduled, ended.state_name) == (True, end), (name, ended.state)
        assert "2 tenants" in str(ended.state and ended.state.message)


def test_nights_that_were_missed_are_made_up_for_once(morning: Morning) -> None:
    """Of three runs that are due when the worker comes back one does the work, the newest."""
    runs = morning.due[ORDERS]
    assert [run.state_name for run in runs] == ["Skipped", "Skipped", "Dispatched"]
    assert all("covers this run" in str(run.state.message) for run in runs[:-1] if run.state)
    assert {name: len(runs) for name, runs in morning.due.items() if name != ORDERS} == dict.fromkeys(
        NIGHTS.keys() - {ORDERS}, 1
    )


def test_one_tenants_failure_is_that_tenants(morning: Morning) -> None:
    """Refused credentials end a run at once, in one line that names the tenant; the others are loaded."""
    run = morning.children[META, "broken"]
    assert run.state is not None
    assert (run.state_name, run.run_count) == ("Failed", 1)
    assert str(run.state.message).count("\n") == 0
    assert "tenant=broken" in str(run.state.message)
    assert "AwaitingRetry" not in morning.deployed.states(run.id)
    assert all(morning.children[META, tenant].state_name == "Loaded" for tenant in TENANTS)


def test_a_throttle_of_hours_puts_the_run_off_and_leaves_its_place_to_others(morning: Morning) -> None:
    """The run waits for as long as the vendor says, in nobody's way; then it brings what was left."""
    stage, klaviyo = morning.deployed, morning.vendors["klaviyo"]
    run = morning.children[KLAVIYO, "acme"]
    assert (run.state_name, morning.children[KLAVIYO, "umi_japan"].state_name) == ("Deferred", "Loaded")
    assert run.state is not None
    due = run.state.state_details.scheduled_time
    assert due is not None
    assert timedelta(seconds=PAUSE - 1) < due - run.state.timestamp < timedelta(seconds=PAUSE + 60)
    for attempt in patiently():  # the other's run gives its place back as it ends
        with attempt:
            limit = stage.api.read_global_concurrency_limit_by_name(f"deployment:{run.deployment_id}")
            assert (limit.limit, limit.active_slots) == (1, 0)
    (left,) = stage.differences([klaviyo])
    assert left.startswith("acme/klaviyo_campaign_reports: ")
    # "Run now" in the UI.
    stage.api.set_flow_run_state(run.id, Scheduled())
    run = stage.await_run(run.id, lambda found: found.state_type in ENDED)
    assert run.state_name == "Loaded", run.state
    assert stage.differences([klaviyo]) == []


def test_a_cancelled_run_leaves_the_lake_as_it_was_and_the_next_completes_it(morning: Morning) -> None:
    """Cancelled in the middle of a slice, a run ends soon, nothing of the slice is there, and no slot is kept."""
    stage, shopify = morning.deployed, morning.vendors["shopify"]
    tables = [TableRef("acme", dataset) for dataset in ("shopify_orders", "shopify_order_lines")]
    shopify.advance(36 * 3600)
    behind = stage.differences([shopify], "acme/shopify_order")
    assert len(behind) == len(tables)
    before = [stage.lake.describe(table).version for table in tables]
    with Hold(control_of(shopify, "SHOPIFY", "acme"), field="orders") as hold:
        cancelled = stage.run(ORDERS, "acme")
        hold.await_caught()
        stage.api.set_flow_run_state(cancelled, Cancelling())
        stage.await_run(cancelled, lambda run: run.state_name == "Cancelled")
    assert [stage.lake.describe(table).version for table in tables] == before
    assert stage.differences([shopify], "acme/shopify_order") == behind
    run = stage.await_end(stage.run(ORDERS, "acme"))
    assert run.state_name == "Loaded", run.state
    assert stage.differences([shopify], "acme/shopify_order") == []
    assert stage.api.read_flow_run(cancelled).state_name == "Cancelled", (
        "it was taken for crashed, and resumed"
    )


def test_a_run_makes_few_task_runs(morning: Morning) -> None:
    """A task run is a slice, never a row."""
    for (name, tenant), run in morning.children.items():
        chosen = {"flow_runs": {"id": {"any_": [str(run.id)]}}}
        for attempt in patiently():  # they show a little later
            with attempt:
                tasks = _everything(morning.deployed, "/task_runs", chosen)
                assert tasks or run.state_name == "Failed", (name, tenant)
        assert len(tasks) < 15, (name, tenant)


def test_no_secret_is_ever_shown(morning: Morning) -> None:
    """Nothing that Prefect's API tells, and no line of any part's log, holds a tenant's secret; after all of the above,
    a refused token among it.
    """
    stage = morning.deployed
    kinds = ("flow_runs", "task_runs", "logs", "artifacts", "deployments", "block_documents", "block_schemas")
    told = {kind: _everything(stage, f"/{kind}") for kind in (*kinds, "automations", "variables", "flows")}
    told["events"] = _events(stage)
    for run in told["flow_runs"]:
        told[f"states of {run['name']}"] = stage.api._client.get(
            "/flow_run_states/", params={"flow_run_id": run["id"]}
        ).json()
    empty = {"variables"}
    assert [kind for kind, found in told.items() if not found and kind not in empty] == []
    texts = {kind: json.dumps(found) for kind, found in told.items()}
    # The worker's holds what its runs print.
    texts |= {str(path.name): path.read_text(errors="replace") for path in stage.logs.iterdir()}
    assert "klaviyo-acme" in texts["block_documents"]
    found = {(where, secret) for where, text in texts.items() for secret in SECRETS if secret in text}
    assert found == set()


def _everything(stage: Deployed, path: str, chosen: dict[str, Any] | None = None) -> list[Any]:
    found: list[Any] = []
    while True:
        body = {**(chosen or {}), "offset": len(found), "limit": 200}
        answer = stage.api._client.post(f"{path}/filter", json=body)
        answer.raise_for_status()
        found += (page := answer.json())
        if len(page) < 200:
            return found


def _events(stage: Deployed) -> list[Any]:
    answer = stage.api._client.post("/events/filter", json={"limit": 50}).json()
    found = answer["events"]
    while answer["next_page"]:
        answer = stage.api._client.get(answer["next_page"]).json()
        found += answer["events"]
    return list(found)
