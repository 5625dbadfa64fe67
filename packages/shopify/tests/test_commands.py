"""`python -m weathervane.shopify`: a process of its own, against the pretend shop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest

from weathervane.shopify.sandbox import RunningShopify, running_shopify
from weathervane.source.v1 import source_pb2 as pb
from weathervane.source.v1 import source_pb2_grpc as pb_grpc

TOKEN = "shpat_canary_88c2f"


@pytest.fixture
def shop() -> Iterator[RunningShopify]:
    """A small pretend shop."""
    with running_shopify(orders=5, products=3, access_token=TOKEN) as running:
        yield running


def environment(shop: RunningShopify) -> dict[str, str]:
    """This process's variables, with the credentials of `acme`."""
    prefix = "WEATHERVANE_SHOPIFY__ACME__"
    mine = {f"{prefix}SHOP": "acme", f"{prefix}ACCESS_TOKEN": TOKEN, f"{prefix}API_URL": shop.url}
    return {**os.environ, **mine}


def command(shop: RunningShopify, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    whole = [sys.executable, "-m", "weathervane.shopify", *arguments]
    return subprocess.run(whole, env=environment(shop), capture_output=True, text=True, timeout=60)


@contextmanager
def served(shop: RunningShopify) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The service's process, and its address once it accepts calls."""
    whole = [sys.executable, "-m", "weathervane.shopify", "serve", "--port", "0"]
    with subprocess.Popen(
        whole, env=environment(shop), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert (ready["event"], ready["source"]) == ("ready", "shopify")
            yield process, ready["address"]
        finally:
            process.kill()


def test_a_shop_is_checked(shop: RunningShopify) -> None:
    """What the token sees is told; what it lacks for a flow ends with exit code 1."""
    fit = command(shop, "check", "acme")
    assert fit.returncode == 0, fit.stderr
    assert "SHOP: acme.myshopify.com: amounts in EUR, days in Europe/Paris" in fit.stdout
    assert fit.stdout.splitlines()[-1] == "shopify can read acme"
    shop.shop.faults.add("scope_loss", None, scopes=["read_products", "read_all_orders"])
    unfit = command(shop, "check", "acme")
    assert unfit.returncode == 1
    assert "error   MISSING_SCOPE: ingest_shopify_products cannot run without read_products" in unfit.stdout
    assert "warning MISSING_SCOPE: without read_all_orders only the last 60 days" in unfit.stdout
    assert TOKEN not in fit.stdout + fit.stderr + unfit.stdout + unfit.stderr


def test_a_refused_token_is_a_finding(shop: RunningShopify) -> None:
    """One clear line, and exit code 1."""
    shop.shop.change("revoke_token", token=TOKEN)
    refused = command(shop, "check", "acme")
    assert (refused.returncode, refused.stderr) == (1, "")
    assert refused.stdout.startswith("error   TOKEN_REFUSED: ")
    assert len(refused.stdout.splitlines()) == 1


def test_sigterm_ends_the_service(shop: RunningShopify) -> None:
    """It serves over gRPC until then, and ends by itself with exit code 0."""
    with served(shop) as (process, address):
        with grpc.insecure_channel(address) as channel:
            stub = pb_grpc.SourceServiceStub(channel)
            described = stub.DescribeSource(pb.DescribeSourceRequest(), timeout=10)
            checked = stub.CheckTenant(pb.CheckTenantRequest(tenant="acme"), timeout=30)
        assert [flow.name for flow in described.flows] == ["ingest_shopify_orders", "ingest_shopify_products"]
        assert (described.api_version, checked.ok) == ("2026-10", True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
