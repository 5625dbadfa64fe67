"""Every package that runs has its place in both, and both say the same of it."""

from __future__ import annotations

from typing import Any

import pytest

Compose = dict[str, Any]
Workloads = dict[str, dict[str, Any]]
Containers = dict[tuple[str, str], dict[str, Any]]

WITHOUT_PROBES = {"register"}  # it ends


def kubernetes_name(package: str) -> str:
    """Return what Kubernetes calls the Deployment of a package's service."""
    return package if package == "lake-writer" else f"{package}-source"


def test_compose_runs_every_package_in_its_three_roles(versions: dict[str, str], compose: Compose) -> None:
    """Service, registering, worker: from the package's image, at the version that its pyproject has."""
    for package, version in versions.items():
        for name, role in (
            (package, ["serve"]),
            (f"{package}-register", ["register"]),
            (f"{package}-worker", ["work", "--limit", "4"]),
        ):
            assert name in compose["services"], f"deploy/compose.yaml lacks {name}"
            service = compose["services"][name]
            assert service["image"] == f"weathervane-{package}:{version}", f"compose.yaml: image of {name}"
            assert service["build"]["args"] == {"PACKAGE": package}, f"compose.yaml: build of {name}"
            assert service["command"] == role, f"compose.yaml: command of {name}"
        worker = compose["services"][f"{package}-worker"]["depends_on"]
        assert worker == {
            f"{package}-register": {"condition": "service_completed_successfully", "required": True}
        }


def test_kubernetes_runs_every_package_in_its_three_roles(
    versions: dict[str, str], containers: Containers
) -> None:
    """As Compose does; registering comes before working, from the same image."""
    for package, version in versions.items():
        service, worker = kubernetes_name(package), f"{package}-worker"
        for place, role in (
            ((service, "main"), ["serve"]),
            ((worker, "register"), ["register"]),
            ((worker, "main"), ["work", "--limit", "4"]),
        ):
            assert place in containers, f"deploy/kubernetes/{package} lacks {place}"
            assert containers[place]["image"] == f"weathervane-{package}:{version}", f"image of {place}"
            assert containers[place]["args"] == role, f"args of {place}"


def test_nothing_else_runs(versions: dict[str, str], compose: Compose, workloads: Workloads) -> None:
    """A package that was removed leaves nothing behind."""
    suffixes = ("", "-register", "-worker")
    assert set(compose["services"]) == {
        "postgres",
        "prefect",
        *(f"{package}{suffix}" for package in versions for suffix in suffixes),
    }
    assert set(workloads) == {
        "postgres",
        "prefect",
        *(name for package in versions for name in (kubernetes_name(package), f"{package}-worker")),
    }


def test_both_run_the_same_database_and_prefect_server(compose: Compose, containers: Containers) -> None:
    """The same images, and the same settings but for addresses."""
    for name in ("postgres", "prefect"):
        assert compose["services"][name]["image"] == containers[name, "main"]["image"]
    there = {one["name"]: one["value"] for one in containers["prefect", "main"]["env"]}
    here = compose["services"]["prefect"]["environment"]
    assert {name: value for name, value in here.items() if value} == there


def test_the_prefect_image_has_the_pinned_prefect(containers: Containers) -> None:
    """Its tag says what is in it."""
    from importlib.metadata import version

    assert containers["prefect", "main"]["image"] == f"weathervane-prefect:{version('prefect')}"


@pytest.mark.parametrize("role", ["register", "worker"])
def test_a_sources_roles_see_only_their_own_secrets(
    role: str, sources: list[str], containers: Containers, compose: Compose
) -> None:
    """One team's credentials are in no other team's containers."""
    for source in sources:
        prefix = f"WEATHERVANE_{source}__".replace("-", "_").upper()
        given = compose["services"][f"{source}-{role}"]["environment"]
        others = [name for name in given if "__" in name and not name.startswith(prefix)]
        assert not others, f"{source}-{role} is given {others}"
        container = containers[f"{source}-worker", "register" if role == "register" else "main"]
        named = [one["secretRef"]["name"] for one in container["envFrom"] if "secretRef" in one]
        assert named == ["prefect-client", *([source] if role == "worker" else [])]
