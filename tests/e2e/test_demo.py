"""The demo is a promise: a stranger's command, run as a process, with every real part."""

from __future__ import annotations

import subprocess
from pathlib import Path

import duckdb
import polars as pl
import pytest
from deltalake import DeltaTable

from .running import run_demo

DATASETS = ("shopify_orders", "shopify_order_lines", "shopify_products", "shopify_product_variants")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A demo from nothing."""
    home = tmp_path_factory.mktemp("demo")
    return home, run_demo(home)


def test_a_strangers_command_fills_a_lake_that_equals_the_shops(
    first: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    """The demo ends well, says so, and leaves the tables of both tenants in which any Delta reader finds the rows."""
    home, done = first
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    assert "The lake is right" in done.stdout
    for tenant, currency in (("acme", "EUR"), ("umi_japan", "JPY")):
        for dataset in DATASETS:
            path = str(home / "lake" / tenant / dataset)
            rows = DeltaTable(path).to_pyarrow_table()
            assert rows.num_rows > 0
            assert pl.scan_delta(path).select(pl.len()).collect().item() == rows.num_rows
            files = DeltaTable(path).file_uris()
            assert duckdb.sql(f"select count(*) from read_parquet({files!r})").fetchall() == [
                (rows.num_rows,)
            ]
        orders = DeltaTable(str(home / "lake" / tenant / "shopify_orders")).to_pyarrow_table()
        assert set(orders.column("currency").to_pylist()) == {currency}
        assert set(orders.column("tenant_id").to_pylist()) == {tenant}


# A row of each that no further run reads again: Shopify's goes by change, the others re-read a month.
LOST = {"shopify_orders": "order_id", "meta_ads": "date", "google_ads": "date"}


def test_a_further_run_is_incremental_and_a_lake_that_lost_a_row_is_found_out(
    first: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    """The second demo finds nothing new before the shops' clocks run; and with a row gone behind our back it ends with
    the table's name and a failure, whichever vendor's it was.
    """
    home, done = first
    assert done.returncode == 0
    for dataset, column in LOST.items():
        table = DeltaTable(str(home / "lake" / "acme" / dataset))
        lost = min(table.to_pyarrow_table(columns=[column]).column(0).to_pylist())
        table.delete(f"{column} = '{lost}'")
    again = run_demo(home)
    assert again.returncode == 1, again.stdout[-3_000:] + again.stderr[-3_000:]
    third, fourth = again.stdout.split("Run 4")
    unchanged = [line for line in third.splitlines() if "ingest_shopify_" in line]
    assert len(unchanged) == 4
    assert all(" 0 new      0 updated" in line for line in unchanged)
    for dataset in LOST:
        for run in (3, 4):
            assert f"after run {run}: acme/{dataset}: " in fourth
