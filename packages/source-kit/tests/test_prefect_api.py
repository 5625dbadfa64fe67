"""What is said when Prefect does not answer as it should: the same, whoever asked it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from json import JSONDecodeError

import grpc
import httpx
import pytest

from weathervane.flow.testing import PASSWORD, SICK, sick_prefect
from weathervane.rpc import StatusError
from weathervane.source._errors import SourceError
from weathervane.source._exit_codes import ExitCode, exit_code
from weathervane.source._prefect import prefect_asked
from weathervane.source._serve.backfill import backfill
from weathervane.source._serve.deployed_runs import DeployedRuns
from weathervane.source._serve.runs import RunRequest
from weathervane.source._serve.servicer import run_flow

from .pretend_flows import PRETEND, PretendCredentials

REQUEST = RunRequest("one", "acme", "ingest_pretend_things")


async def _watched() -> None:
    await anext(DeployedRuns(PRETEND).watch(str(uuid.uuid4())))


def _backfill() -> None:
    backfill(
        PRETEND,
        "ingest_pretend_things",
        "acme",
        start="2026-11-01",
        end="2026-11-02",
        every=31,
        concurrency=1,
        parameters={},
        agree=lambda: False,
        pause=lambda: None,
        tell=lambda line: None,
    )


ASKING: dict[str, Callable[[], object]] = {
    "credentials": lambda: PretendCredentials.load("acme"),
    "tenants": lambda: PretendCredentials.configured_tenants(),
    "StartIngest": lambda: asyncio.run(DeployedRuns(PRETEND).start(REQUEST)),
    "WatchIngest": lambda: asyncio.run(_watched()),
    "ingest": lambda: run_flow(PRETEND.flows[0], REQUEST),
    "backfill": lambda: _backfill(),
}


@pytest.fixture(params=SICK)
def sick(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Prefect's address leads there; the address, and the reason to be told."""
    with sick_prefect(request.param) as found:
        yield found


@pytest.mark.parametrize("asking", ASKING)
def test_whoever_asks_says_the_same(asking: str, sick: tuple[str, str]) -> None:
    """Whether to wait or to correct something, which server, and what next; never the password, nor the vendor."""
    address, reason = sick
    with pytest.raises((SourceError, StatusError)) as caught:
        ASKING[asking]()
    error, passing = caught.value, reason == "PREFECT_API"
    assert error.reason == reason
    if isinstance(error, StatusError):
        wanted = grpc.StatusCode.UNAVAILABLE if passing else grpc.StatusCode.FAILED_PRECONDITION
        assert error.code is wanted
    else:
        assert error.retriable is passing
        assert exit_code(error) is (ExitCode.UNAVAILABLE if passing else ExitCode.USAGE)
    told = error.message if isinstance(error, StatusError) else str(error)
    assert f"the Prefect server at http://{address}/api " in told
    assert "next: " in told
    for word in (PASSWORD, "operator", "vendor", "\n"):
        assert word not in told


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (httpx.ConnectError("refused"), "PREFECT_API"),
        (httpx.ReadTimeout("slow"), "PREFECT_API"),
        (httpx.TooManyRedirects("to a login page"), "PREFECT_URL"),
        (httpx.InvalidURL("no url"), "PREFECT_URL"),
        (JSONDecodeError("Expecting value", "<!doctype html>", 0), "PREFECT_URL"),
    ],
)
def test_what_fails_in_the_midst_of_a_run_is_told_likewise(error: Exception, reason: str) -> None:
    """Whatever Prefect's client raises there; what is no matter of Prefect's passes."""
    with pytest.raises(SourceError) as caught, prefect_asked():
        raise error
    assert caught.value.reason == reason
    with pytest.raises(KeyError, match="ours"), prefect_asked():
        raise KeyError("ours")
