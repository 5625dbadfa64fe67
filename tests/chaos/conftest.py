"""A disk that fails on demand, and processes on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from weathervane.lake import LakeClient

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def faultfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library to preload, compiled from faultfs.c."""
    library = tmp_path_factory.mktemp("faultfs") / "faultfs.so"
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["gcc", *flags, "-o", library, HERE / "faultfs.c", "-ldl", "-lpthread"], check=True)
    return library


Lab = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def run_case(faultfs: Path) -> Iterator[Lab]:
    """Runs a case in the lab (lab.py) and returns its answer."""
    # Starting a pool of threads in each fork would cost more than the case.
    pools = dict.fromkeys(("POLARS_MAX_THREADS", "TOKIO_WORKER_THREADS", "OMP_NUM_THREADS"), "1")
    environment = {**os.environ, **pools, "LD_PRELOAD": str(faultfs)}
    command = [sys.executable, str(HERE / "lab.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        pipe_in, pipe_out = process.stdin, process.stdout

        def run(lake: Path, operation: str, **fault: Any) -> dict[str, Any]:
            usual = {
                "kinds": "",
                "part": "",
                "at": 0,
                "action": "",
                "trace": "",
                "write_id": "the-write",
                "only": "",
                "upkeep": False,
            }
            pipe_in.write(json.dumps({**usual, "lake": str(lake), "operation": operation, **fault}) + "\n")
            pipe_in.flush()
            answer = dict(json.loads(pipe_out.readline()))
            assert "broken" not in answer, f"{operation} {fault}: {answer['broken']}"
            return answer

        yield run
        pipe_in.close()


@pytest.fixture(scope="session")
def template(run_case: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake as it is before every operation."""
    lake = tmp_path_factory.mktemp("template") / "lake"
    run_case(lake, "prepare")
    return lake


@pytest.fixture
def new_lake(template: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes one copy of the template after another, each in the place of the one before."""
    lake = tmp_path / "lake"

    def make() -> Path:
        shutil.rmtree(lake, ignore_errors=True)
        return Path(shutil.copytree(template, lake))

    return make


class Server:
    """A real lake writer process, its disk as told, and a client of it."""

    def __init__(self, process: subprocess.Popen[str], meeting: Path) -> None:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready, "the server did not start"
        self.process = process
        self.client = LakeClient(json.loads(ready)["address"])
        self._meeting = meeting

    def wait_until_held(self) -> None:
        """Returns when the server has come to the file operation that it is held at."""
        with open(f"{self._meeting}.reached"):
            pass

    def let_go(self) -> None:
        """Lets the held file operation happen."""
        with open(f"{self._meeting}.go", "w"):
            pass


Serve = Callable[..., AbstractContextManager[Server]]


@pytest.fixture
def serve(faultfs: Path, tmp_path: Path) -> Serve:
    """Starts servers whose disk fails as told: `serve(lake, action="kill", kinds="l", at=1)` is for a `with`."""

    @contextmanager
    def start(lake: Path, **fault: Any) -> Iterator[Server]:
        meeting = tmp_path / "meeting"
        for end in ("reached", "go"):
            if not Path(f"{meeting}.{end}").exists():
                os.mkfifo(f"{meeting}.{end}")
        variables = {
            "FOLDER": lake / "acme",
            "FILE": meeting if fault.get("action") == "hold" else "",
            **fault,
        }
        environment = {f"FAULTFS_{name.upper()}": str(value) for name, value in variables.items()}
        environment = {**os.environ, "LD_PRELOAD": str(faultfs), **environment}
        command = [sys.executable, "-m", "weathervane.lake.server", "--lake", str(lake), "--port", "0"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        ) as process:
            try:
                server = Server(process, meeting)
                with server.client:
                    yield server
            finally:
                process.kill()

    return start
