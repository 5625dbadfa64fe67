"""Prefect's scheduler, as a server of its own has it; what then becomes of the runs is in `tests/deployed`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from prefect.settings import PREFECT_API_URL, temporary_settings
from processes import Stack
from showing import registered

from weathervane.source.deploying import deploy


def test_a_real_server_schedules_every_deployment(tmp_path: Path) -> None:
    """With sqlalchemy 2.1, Prefect 3.8.8 looks healthy, registers everything and never schedules anything."""
    with Stack(tmp_path / "logs") as stack:
        url = stack.prefect(tmp_path / "prefect")["PREFECT_API_URL"]
        deploy(url)
        with temporary_settings({PREFECT_API_URL: url}):
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
