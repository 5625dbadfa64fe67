"""A source's commands: what they print, and with what they end."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner, Result

from weathervane.lake import BusyError, LakeClient, LakeError, RejectedError
from weathervane.source import (
    ConfigurationError,
    ContractError,
    CredentialsError,
    CursorError,
    DeferredError,
    IncompleteError,
    InternalError,
    SourceError,
    ThrottledError,
    UnavailableError,
)
from weathervane.source._exit_codes import ExitCode, exit_code
from weathervane.source._serve.cli import source_app

from .pretend_flows import PRETEND, PretendSandbox
from .pretend_source import CANARY, ListVendor, lake_truth

FLOW = "ingest_pretend_things"


@pytest.fixture(autouse=True)
def acme(monkeypatch: pytest.MonkeyPatch, vendor: ListVendor) -> None:
    """The tenant `acme` has credentials; Prefect's own log level is not for good."""
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "CRITICAL")
    monkeypatch.setenv("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")
    for name, value in PretendSandbox(vendor).environment("acme").items():
        monkeypatch.setenv(name, value)


def command(*arguments: str) -> Result:
    """Runs a command of the pretend source."""
    return CliRunner().invoke(source_app("pretend", lambda: PRETEND), arguments)


def test_ingest_runs_a_flow_and_prints_its_summary(
    prefect: None, lake: LakeClient, vendor: ListVendor
) -> None:
    """JSON on stdout for programs, the commits and what did not fit on stderr for people."""
    vendor.put("odd", "much")
    result = command("ingest", FLOW, "acme")
    assert result.exit_code == 0, result.stderr
    summary = json.loads(result.stdout)
    assert (summary["row_count"], summary["metadata"]["state"]) == (5, "loaded")
    assert summary["metadata"]["set_aside_rows"] == 1
    assert "acme/pretend_things: after None: 2 new" in result.stderr
    assert "acme: did not fit: pretend_things 1 set aside: column value: expected a number" in result.stderr
    del vendor.things["odd"]
    assert lake_truth(lake)[0] == vendor.truth()[0]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nothing", "acme"], "pretend has no flow 'nothing'; it has ingest_pretend_things"),
        ([FLOW, "../acme"], "tenant '../acme' is not a name"),
        ([FLOW, "nobody"], "no usable pretend credentials: .* set WEATHERVANE_PRETEND__NOBODY__TOKEN"),
        ([FLOW, "acme", "--start", "tomorrow"], "start_date 'tomorrow' is not a day; write it as YYYY-MM-DD"),
        ([FLOW, "acme", "--start", "2026-11-02", "--end", "2026-11-01"], "start_date 2026-11-02 is after"),
    ],
)
def test_a_run_that_cannot_be_is_one_clear_line(arguments: list[str], told: str) -> None:
    """Before anything is started, with an exit code that a script can see."""
    result = command("ingest", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert re.match(f"error: {told}", line)


def test_a_run_that_fails_is_one_clear_line(prefect: None, lake: LakeClient, vendor: ListVendor) -> None:
    """The error's own, at once, without a secret."""
    vendor.token = "another"
    result = command("ingest", FLOW, "acme")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("error: the vendor refuses the token [tenant=acme")
    assert CANARY not in result.output


def test_check_says_whether_a_tenant_can_be_read(vendor: ListVendor) -> None:
    """A line for each finding; exit code 1 when it cannot."""
    result = command("check", "acme")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "pretend can read acme")
    assert "warning PRETENDED: nothing of this is real" in result.stdout
    vendor.token = "another"
    result = command("check", "acme")
    assert result.exit_code == 1
    assert result.stdout.startswith("error   TOKEN_REFUSED: the vendor refuses the token; next: renew")
    assert command("check", "nobody").exit_code == 1


def test_a_port_that_is_taken_is_one_clear_line(lake: LakeClient) -> None:
    """Which port, and what to do."""
    result = command("serve", "--port", lake.target.rsplit(":", 1)[1])
    assert result.exit_code == 2
    assert f"error: cannot listen on {lake.target}" in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("", reason="BAD_DATE"), ExitCode.USAGE),
        (CredentialsError("", reason="TOKEN_REFUSED"), ExitCode.USAGE),
        (ContractError("", reason="UNEXPECTED_JSON"), ExitCode.FAILED),
        (CursorError("", reason="CURSOR_UNREADABLE"), ExitCode.FAILED),
        (InternalError("", reason="INTERNAL"), ExitCode.FAILED),
        (RejectedError(""), ExitCode.FAILED),
        (UnavailableError("", reason="TIMEOUT"), ExitCode.UNAVAILABLE),
        (IncompleteError("", reason="CONTROL_TOTAL"), ExitCode.UNAVAILABLE),
        (BusyError(""), ExitCode.UNAVAILABLE),
        (ThrottledError("", reason="THROTTLED"), ExitCode.LATER),
        (DeferredError("", reason="THROTTLED", retry_after=900), ExitCode.LATER),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_script_can_tell_a_wrong_word_from_an_outage_and_a_throttle(
    error: SourceError | LakeError, code: ExitCode
) -> None:
    """Each asks for something else: correct it, run it again, run it later, look at it."""
    assert exit_code(error) is code


def test_a_throttle_that_is_not_waited_for_has_an_exit_code_of_its_own(
    prefect: None, lake: LakeClient, vendor: ListVendor
) -> None:
    """Of a real run, whose failure is none of a person's making."""

    def pause(slice: object) -> None:
        raise DeferredError("come back in an hour", reason="THROTTLED", retry_after=3600)

    vendor.on_read = pause
    result = command("ingest", FLOW, "acme")
    assert result.exit_code == ExitCode.LATER, result.stderr
    assert "come back in an hour" in result.stderr.splitlines()[-1]
