"""The whole of it on one machine: a stranger's command brings everything up, says where, and ends without a trace."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import stamina
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 900.0
"""Seconds for what takes one minute on a quiet machine."""
DEPLOYMENTS = {
    "ingest_google_ads/google-ads-ingestion",
    "ingest_klaviyo_campaigns/klaviyo-campaigns-ingestion",
    "ingest_meta_ads/meta-ads-ingestion",
    "ingest_shopify_orders/shopify-orders-ingestion",
    "ingest_shopify_products/shopify-products-ingestion",
}
POSTGRES = bool(shutil.which("initdb") or list(Path("/usr/lib/postgresql").glob("*/bin/initdb")))


@dataclass
class Running:
    """A stack, started as a person starts it."""

    process: subprocess.Popen[str]
    home: Path
    out: Path
    says: dict[str, Any]

    def said(self) -> str:
        """What it printed so far."""
        return self.out.read_text()


def begin(home: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    """Starts a stack on ports that nobody else has; what it says goes to a file."""
    command = [sys.executable, "-u", "deploy/local/stack.py", "--home", str(home), "--free-ports", *options]
    with out.open("w") as file:
        return subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, text=True)


def patiently(wait: float = 0.5) -> Any:
    """Tries again for as long as a busy machine may need."""
    return stamina.retry_context(
        on=AssertionError, attempts=None, timeout=PATIENCE, wait_initial=wait, wait_max=wait, wait_jitter=0
    )


def descendants(pid: int) -> set[int]:
    """The processes that a process started, and those that they started; Linux only."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found, new = set(), {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def alive(pids: set[int]) -> set[int]:
    """Those that still run; one that ended and was not asked for its exit code does not."""
    return {
        pid
        for pid in pids
        if (status := Path(f"/proc/{pid}/stat")).exists()
        and status.read_text().rpartition(")")[2].split()[0] != "Z"
    }


@pytest.fixture(
    scope="module",
    params=[
        "sqlite",
        pytest.param(
            "postgres", marks=pytest.mark.skipif(not POSTGRES, reason="PostgreSQL is not installed")
        ),
    ],
)
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A stack that is up; stopped by Ctrl-C if its last test did not do so."""
    folder = tmp_path_factory.mktemp("stack")
    home, out = folder / request.param, folder / "out"
    options = ["--no-postgres"] if request.param == "sqlite" else []
    process = begin(home, out, *options)
    try:
        for attempt in patiently():
            with attempt:
                if process.poll() is not None:
                    pytest.fail(f"it ended: {out.read_text()}")
                assert (home / "stack.json").exists(), out.read_text()
        yield Running(process, home, out, json.loads((home / "stack.json").read_text()))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)


def test_every_deployment_is_scheduled_and_a_person_sees_where_everything_is(stack: Running) -> None:
    """The server that the command names has the five deployments, each with a run in the future; so says the screen."""
    with httpx.Client(base_url=stack.says["api"], timeout=60) as api:
        runs = api.post(
            "/flow_runs/filter", json={"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
        ).json()
        found = {}
        for deployment in api.post("/deployments/filter", json={}).json():
            flow = api.get(f"/flows/{deployment['flow_id']}").json()["name"]
            due = [run["expected_start_time"] for run in runs if run["deployment_id"] == deployment["id"]]
            found[f"{flow}/{deployment['name']}"] = min(due, default=None)
        assert found.keys() >= DEPLOYMENTS
        assert all(due and datetime.fromisoformat(due) > datetime.now(UTC) for due in found.values()), found
        # The UI asks the API where its own server says that it is.
        settings = httpx.get(f"{stack.says['ui']}/ui-settings", timeout=60).json()
        assert settings["api_url"] == stack.says["api"]
    said = stack.said()
    for name in (
        *DEPLOYMENTS,
        stack.says["ui"],
        stack.says["lake"],
        *stack.says["sources"].values(),
        "Ctrl-C",
    ):
        assert name in said, said
    assert stack.says["database"] == ("SQLite" if stack.home.name == "sqlite" else "PostgreSQL")
    assert ("No PostgreSQL" in said) == (stack.home.name == "sqlite")
    assert "temporary server" not in said, "it spoke to a Prefect server that it does not have"


def test_the_lake_writer_and_the_sources_answer(stack: Running) -> None:
    """Each says over gRPC that it serves."""
    assert len(stack.says["sources"]) == 4
    for address in (stack.says["lake"], *stack.says["sources"].values()):
        with grpc.insecure_channel(address) as channel:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=60)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, address


def test_tenants_credentials_are_blocks_and_in_no_environment(stack: Running) -> None:
    """Each source finds both tenants in block documents, whose secrets the server masks; no process was given one."""
    with httpx.Client(base_url=stack.says["api"], timeout=60) as api:
        documents = api.post("/block_documents/filter", json={"include_secrets": False}).json()
    names = {one["name"]: one["data"] for one in documents}
    wanted = {
        f"{source}-{tenant}"
        for source in ("google-ads", "klaviyo", "meta-ads", "shopify")
        for tenant in ("acme", "umi-japan")
    }
    assert names.keys() == wanted
    assert set(names["shopify-acme"]["client_secret"]) == {"*"}
    for pid in (stack.process.pid, *descendants(stack.process.pid)):
        variables = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
        assert "CLIENT_SECRET" not in variables
        assert "ACCESS_TOKEN" not in variables


def test_another_stack_does_not_take_the_same_folder(stack: Running, tmp_path: Path) -> None:
    """Two stacks would delete each other's lake: the second says so in one line."""
    process = begin(stack.home, out := tmp_path / "out")
    assert process.wait(PATIENCE) == 2
    assert out.read_text().count("\n") == 1
    assert "a stack is running in" in out.read_text()
    assert stack.process.poll() is None


def test_it_ends_with_nothing_left(stack: Running) -> None:
    """Ctrl-C ends it well; a part that dies ends it with the part's name, its log and a failure. Either way no process
    goes on, no port answers, and the temporary folder is gone.
    """
    started = descendants(stack.process.pid)
    assert started >= set(stack.says["processes"].values())
    if stack.home.name == "sqlite":
        stack.process.send_signal(signal.SIGINT)
        assert stack.process.wait(PATIENCE) == 0, stack.said()
    else:
        os.kill(stack.says["processes"]["lake-writer"], signal.SIGKILL)
        assert stack.process.wait(PATIENCE) == 1, stack.said()
        assert "lake-writer ended by itself" in stack.said()
        assert str(stack.home / "logs" / "lake-writer.log") in stack.said()
    assert alive(started) == set()
    for address in (
        stack.says["ui"].removeprefix("http://"),
        stack.says["lake"],
        *stack.says["sources"].values(),
    ):
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://{address}/")
    assert not (stack.home / "stack.json").exists()
    assert (stack.home / "lake").is_dir()


def test_ctrl_c_during_the_start_leaves_nothing_either(tmp_path: Path) -> None:
    """Stopped when only some of its parts run, it ends them and starts no other."""
    process = begin(tmp_path / "home", out := tmp_path / "out")
    for attempt in patiently(0.05):
        with attempt:
            started = descendants(process.pid)
            assert len(started) >= 4, out.read_text()
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 130, out.read_text()
    assert alive(started) == set()
    # What it started after that look would be nobody's child now; its parts have the folder in their command.
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert str(tmp_path / "home") not in command.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    """A start empties the stack's folder, so it takes none that is not a stack's."""
    home, out = tmp_path / "home", tmp_path / "out"
    (home / "lake").mkdir(parents=True)
    (home / "lake" / "precious").write_text("")
    process = begin(home, out)
    assert process.wait(PATIENCE) == 2
    assert out.read_text().count("\n") == 1
    assert "holds something else" in out.read_text()
    assert (home / "lake" / "precious").exists()
