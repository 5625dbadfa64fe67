"""The flows as Prefect runs them: what they declare, what they return, and what Prefect gets to see."""

from __future__ import annotations

import importlib
import logging
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from weathervane.lake import TableRef
from weathervane.shopify._credentials import ShopifyCredentials
from weathervane.source import ConfigurationError, IngestionSummary

from .bench import LINES, ORDERS, PRODUCTS, VARIANTS, secrets_of


@pytest.fixture
def at_hand(bench, monkeypatch):
    """The tenant's credentials in the environment, and the lake where flows look for it."""
    prefix = f"WEATHERVANE_SHOPIFY__{bench.tenant.upper()}__"
    given = {
        "SHOP": "acme",
        "CLIENT_ID": "sandbox-client",
        "CLIENT_SECRET": "sandbox-secret",
        "API_URL": bench.running.url,
    }
    for name, value in given.items():
        monkeypatch.setenv(prefix + name, value)
    monkeypatch.setenv("WEATHERVANE_LAKE_ADDRESS", bench.lake.target)
    return bench


@pytest.mark.parametrize("name", ["ingest_shopify_orders", "ingest_shopify_products"])
def test_a_flow_is_tried_three_more_times_a_minute_apart(name):
    """What a deployment shows, and no parameter for a secret."""
    from weathervane.shopify import _source as flows

    flow = getattr(flows, name)
    assert (flow.name, flow.retries, flow.retry_delay_seconds) == (name, 3, 60)
    assert list(flow.parameters.properties) == ["tenant_id", "start_date", "end_date"]
    assert flow.parameters.required == ["tenant_id"]


def test_what_is_deployed_is_there():
    """Two deployments of these flows, in UTC, from the package as it is installed."""
    text = (Path(__file__).parents[1] / "prefect.yaml").read_text()
    yaml: Any = importlib.import_module("yaml")  # as Prefect reads it; it ships no types
    deployed = yaml.safe_load(text)
    assert deployed["pull"] == []
    found = {}
    for one in deployed["deployments"]:
        module, name = one["entrypoint"].split(":")
        flow = getattr(importlib.import_module(module), name)
        flow.validate_parameters(one["parameters"])
        (schedule,) = one["schedules"]
        found[one["name"]] = (flow.name, schedule["cron"], schedule["timezone"])
        assert one["work_pool"] == {"name": "weathervane-pool", "work_queue_name": "shopify"}
    assert found == {
        "shopify-orders-ingestion": ("ingest_shopify_orders", "0 3 * * *", "UTC"),
        "shopify-products-ingestion": ("ingest_shopify_products", "0 4 * * 0", "UTC"),
    }


def test_the_menu_is_cheap():
    """Whoever needs a name of this package does not pay for Prefect, nor for the pretend shop."""
    told = "import sys, weathervane.shopify; print({'prefect', 'graphql', 'starlette'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_flows_bring_the_shop_into_the_lake_and_tell_prefect_no_secret(prefect, at_hand, caplog):
    """A summary of counts and the checkpoint; parameters, states and logs scanned for every secret."""
    from prefect.client.orchestration import get_client

    from weathervane.shopify._source import ingest_shopify_orders, ingest_shopify_products

    bench = at_hand
    caplog.set_level(logging.DEBUG)
    orders = ingest_shopify_orders(bench.tenant)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    products = ingest_shopify_products(bench.tenant, start_date=date(2020, 1, 1), end_date=today)
    bench.holds_the_shop(ORDERS, LINES, PRODUCTS, VARIANTS)
    for summary, rows in ((orders, 12), (products, 3)):
        assert isinstance(summary, IngestionSummary)
        assert (summary.source, summary.row_count) == ("shopify", rows)
        counts = [summary.metadata[name] for name in ("new_rows", "updated_rows", "total_rows", "state")]
        assert counts == [rows, 0, rows, "loaded"]
    assert orders.metadata["checkpoint"] == bench.lake.checkpoint(TableRef(bench.tenant, ORDERS)).value
    assert orders.path.endswith(f"{bench.tenant}/{ORDERS}")
    with get_client(sync_client=True) as api:
        runs = api.read_flow_runs()
    assert {run.name for run in runs}
    seen = " ".join([str([run.model_dump() for run in runs]), caplog.text])
    assert bench.tenant in seen
    assert not [secret for secret in secrets_of(bench) if secret in seen]


def test_a_rotated_refresh_token_is_kept_in_the_tenants_block(prefect, bench, monkeypatch):
    """The next process reads it there; the one before is dead (fact 22)."""
    from prefect.client.orchestration import get_client

    from weathervane.shopify import ShopifyCredentialsBlock

    assert ShopifyCredentialsBlock.__module__ == "weathervane.shopify"
    from weathervane.shopify import ingest_shopify_orders
    from weathervane.source.testing import as_a_new_process

    name = f"shopify-{bench.tenant}"
    monkeypatch.setenv("WEATHERVANE_LAKE_ADDRESS", bench.lake.target)
    ShopifyCredentialsBlock(
        shop="acme",
        client_id="sandbox-client",
        client_secret="sandbox-secret",
        refresh_token="shprt_sandbox",
        api_url=bench.running.url,
    ).save(name)
    ingest_shopify_orders(bench.tenant)
    kept = ShopifyCredentials.load(bench.tenant).refresh_token.get_secret_value()
    assert kept != "shprt_sandbox"
    as_a_new_process()
    ingest_shopify_orders(bench.tenant)
    bench.holds_the_shop()
    assert [one.status for one in bench.requests(host="oauth")] == [200, 200]
    with get_client(sync_client=True) as api:
        document = api.read_block_document_by_name(name, "shopify-credentials", include_secrets=False)
    assert kept not in str(document)
    assert "sandbox-secret" not in str(document)


def test_days_that_are_none_end_a_run_without_a_retry(at_hand):
    """A person has to correct them; the error names the tenant and the parameter."""
    from weathervane.shopify._source import ingest_shopify_orders

    with pytest.raises(
        ConfigurationError, match=r"start_date '2026-13-01' is not a day.*reason=BAD_DATE"
    ) as caught:
        ingest_shopify_orders.fn(at_hand.tenant, start_date="2026-13-01")
    assert f"tenant={at_hand.tenant}" in str(caught.value)
