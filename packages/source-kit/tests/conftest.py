"""The real parts that the tests share: a lake, a Prefect server, a vendor that is a list."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from weathervane.lake import LakeClient
from weathervane.lake.testing import running_lake

# It also sets what has to be in the environment before anything imports Prefect.
from weathervane.source.testing.fixtures import prefect as prefect

from .pretend_source import ListVendor
from .vendor_stub import Script, VendorStub, vendor_stub


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


@pytest.fixture
def serve() -> Iterator[Callable[[Script], VendorStub]]:
    """Start vendors that answer by a script."""
    with contextlib.ExitStack() as stack:
        yield lambda script: stack.enter_context(vendor_stub(script))


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
