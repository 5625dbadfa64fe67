"""No error and no log line tells a secret."""

import logging
import re

import pytest
from pydantic import SecretStr

from weathervane.source import masked
from weathervane.source._errors import SourceError
from weathervane.source._http.client import vendor_client
from weathervane.source.testing.fixtures import no_waiting as no_waiting

from .vendor_stub import (
    CANARY,
    LIMITS,
    FixedAuth,
    answer,
    everything_said_by,
    get,
)

HOSTILE = {
    "401": lambda c: answer({"t": CANARY}, 401, {"X-Request-Id": f"{CANARY} {CANARY}"}),
    "429": lambda c: answer({"t": CANARY}, 429, {"Retry-After": CANARY}),
    "500": lambda c: answer(CANARY.encode(), 500, {"Content-Type": f"text/{CANARY} {CANARY}"}),
    "404": lambda c: answer({"t": CANARY}, 404),
    "302": lambda c: answer(status=302, headers={"Location": f"https://u:{CANARY}@evil.example/?t={CANARY}"}),
    "bad location": lambda c: answer(status=302, headers={"Location": f"http://[{CANARY}"}),
    "html": lambda c: answer(f"<html>{CANARY}</html>".encode()),
    "not utf-8": lambda c: answer(f'"{CANARY}'.encode() + b'\xff"'),
    "cut": lambda c: answer({"t": CANARY * 9}, cut=5),
    "gzip": lambda c: answer(CANARY.encode(), headers={"Content-Encoding": "gzip"}),
    "encoding": lambda c: answer(CANARY.encode(), headers={"Content-Encoding": CANARY}),
    "not http": lambda c: [CANARY.encode() + b"\r\n\r\n", b""],
    "bad head": lambda c: [b"HTTP/1.1 200 OK\r\n" + CANARY.encode() + b"\r\n\r\n", b""],
    "silence": lambda c: [b""],
}


@pytest.mark.parametrize("case", HOSTILE)
def test_no_error_and_no_log_line_holds_a_secret(serve, caplog, case: str) -> None:
    """Canary tokens in URL, headers, body and answer; then every log line and every error is searched."""
    caplog.set_level(logging.DEBUG)
    stub = serve(HOSTILE[case])
    with (
        vendor_client(stub.url, auth=FixedAuth(), limits=LIMITS, headers={"X-Token": CANARY}) as client,
        pytest.raises(SourceError, match="next:") as caught,
    ):
        client.post(f"/p?access_token={CANARY}", json={"secret": CANARY})
    said = everything_said_by(caught.value)

    assert stub.calls  # it did get there
    assert CANARY in stub.calls[0].target
    assert CANARY not in said
    assert [r.getMessage() for r in caplog.records if CANARY in r.getMessage()] == []
    assert caught.value.__context__ is None  # no foreign error, and so no request, is dragged along


def test_good_answers_are_logged_without_secrets_too(serve, caplog) -> None:
    """By default httpx logs whole URLs at INFO, and httpcore whole heads at DEBUG."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpx")  # a command that ran here before has quietened it
    stub = serve(lambda _: answer({"t": CANARY}, headers={"Set-Cookie": CANARY, "X-Next": CANARY}))

    get(stub, f"/p?access_token={CANARY}", auth=FixedAuth())
    lines = [r.getMessage() for r in caplog.records]
    assert [line for line in lines if CANARY in line] == []
    assert any(line.startswith("GET 127.0.0.1/p attempt 1: 200, accepted") for line in lines)
    assert any("HTTP Request: GET" in line for line in lines)  # httpx's own line is there, without the query


def test_a_sentence_is_told_without_what_is_held_and_what_has_a_tokens_shape() -> None:
    """A secret that holds another goes whole; what is empty, or none, hides nothing."""
    token = re.compile(r"tok_\w+")
    said = masked(
        "bad tok_other, long-secret and secret", ["secret", SecretStr("long-secret"), None, ""], token
    )
    assert said == "bad [...], [...] and [...]"
    assert masked("as it is") == "as it is"
