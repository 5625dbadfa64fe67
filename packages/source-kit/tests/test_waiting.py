"""What a person sees while a run waits, or cannot begin."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from typer.testing import CliRunner

from weathervane.lake import BusyError, LakeClient
from weathervane.rpc import ServerSettings, running_server
from weathervane.source._errors import ConfigurationError, UnavailableError
from weathervane.source._exit_codes import ExitCode
from weathervane.source._http.client import vendor_client
from weathervane.source._progress import LongWait, Progress, listening, reach_lake, tell
from weathervane.source._serve.cli import source_app
from weathervane.source._serve.servicer import DOMAIN, source_service
from weathervane.source.testing.fixtures import no_waiting as no_waiting

from .pretend_flows import PRETEND
from .pretend_source import ListVendor
from .vendor_stub import CANARY, LIMITS, answer

FLOW = "ingest_pretend_things"


@pytest.fixture
def nowhere() -> str:
    """An address of this machine at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def test_every_retry_is_told_in_our_own_words(nowhere: str, caplog: pytest.LogCaptureFixture) -> None:
    """Which call, of which host, why, when again, and what comes next; nothing of the query, no word of stamina's."""
    heard: list[Progress] = []
    with (
        caplog.at_level(logging.WARNING),
        vendor_client(f"http://{nowhere}/api/", limits=LIMITS) as client,
        listening(heard.append),
        pytest.raises(UnavailableError),
    ):
        client.get("things/1", params={"key": CANARY})
    assert [one.message for one in heard] == [
        f"GET {nowhere}/api/things/1: no connection to the vendor; tried again in {wait} s, attempt {number} of 3"
        for wait, number, one in zip(_waits(heard), (2, 3), heard, strict=True)
    ]
    # The listener has it; in a terminal it would stand there twice.
    assert caplog.text == ""


def _waits(heard: list[Progress]) -> list[str]:
    return [one.message.partition("again in ")[2].split()[0] for one in heard]


def test_who_has_no_listener_reads_it_in_the_log(serve, caplog: pytest.LogCaptureFixture) -> None:
    """As a warning of `weathervane`, which a deployment sends to Prefect; with the vendor's own delay."""
    vendor = serve(lambda call: answer({}, 429, {"Retry-After": "2"}) if call.number == 1 else answer({}))
    with caplog.at_level(logging.WARNING), vendor_client(vendor.url, limits=LIMITS) as client:
        client.get("/things")
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("weathervane.source", "WARNING")
    assert record.getMessage().startswith(
        f"GET {vendor.url[7:]}/things: the vendor limits the rate (HTTP 429"
    )
    assert "tried again in 2 s, attempt 2 of 3" in record.getMessage()


def test_a_long_wait_is_told_now_and_then() -> None:
    """Ever less often, and never for what is quick."""
    now = [0.0]
    heard: list[Progress] = []
    wait = LongWait("the bulk operation", clock=lambda: now[0])
    with listening(heard.append):
        for second in range(1, 1201):
            now[0] = second
            wait.goes_on("running")
    said = [one.message for one in heard]
    assert said[0] == "the bulk operation: running; waited for 15 s so far"
    assert _seconds(said) == [15, 30, 60, 120, 240, 480, 780, 1080]


def _seconds(said: list[str]) -> list[int]:
    return [int(one.split("waited for ")[1].split()[0].replace(",", "")) for one in said]


def test_a_line_of_the_log_says_whose_it_is(caplog: pytest.LogCaptureFixture) -> None:
    """Many tenants are in one log."""
    with caplog.at_level(logging.WARNING):
        tell("it waits", tenant="acme")
    assert caplog.messages == ["acme: it waits"]


def test_a_lake_that_is_there_is_reached(lake: LakeClient) -> None:
    """Quickly, and without a word."""
    began = time.monotonic()
    reach_lake()
    assert time.monotonic() - began < 5


def test_a_lake_that_is_not_there_is_told_with_its_address_and_the_setting(
    nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when somebody else answers there."""
    monkeypatch.setenv("WEATHERVANE_LAKE_ADDRESS", nowhere)
    with pytest.raises(
        BusyError, match=rf"no lake writer at {nowhere} \(nobody answers there\); WEATHERVANE_LAKE_A"
    ):
        reach_lake()
    with running_server([source_service(PRETEND)], ServerSettings(grace_seconds=2), domain=DOMAIN) as other:
        monkeypatch.setenv("WEATHERVANE_LAKE_ADDRESS", other.address)
        with pytest.raises(BusyError, match="who answers there is no lake writer") as caught:
            reach_lake()
    assert caught.value.reason == "LAKE_NOT_THERE"


@pytest.mark.parametrize("status", [2, None], ids=["starting", "behind a proxy"])
def test_a_lake_that_starts_is_not_there_yet_and_one_that_tells_no_health_is(
    status: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some proxies pass no health checks on; they pass on writes."""
    server = grpc.server(ThreadPoolExecutor(1))
    if status is not None:
        # `HealthCheckResponse(status=NOT_SERVING)`, in the bytes of grpc.health.v1.
        check = grpc.unary_unary_rpc_method_handler(lambda request, context: bytes([8, status]))
        health = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": check})
        server.add_generic_rpc_handlers([health])
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    monkeypatch.setenv("WEATHERVANE_LAKE_ADDRESS", address)
    try:
        with pytest.raises(BusyError, match="does not serve") if status else contextlib.nullcontext():
            reach_lake()
    finally:
        server.stop(None).wait()


def test_by_hand_a_wrong_address_of_the_lake_is_one_line_at_once(
    acme: ListVendor, nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a Prefect server is started or the vendor is asked."""
    monkeypatch.setenv("WEATHERVANE_LAKE_ADDRESS", nowhere)
    acme.token = "another"  # which the vendor would refuse
    began = time.monotonic()
    result = CliRunner().invoke(source_app("pretend", lambda: PRETEND), ["ingest", FLOW, "acme"])
    assert (result.exit_code, result.stdout) == (ExitCode.UNAVAILABLE, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: no lake writer at {nowhere}")
    assert "WEATHERVANE_LAKE_ADDRESS" in line
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "address", ["", " ", "nonsense", "127.0.0.1:99999", "http://lake:50051", "a\nb:1", "lake:"]
)
def test_an_address_that_is_none_is_our_own_mistake(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Not an outage: nobody has to wait for it. It is one line, whatever stands in it."""
    monkeypatch.setenv("WEATHERVANE_LAKE_ADDRESS", address)
    with pytest.raises(ConfigurationError, match="which is no address: write host:port") as caught:
        reach_lake()
    assert caught.value.reason == "BAD_LAKE_ADDRESS"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["[::1]:9", "localhost:9", "dns:///localhost:9", "ipv4:127.0.0.1:9"])
def test_every_form_of_an_address_is_asked(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Nobody answers there."""
    monkeypatch.setenv("WEATHERVANE_LAKE_ADDRESS", address)
    with pytest.raises(BusyError, match="no lake writer at"):
        reach_lake()
