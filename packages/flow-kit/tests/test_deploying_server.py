"""A server that is not there, is none, or refuses: one line each, without the URL's password."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prefect.settings import PREFECT_API_URL
from typer.testing import CliRunner, Result

from weathervane.flow._command import app as main
from weathervane.flow.testing import answering

from .pretend_package import PretendPackage, make_package

PASSWORD = "canary-f2c5a1"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PretendPackage:
    """An installed package."""
    package = make_package(tmp_path, monkeypatch)
    package.install()
    return package


def register(package: PretendPackage, address: str, *arguments: str) -> Result:
    """Runs the command with a password in its URL."""
    url = f"http://operator:{PASSWORD}@{address}/api"
    return CliRunner().invoke(main, ["--server-url", url, "--package", package.slug, *arguments])


def only_line(result: Result, exit_code: int = 2) -> str:
    """What it said, seen to be one line without the password."""
    assert (result.exit_code, result.stdout) == (exit_code, "")
    (line,) = result.stderr.splitlines()
    assert PASSWORD not in line
    assert "operator" not in line
    return line


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, '{"detail": "Unauthorized"}', "refuses (401); set PREFECT_API_AUTH_STRING=user:password"),
        (403, "no", "refuses (403); set PREFECT_API_AUTH_STRING=user:password"),
        (404, '{"detail": "Not Found"}', "is none, or its URL is not that of its API, which ends with /api"),
        (200, "<html>hello</html>", "is none, or its URL is not that of its API, which ends with /api"),
        (200, '{"hello": 1}', "is none, or its URL is not that of its API, which ends with /api"),
        (500, "something\nbroke", "answered 500 to GET /api/admin/version: something broke"),
        (408, "too slow", "answered 408 to GET /api/admin/version: too slow"),
        (409, "no", "answered 409 to GET /api/admin/version: no"),
    ],
)
def test_a_server_that_does_not_do_as_asked(
    package: PretendPackage, status: int, body: str, told: str
) -> None:
    """Told with its address."""
    with answering(status, body) as address:
        line = only_line(register(package, address), 3 if status in (408, 500) else 2)
        assert line.startswith(f"error: the Prefect server at http://{address}/api {told} [reason=PREFECT_")
        assert "vendor" not in line


def test_a_server_that_is_not_there(package: PretendPackage) -> None:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else's
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        line = only_line(register(package, address), 3)
    assert line.startswith(
        f"error: the Prefect server at http://{address}/api does not answer (ConnectError) [reason=PREFECT_API]; "
    )


@pytest.mark.parametrize(
    "url",
    [
        "{who}host/api",
        "ftp://{who}host/api",
        "http://{who}host:port/api",
        "http://{who}/api",
        "",
        "http://h\x00st/api",
    ],
)
def test_a_url_that_is_none(package: PretendPackage, url: str) -> None:
    """Told without the URL."""
    given = url.format(who=f"operator:{PASSWORD}@")
    line = only_line(CliRunner().invoke(main, ["--server-url", given, "--package", package.slug]))
    assert line.startswith("error: the Prefect server's URL ")
    assert "; write e.g. http://127.0.0.1:4200/api [reason=PREFECT_URL]; next: " in line


def test_the_command_prints_a_line_for_each_thing_and_a_sum(prefect: None, package: PretendPackage) -> None:
    """First what would be done, then doing it, then doing it again."""
    address = urlsplit(PREFECT_API_URL.value()).netloc
    would, done, again = (register(package, address, *more) for more in (["--dry-run"], [], []))
    assert [result.exit_code for result in (would, done, again)] == [0, 0, 0]
    assert would.stderr + done.stderr + again.stderr == ""
    assert f"\nwould be created deployment {package.name}_read/{package.slug}-reading\n" in would.stdout
    assert f"\ncreated    deployment {package.name}_read/{package.slug}-reading\n" in done.stdout
    assert would.stdout.splitlines()[-1].startswith("dry run, nothing is done yet: ")
    assert again.stdout.splitlines()[-1] == "11 unchanged"


def test_nobody_is_shown_prefects_notice_of_telemetry(tmp_path: Path) -> None:
    """It is shown once, in a terminal, by whatever imports Prefect first; our commands opt out of what it tells."""
    unset = {"DO_NOT_TRACK", "PREFECT_SERVER_ANALYTICS_ENABLED", "CI"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    ours, its = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "weathervane.flow", "--help"],
        env={**environment, "PREFECT_HOME": str(tmp_path)},
        stdin=its,
        stdout=its,
        stderr=its,
    ) as process:
        os.close(its)
        said = b""
        while chunk := _read(ours):
            said += chunk
    os.close(ours)
    assert process.returncode == 0, said
    assert b"--server-url" in said
    assert b"usage data" not in said
    assert not list(tmp_path.glob(".sdk_telemetry/*"))


def _read(terminal: int) -> bytes:
    """Some bytes; none once the program has ended."""
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux tells that nobody holds the other end
        return b""
