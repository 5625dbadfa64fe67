"""What is tried again, how often, and when."""

import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
import stamina
from hypothesis import example, given
from hypothesis import strategies as st

from weathervane.source._errors import (
    ContractError,
    CredentialsError,
    DeferredError,
    SourceError,
    ThrottledError,
    UnavailableError,
)
from weathervane.source._http.client import vendor_client
from weathervane.source._http.transport import ONCE
from weathervane.source._http.verdict import Accept, Fail, Retry, Verdict, decode_json, retry_after
from weathervane.source.testing.fixtures import no_waiting as no_waiting

from .vendor_stub import (
    CANARY,
    LIMITS,
    answer,
    everything_said_by,
    get,
    vendor_stub,
)


@pytest.mark.parametrize(
    ("status", "error", "calls"),
    [
        (400, ContractError, 1),
        (401, CredentialsError, 1),
        (402, ContractError, 1),
        (403, CredentialsError, 1),
        (404, ContractError, 1),
        (408, UnavailableError, 3),
        (423, ContractError, 1),
        (429, ThrottledError, 3),
        (430, ThrottledError, 3),
        (500, UnavailableError, 3),
        (502, UnavailableError, 3),
        (503, UnavailableError, 3),
        (504, UnavailableError, 3),
        (524, UnavailableError, 3),
    ],
)
def test_the_class_of_a_failure_decides_the_attempts(serve, status: int, error: type, calls: int) -> None:
    """What may pass is tried again, what cannot is not; the error says status and request id."""
    stub = serve(lambda _: answer({}, status, {"X-Request-Id": "req-42"}))

    with pytest.raises(error, match=rf"HTTP {status}, application/json, request id req-42"):
        get(stub)
    assert len(stub.calls) == calls


def test_an_html_403_is_an_edge_that_may_pass(serve) -> None:
    """Klaviyo's edge was seen to answer HTML 403s that say nothing about the key."""
    stub = serve(
        lambda call: answer(b"<html>", 403, {"Content-Type": "text/html"}) if call.number == 1 else answer({})
    )

    assert get(stub) == {}


def test_a_refused_connection_is_tried_again() -> None:
    """Nobody listens: unavailable, after the allowed attempts."""
    with vendor_stub(lambda _: answer({})) as stub:
        pass
    with pytest.raises(UnavailableError, match="no connection"):
        get(stub)


def test_the_vendors_own_delay_is_waited(serve) -> None:
    """Retry-After is honoured in full, and exceeded by at most a quarter."""
    stamina.set_testing(False)
    waits: list[float] = []
    stamina.instrumentation.set_on_retry_hooks([lambda details: waits.append(details.wait_for)])
    stub = serve(lambda call: answer({}, 429, {"Retry-After": "0.4"}) if call.number == 1 else answer({}))

    started = time.monotonic()
    try:
        assert get(stub) == {}
    finally:
        stamina.instrumentation.set_on_retry_hooks(None)
    assert time.monotonic() - started >= 0.4
    assert len(waits) == 1
    assert 0.4 <= waits[0] <= 0.5


def test_a_long_delay_reschedules_instead_of_sleeping(serve) -> None:
    """A day's quota is gone: the caller learns when to come back, after one call and no sleep."""
    stamina.set_testing(False)
    stub = serve(lambda _: answer({}, 429, {"Retry-After": "73473"}))

    with pytest.raises(DeferredError, match="asks to wait 73473 s") as caught:
        get(stub)
    assert caught.value.retry_after == 73473
    assert len(stub.calls) == 1


def test_the_last_throttle_still_says_when(serve) -> None:
    """When attempts are used up the vendor's delay is not lost."""
    stub = serve(lambda _: answer({}, 429, {"Retry-After": "7"}))

    with pytest.raises(ThrottledError, match="limits the rate") as caught:
        get(stub)
    assert caught.value.retry_after == 7


@given(
    st.binary(max_size=20)
    | st.builds(
        "Mon, {:02} Jan {} 00:00:00 {:+05}".format,
        st.integers(0, 32),
        st.integers(0, 99_999),
        st.integers(-2_400, 2_400),
    ).map(str.encode)
)
@example(b"Mon, 01 Jan 0001 00:00:00 +1400")
@example(b"Fri, 31 Dec 9999 23:59:59 -1200")
def test_no_text_of_a_delay_is_an_error(value: bytes) -> None:
    """Nothing, or something between now and a day from now."""
    found = retry_after(httpx.Response(429, headers=[(b"retry-after", value)]))
    assert found is None or 0 <= found <= 86_400


NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2", 2),
        ("2.0", 2),
        (" 120 ", 120),
        ("0", 0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0),
        ("999999999999", 86_400),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
        ("-5", None),
        ("inf", None),
        ("nan", None),
        ("1e9", None),
        ("\u0663", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(value: str, seconds: float | None) -> None:
    """Seconds and dates; a date against the vendor's clock, so ours may be wrong; nonsense is no delay."""
    headers = {"Retry-After": value.encode(), "Date": format_datetime(NOW, usegmt=True).encode()}

    assert retry_after(httpx.Response(429, headers=headers)) == seconds


def test_a_vendors_classifier_has_the_last_word(serve) -> None:
    """HTTP 200 with an error inside is judged by the vendor's own rules, and retried by them."""

    def classify(response: httpx.Response) -> Verdict:
        document = decode_json(response)
        assert isinstance(document, dict)
        if document.get("errors") == "THROTTLED":
            return Retry(ThrottledError("bucket empty", reason="THROTTLED"), after=1.5)
        if document.get("errors") == "ACCESS_DENIED":
            return Fail(CredentialsError("needs read_orders", reason="MISSING_SCOPE"))
        return Accept()

    bodies = [{"errors": "THROTTLED"}, {"data": 1}, {"errors": "ACCESS_DENIED"}]
    stub = serve(lambda call: answer(bodies[call.number - 1]))
    assert get(stub, classify=classify) == {"data": 1}
    with pytest.raises(CredentialsError, match="needs read_orders"):
        get(stub, classify=classify)
    assert len(stub.calls) == 3


def test_an_answer_that_confuses_the_classifier_breaks_the_contract(serve) -> None:
    """A shape that nobody thought of ends in a typed error that quotes none of it."""
    stub = serve(lambda _: answer({"errors": CANARY}))

    def classify(response: httpx.Response) -> Verdict:
        return decode_json(response)["errors"]["code"]  # type: ignore[index,no-any-return]

    with pytest.raises(ContractError, match=r"TypeError in classify:\d+") as caught:
        get(stub, classify=classify)
    assert CANARY not in everything_said_by(caught.value)


@pytest.mark.parametrize(("status", "calls"), [(500, 1), (429, 3)])
def test_a_call_that_starts_something_is_not_repeated_blindly(serve, status: int, calls: int) -> None:
    """After a 500 the bulk operation may be running; after a 429 it surely is not."""
    stub = serve(lambda _: answer({}, status))

    with vendor_client(stub.url, limits=LIMITS) as client, pytest.raises(SourceError, match="the vendor"):
        client.post("/", json={}, extensions=ONCE)
    assert len(stub.calls) == calls


def test_every_attempt_sends_the_whole_request(serve) -> None:
    """A retried POST carries its body again."""
    stub = serve(lambda call: answer({}, 503 if call.number < 3 else 200))

    with vendor_client(stub.url, limits=LIMITS) as client:
        client.post("/graphql.json", json={"query": "x"})
    assert [(c.method, c.target, json.loads(c.body)) for c in stub.calls] == [
        ("POST", "/graphql.json", {"query": "x"})
    ] * 3


def test_the_pace_sees_every_attempt_and_verdict(serve) -> None:
    """It is asked before and told after, so that one client's throttle can pause all."""
    seen: list[object] = []

    class Recorder:
        def before(self, request: httpx.Request) -> None:
            seen.append(request.method)

        def after(self, response: httpx.Response, verdict: Verdict) -> None:
            seen.append((response.status_code, type(verdict)))

    stub = serve(lambda call: answer({}, 429 if call.number == 1 else 200))
    get(stub, pace=Recorder())
    assert seen == ["GET", (429, Retry), "GET", (200, Accept)]
