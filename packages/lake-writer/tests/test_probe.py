"""The health check for orchestrators that have no gRPC probe of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from weathervane.lake import LakeClient, TableRef, WriteMode, WriteSpec
from weathervane.rpc import health
from weathervane.rpc.probe import main

SERVICE = "weathervane.lake.v1.LakeWriterService"
SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False)])


@pytest.mark.parametrize("service", [(), ("--service", SERVICE)])
def test_a_server_that_serves_passes_without_a_word(service: tuple[str, ...], lake: LakeClient) -> None:
    """Run as a process, as an orchestrator does."""
    command = [sys.executable, "-m", "weathervane.rpc.probe", lake.target, *service]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_service_that_is_not_there_fails(lake: LakeClient, capsys: pytest.CaptureFixture[str]) -> None:
    """Another service's server on the port must not look healthy."""
    assert main([lake.target, "--service", "weathervane.other"]) == 1
    expected = f"weathervane.other at {lake.target} is not serving: NOT_FOUND\n"
    assert capsys.readouterr().err == expected


def test_a_draining_server_fails(served: Callable[..., Any]) -> None:
    """It accepts no new calls, although an open write may still finish."""
    spec = WriteSpec(TableRef("acme", "orders"), "w", WriteMode.UPSERT, SCHEMA, unique_keys=("id",))
    with served() as server, LakeClient(server.address) as lake, lake.begin(spec) as upload:
        server.process.send_signal(signal.SIGTERM)
        while (status := health(server.address)) == "SERVING":
            pass  # until the signal has arrived; each answer takes a call
        # Cancelled: asked in the moment in which the server stopped listening.
        assert status in {"NOT_SERVING", "UNAVAILABLE", "CANCELLED"}
        assert upload.commit().total_rows == 0


def test_nobody_there_fails_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """No server listens on port 1."""
    assert main(["127.0.0.1:1"]) == 1
    assert capsys.readouterr().err == "the server at 127.0.0.1:1 is not serving: UNAVAILABLE\n"


@pytest.mark.parametrize(
    "arguments",
    [[], ["127.0.0.1"], [":50051"], ["host:"], ["host:0"], ["host:99999"], ["h:1", "--timeout", "0"]],
)
def test_a_command_line_that_is_not_right_is_another_exit_code(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong probe must not look like a server that is down."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err
