"""A demo that cannot start, or is stopped, says so and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from .running import ROOT, run_demo


def test_what_cannot_be_started_is_said_in_one_line(tmp_path: Path) -> None:
    """A place that cannot be written to ends the demo with one clear line and a failure."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = run_demo(blocked / "home")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    home = tmp_path / "home"
    home.mkdir()
    (home / "state.json").write_text('{"begins": "once upon a time"}')
    done = run_demo(home)
    assert done.returncode == 2
    assert done.stderr == f"error: {home}/state.json is damaged: delete {home} to start over\n"
    done = run_demo(tmp_path / "other", "--fast")
    assert done.returncode == 1
    assert done.stderr == "error: the demo takes no arguments, not --fast\n"


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    """Neither the lake writer nor a pretend shop shares a port, or starts on another than the one asked for."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for arguments in (
            ["weathervane.lake.server", "--lake", str(tmp_path / "lake"), "--port", port],
            ["weathervane.shopify.sandbox", "--port", port],
            ["weathervane.shopify", "serve", "--port", port],
        ):
            done = subprocess.run(
                [sys.executable, "-m", *arguments], capture_output=True, text=True, timeout=120, check=False
            )
            assert done.returncode != 0
            assert port in done.stderr
            assert "Traceback" not in done.stderr


def test_ctrl_c_stops_every_part(tmp_path: Path) -> None:
    """Interrupted in the middle, the demo stops what it started: nobody answers on its ports any more."""
    process = subprocess.Popen(
        [sys.executable, "-u", "deploy/local/demo.py"],
        cwd=ROOT,
        env={**os.environ, "WEATHERVANE_DEMO_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    started = next(line for line in lines if line.startswith("  Prefect"))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode != 0
    for address in (word for word in started.replace("http://", "").split() if ":" in word):
        host, port = address.split(":")
        with socket.socket() as probe:
            assert probe.connect_ex((host, int(port))) != 0, address
