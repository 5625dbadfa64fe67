"""What deploy/ says, as the tools that will act on it understand it: nothing here reads a file's text."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"

Run = Callable[..., str]


def tool(*command: str | Path, env: dict[str, str] | None = None, check: bool = True) -> str:
    """Run a tool and return what it printed; skip aloud when this machine has no such tool."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed: what it checks was not checked")
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("WEATHERVANE_", "PREFECT_"))
    }
    done = subprocess.run(
        command, cwd=ROOT, env={**kept, **(env or {})}, capture_output=True, text=True, timeout=600
    )
    assert not check or done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(name="tool", scope="session")
def _tool() -> Run:
    return tool


@pytest.fixture(scope="session")
def versions() -> dict[str, str]:
    """Return the version of each package that runs somewhere: those with deployments."""
    found = {}
    for path in sorted(ROOT.glob("packages/*/pyproject.toml")):
        manifest = tomllib.loads(path.read_text())
        if f"weathervane-{path.parent.name}" in manifest["project"].get("scripts", {}):
            found[path.parent.name] = manifest["project"]["version"]
    return found


@pytest.fixture(scope="session")
def sources() -> list[str]:
    """Return the packages that are sources."""
    names = {point.name for point in entry_points(group="weathervane.deployments")}
    return sorted(names - {"lake-writer"})


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of deploy/ with a file of secrets made of each example."""
    copy = tmp_path_factory.mktemp("deployed") / "deploy"
    shutil.copytree(DEPLOY, copy, ignore=shutil.ignore_patterns("*.env", "__pycache__"))
    for example in (copy / "secrets").glob("*.env.example"):
        shutil.copy(example, example.with_suffix(""))
    return copy


@pytest.fixture(scope="session")
def compose(filled: Path) -> dict[str, Any]:
    """Return the compose file as Compose understands it."""
    config = tool("docker-compose", "--file", filled / "compose.yaml", "config", "--format=json")
    understood: dict[str, Any] = json.loads(config)
    return understood


def built(folder: Path) -> list[dict[str, Any]]:
    """Return what `kubectl apply -k` would send."""
    return list(YAML(typ="safe").load_all(tool("kubectl", "kustomize", folder)))


@pytest.fixture(scope="session")
def manifests() -> list[dict[str, Any]]:
    """Return everything that Kubernetes is told."""
    return built(KUBERNETES)


@pytest.fixture(scope="session")
def workloads(manifests: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the Deployments and the StatefulSet by name."""
    return {one["metadata"]["name"]: one for one in manifests if one["kind"] in {"Deployment", "StatefulSet"}}


@pytest.fixture(scope="session")
def containers(workloads: dict[str, dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return every container by the names of its workload and of itself."""
    found = {}
    for name, workload in workloads.items():
        pod = workload["spec"]["template"]["spec"]
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            found[name, container["name"]] = container
    return found


@pytest.fixture
def folders() -> list[Path]:
    """Return the folders that the whole is made of."""
    whole = YAML(typ="safe").load(KUBERNETES / "kustomization.yaml")
    return [KUBERNETES / name for name in whole["resources"]]


@pytest.fixture
def kustomize() -> Callable[[Path], list[dict[str, Any]]]:
    """Return the builder of one folder."""
    return built


@pytest.fixture(scope="session")
def compose_files() -> set[str]:
    """Return the names of the files of secrets that the compose file reads, without their ending."""
    told = YAML(typ="safe").load(DEPLOY / "compose.yaml")
    paths = {file["path"] for service in told["services"].values() for file in service.get("env_file", ())}
    return {path.removeprefix("secrets/").removesuffix(".env") for path in paths}


@pytest.fixture(scope="session")
def committed() -> set[str]:
    """Return the paths of every file that git holds or would add."""
    listed = tool("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return set(listed.split("\0"))
