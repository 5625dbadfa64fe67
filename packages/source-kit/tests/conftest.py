"""The real parts that the tests share: a lake, a Prefect server, a vendor that is a list."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from weathervane.lake import LakeClient
from weathervane.lake.testing import running_lake

from .pretend_source import ListVendor

# Before anything imports Prefect.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LakeClient]:
    """A real lake in an empty folder, where flows find it."""
    with running_lake(tmp_path / "lake") as client:
        monkeypatch.setenv("WEATHERVANE_LAKE_ADDRESS", client.target)
        yield client


@pytest.fixture
def vendor() -> ListVendor:
    """Five things with two parts each: three slices of two."""
    vendor = ListVendor()
    for name in "vwxyz":
        vendor.put(name)
    return vendor


@pytest.fixture
def acme(vendor: ListVendor, lake: LakeClient, monkeypatch: pytest.MonkeyPatch) -> ListVendor:
    """The vendor, with credentials for the tenant `acme` and an empty lake."""
    from .pretend_flows import PretendSandbox  # imports Prefect, which takes seconds

    for name, value in PretendSandbox(vendor).environment("acme").items():
        monkeypatch.setenv(name, value)
    return vendor


@pytest.fixture(scope="session")
def prefect() -> Iterator[None]:
    """A real Prefect server for the whole session, and flows that do not wait for a heartbeat."""
    from weathervane.source.testing import running_prefect

    with running_prefect():
        yield


@pytest.fixture(autouse=True)
def no_deployments(request: pytest.FixtureRequest) -> None:
    """The server is shared: what another file's test deployed of the pretend flow is gone."""
    if "prefect" not in request.fixturenames:
        return
    request.getfixturevalue("prefect")
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName

    pretend = FlowFilter(name=FlowFilterName(any_=["ingest_pretend_things"]))
    with get_client(sync_client=True) as api:
        for one in api.read_deployments(flow_filter=pretend):
            api.delete_deployment(one.id)
