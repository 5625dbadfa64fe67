"""Starting the parts of a local stack as real processes, each ready before the next needs it, and stopping them all."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from weathervane.flow import database_url, with_tables

_START_SECONDS = 600.0
"""Prefect's server takes 26 s the first time on a quiet machine (migrations), and several times that on a busy one."""
_STOP_SECONDS = 25.0
_LEASES = "prefect.server.concurrency.lease_storage.filesystem"


class StartError(Exception):
    """A part did not start, or ended by itself; the message is one line that says which, why, and where its log is."""


@dataclass
class Part:
    """One process of a stack."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop: signal.Signals = signal.SIGTERM
    """What asks it to end."""
    address: str = ""
    """Where it answers, once it does."""


class Stack:
    """Processes of one stack: each ready when its method returns, stopped in reverse, whatever happens in between.

    Threads may start parts at the same time; then a part that is needed by another is started before.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._lock = threading.Lock()
        self._stopping = False
        self.parts: list[Part] = []
        logs.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._stopping = True
        # One after the other: a part may still need those that were started before it.
        for part in reversed(self.parts):
            part.process.send_signal(part.stop)
            try:
                part.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                part.process.kill()
                part.process.wait()
            if part.process.stdout is not None:
                part.process.stdout.close()
            # What it left behind, of its own process group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(part.process.pid, signal.SIGKILL)

    def module(
        self, name: str, module: str, *arguments: str, env: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Starts `python -m module` and waits for its ready line, a JSON object on stdout; returns that."""
        part = self._start(name, [sys.executable, "-m", module, *arguments], env, stdout=subprocess.PIPE)
        assert part.process.stdout is not None
        line = part.process.stdout.readline()
        try:
            ready = json.loads(line)
        except ValueError:
            raise StartError(_why(part)) from None
        assert isinstance(ready, dict)
        part.address = ready.get("address") or ready.get("url") or ""
        return ready

    def program(
        self,
        name: str,
        command: Sequence[str],
        ready: Callable[[], bool],
        env: Mapping[str, str] | None = None,
        *,
        address: str = "",
        user: str | None = None,
        stop: signal.Signals = signal.SIGTERM,
    ) -> Part:
        """Starts a program and waits until it is ready.

        Args:
            name: The part's, and its log's.
            command: The program and its arguments.
            ready: Asked again and again.
            env: Added to our own environment.
            address: Where it will answer.
            user: Who runs it; None means us.
            stop: What asks it to end.
        """
        part = self._start(name, command, env, user=user)
        part.stop = stop
        deadline = time.monotonic() + _START_SECONDS
        while not ready():
            if part.process.poll() is not None or time.monotonic() > deadline:
                raise StartError(_why(part))
            time.sleep(0.25)
        part.address = address
        return part

    def prefect(self, home: Path, port: int = 0, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Starts a Prefect server and waits for its health; returns the environment of its clients.

        Args:
            home: Where it keeps its SQLite database, unless `env` names another database.
            port: 0 takes a free one.
            env: Settings of the server alone, e.g. its database.
        """
        port = port or free_port()
        url = f"http://127.0.0.1:{port}/api"
        settings = {
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
            "DO_NOT_TRACK": "1",
        }
        home.mkdir(parents=True, exist_ok=True)
        database = home / "prefect.db"
        if "PREFECT_SERVER_DATABASE_CONNECTION_URL" not in (env or {}):
            with_tables(database)
        server = {
            # In memory, which is the default, a restarted server forgets who holds a place in a deployment's limit.
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": _LEASES,
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": database_url(database),
        }
        command = [
            sys.executable,
            "-m",
            "prefect",
            "server",
            "start",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        self.program(
            "prefect",
            command,
            lambda: _ask(f"{url}/health") is not None,
            settings | server | dict(env or {}),
            address=url.removesuffix("/api"),
        )
        return settings

    def worker(
        self, name: str, env: Mapping[str, str], pool: str = "weathervane-pool", *, limit: int | None = None
    ) -> int:
        """Starts a process worker on a pool that is there, and waits until the server knows that it is online;
        returns the process's id.

        Args:
            name: The worker's, and its log's.
            env: What `prefect` returned, and what its runs need: the lake's address, credentials.
            pool: The work pool.
            limit: How many runs it has at the same time; None means any number.
        """
        command = ["worker", "start", "--pool", pool, "--type", "process", "--name", name]
        if limit is not None:
            command += ["--limit", str(limit)]
        url = f"{env['PREFECT_API_URL']}/work_pools/{pool}/workers/filter"

        def online() -> bool:
            workers = _ask(url, b"{}") or []
            return any(one["name"] == name and one["status"] == "ONLINE" for one in workers)

        part = self.program(
            name, [sys.executable, "-m", "prefect", *command], online, env, address=f"pool {pool}"
        )
        return part.process.pid

    def check(self) -> None:
        """Looks whether all parts still run.

        Raises:
            StartError: One has ended by itself.
        """
        for part in self.parts:
            if (code := part.process.poll()) is not None:
                raise StartError(f"{part.name} ended by itself, exit code {code}: {_last_line(part)}")

    def _start(
        self,
        name: str,
        command: Sequence[str],
        env: Mapping[str, str] | None,
        *,
        stdout: int | None = None,
        user: str | None = None,
    ) -> Part:
        log = self._logs / f"{name}.log"
        # Whoever stops the stack meanwhile finds the process in the list, or it is never started.
        with self._lock, log.open("wb") as file:
            if self._stopping:
                raise StartError(f"{name} was not started: the stack is stopping")
            process = subprocess.Popen(
                command,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=stdout if stdout is not None else file,
                stderr=file,
                user=user,
                extra_groups=[] if user else None,
                # Ctrl-C on the terminal reaches us alone; we stop the parts in order.
                start_new_session=True,
            )
            part = Part(name, process, log)
            self.parts.append(part)
        return part


def _why(part: Part) -> str:
    with contextlib.suppress(subprocess.TimeoutExpired):
        part.process.wait(2)
    return f"{part.name} did not start: {_last_line(part)}"


def _last_line(part: Part) -> str:
    lines = [line for line in part.log.read_text(errors="replace").splitlines() if line.strip()]
    return f"{lines[-1] if lines else 'it said nothing'} (its log: {part.log})"


def free_port() -> int:
    """A port that is free now; for a server that cannot choose one by itself.

    It is below those that systems give to outgoing connections (from 32,768 on Linux), of which one is made meanwhile
    more often than one would think.
    """
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise StartError("no free port was found between 20000 and 32000")


def port_near(wanted: int) -> int:
    """The port itself when nobody has it, else a free one."""
    with socket.socket() as probe:
        # As servers do; else the port would seem taken for a minute after its last user.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return free_port()
    return wanted


def _ask(url: str, body: bytes | None = None) -> Any:
    """The JSON answer of a Prefect server; None while there is none."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=2) as response:
            return json.load(response)
    except (urllib.error.URLError, OSError, ValueError):
        return None
