"""A Prefect server of its own: its scheduler, and the block types; what becomes of runs is in `tests/deployed`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from processes import Stack
from showing import registered
from vendors import VENDORS

from weathervane.source.deploying import deploy


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its API's URL."""
    folder = tmp_path_factory.mktemp("stack")
    with Stack(folder / "logs") as stack:
        url = stack.prefect(folder / "prefect")["PREFECT_API_URL"]
        with temporary_settings({PREFECT_API_URL: url}):
            yield url


def test_a_real_server_schedules_every_deployment(server: str) -> None:
    """With sqlalchemy 2.1, Prefect 3.8.8 looks healthy, registers everything and never schedules anything."""
    deploy(server)
    found = registered()
    assert [one.name for one in found] == [
        "check_freshness/lake-freshness",
        "compact_lake/lake-compaction",
        "ingest_google_ads/google-ads-ingestion",
        "ingest_klaviyo_campaigns/klaviyo-campaigns-ingestion",
        "ingest_meta_ads/meta-ads-ingestion",
        "ingest_shopify_orders/shopify-orders-ingestion",
        "ingest_shopify_products/shopify-products-ingestion",
        "vacuum_lake/lake-vacuum",
    ]
    assert all(one.next_run is not None and one.next_run > datetime.now(UTC) for one in found)


@pytest.mark.parametrize("source", [vendor.source for vendor in VENDORS])
def test_prefects_own_command_registers_a_sources_block(server: str, source: str) -> None:
    """As its README says; then a person fills the block in, in the UI, where its secret fields are masked."""
    command = [sys.executable, "-m", "prefect", "block", "register", "--module", f"weathervane.{source}"]
    environment = {**os.environ, "PREFECT_API_URL": server}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with get_client(sync_client=True) as api:
        kind = api.read_block_type_by_slug(f"{source}-credentials".replace("_", "-"))
        schema = api.get_most_recent_block_schema_for_block_type(kind.id)
    assert schema is not None
    assert schema.fields["secret_fields"]
