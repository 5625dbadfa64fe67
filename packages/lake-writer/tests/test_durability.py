"""The server process: it drains when it is asked to stop, and says in one line why it cannot start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from weathervane.lake import BusyError, LakeClient, MaintenanceClient, TableRef
from weathervane.lake.server import LakeSettings
from weathervane.lake.server.delta import UnusableRootError, check_root
from weathervane.lake.testing import running_lake

from .test_exactly_once import until, values, waiting_for_pipes
from .writer_process import batch, spec


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_upload_under_way_may_end_and_a_new_one_is_refused(
    served: Callable[..., Any], number: signal.Signals
) -> None:
    """After SIGTERM (or Ctrl-C) the open write gets its receipt, new ones are refused with a retriable error, and the
    exit code is 0.
    """
    with served() as server, LakeClient(server.address) as client:
        with client.begin(spec("orders", "open")) as upload:
            upload.rows(batch([[1, 1]]))
            server.process.send_signal(number)

            def refused() -> bool:
                with LakeClient(server.address) as other:
                    try:
                        other.begin(spec("other", "late")).__exit__(None, None, None)
                    except BusyError as error:
                        return error.retriable
                return False

            until(refused)
            upload.rows(batch([[2, 2]]))
            assert upload.commit(checkpoint="c-1").rows_inserted == 2
        assert server.process.wait(20) == 0
    with served() as server, LakeClient(server.address) as client:
        assert values(client) == [(1, 1), (2, 2)]
        assert client.checkpoint(TableRef("acme", "orders")).value == "c-1"


IMPATIENT = """
import sys
from weathervane.lake.server import LakeSettings, lake_services
from weathervane.rpc import ServerSettings, run_server
settings = ServerSettings(grace_seconds=0.3, exit_seconds=0.3)
services = lake_services(LakeSettings(root=sys.argv[1]))
run_server(services, settings, domain="weathervane.lake", on_ready=lambda server: print(server.address, flush=True))
"""
EVENTS = TableRef("acme", "events")
HANGING: dict[str, Callable[[str], object]] = {
    "a merge": lambda target: LakeClient(target).write(spec("orders", "w"), [batch([[1, 2]])]),
    "a read": lambda target: LakeClient(target).read(EVENTS).read_all(),
    "a compaction": lambda target: MaintenanceClient(target).compact(EVENTS),
    "an open": lambda target: LakeClient(target).checkpoint(EVENTS),
}


@pytest.mark.parametrize("what", HANGING)
def test_a_server_ends_in_bounded_time_whatever_hangs(what: str, tmp_path: Path) -> None:
    """Storage that never answers holds its thread for ever; the process still ends, and writes where it hung to stderr.

    Repeated signals do not delay the end.
    """
    impatient = what in ("a read", "an open")
    lake = tmp_path / "lake"
    with running_lake(lake) as client:
        client.write(spec("orders", "first"), [batch([[1, 1]])])
        for number in range(2):
            client.write(spec("events", f"w{number}", "append"), [batch([[number, number]])])
    folder = lake / "acme" / ("orders" if what == "a merge" else "events")
    # Rust opens the second, for each version that is looked for; Python the first.
    file = folder / "_delta_log" / "_last_checkpoint" if what == "an open" else next(folder.glob("*.parquet"))
    kept = file.rename(tmp_path / "kept") if file.exists() else None
    os.mkfifo(file)
    command = [sys.executable, "-c", IMPATIENT, str(lake)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
        ThreadPoolExecutor(1) as caller,
    ):
        try:
            assert process.stdout is not None
            call = caller.submit(HANGING[what], process.stdout.readline().strip())
            until(lambda: waiting_for_pipes(process.pid) == 1)
            process.send_signal(signal.SIGTERM)

            def ended() -> bool:
                process.send_signal(signal.SIGTERM)
                process.send_signal(signal.SIGINT)
                return process.poll() is not None

            if impatient:
                until(ended)
            _, said = process.communicate(timeout=15)
            assert call.exception(timeout=60) is not None
        finally:
            process.kill()
    assert process.returncode == 1
    assert "Timeout" in said
    assert "most recent call first" in said
    file.unlink() if kept is None else kept.rename(file)
    with running_lake(lake) as client:
        assert values(client, EVENTS) == [(0, 0), (1, 1)]


def start(*arguments: str) -> tuple[int, str]:
    """Starts the service with arguments with which it must fail; returns its exit code and its output."""
    command = [sys.executable, "-m", "weathervane.lake.server", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.stdout == "", "it said that it was ready"
    return done.returncode, done.stderr


def said_once(text: str) -> str:
    """The one line of output, without gRPC's own log lines."""
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    """One line with the address and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, text = start("--lake", str(tmp_path / "lake"), "--port", str(port))
    assert code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in said_once(text)
    assert "--port" in said_once(text)


@pytest.mark.parametrize(
    ("lake", "words"),
    [
        ("", "no folder or URL"), (" ", "no folder or URL"), ("s3:/bucket", "is no URL"), ("s3:bucket", "is no URL"),
        ("file:/x", "is no URL"), ("foo://", "Unknown scheme: foo"), ("http://127.0.0.1/x", "Unknown scheme: http"),
        ("s3://lake/p?versionId=1", "with a query or a fragment"), ("s3://lake#x", "with a query"),
        ("s3://", "Unable to recognise URL"), ("s3://nobucket", "NoSuchBucket"), ("s3://nobucket/lake", "NoSuchBucket"),
        ("az://nobucket", "Account must be specified"), ("file:///sys/lake", "cannot be written"),
        ("/sys/lake", "cannot be written"), ("/proc/self", "cannot be written"), ("a\0b", "cannot be written"),
    ],
)  # fmt: skip
def test_a_root_that_cannot_be_used_is_said_at_the_start(
    lake: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line without colours or a traceback, whatever the libraries log."""
    if "\0" in lake:
        with pytest.raises(UnusableRootError, match=words):
            check_root(LakeSettings(lake))
        return
    with refusing_store() as address:
        for name, value in {"ENDPOINT_URL": address, "ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        code, text = start("--lake", lake, "--port", "0")
    assert code == 2
    assert words in said_once(text)
    assert text.count("\n") == 1
    assert "\x1b" not in text


def test_a_store_without_credentials_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the environment nor the machine has credentials."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    code, text = start("--lake", "s3://bucket", "--port", "0")
    assert (code, text.count("\n"), "\x1b" in text) == (2, 1, False)
    assert "credentials" in said_once(text)


@contextmanager
def refusing_store() -> Iterator[str]:
    """A store without any bucket."""

    class Answer(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b"<Error><Code>NoSuchBucket</Code><Message>There is no such bucket</Message></Error>"
            self.send_response(404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT  # noqa: N815 - the base class's names

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """The lake's folder, or one above it, is a file."""
    (tmp_path / "file").write_text("")
    for lake in (tmp_path / "file", tmp_path / "file" / "lake"):
        code, text = start("--lake", str(lake), "--port", "0")
        assert code == 2
        assert f"the lake folder {lake} cannot be written" in said_once(text)
        assert "--lake" in said_once(text)


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_a_port_that_is_none_is_said(tmp_path: Path, port: str) -> None:
    """The message names the option."""
    code, text = start("--lake", str(tmp_path / "lake"), "--port", port)
    assert code == 2
    assert "Invalid value for '--port'" in text
    assert "Traceback" not in text


def test_no_lake_is_said() -> None:
    """Without `--lake` the command fails."""
    code, text = start()
    assert code == 2
    assert "--lake" in text
    assert "Traceback" not in text
