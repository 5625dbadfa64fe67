"""Containers are confined, bounded and probed; the network lets in whom it must, and nobody else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

Compose = dict[str, Any]
Workloads = dict[str, dict[str, Any]]
Containers = dict[tuple[str, str], dict[str, Any]]

RUNNING = Path(__file__).parents[2] / "docs" / "running.md"


def labels(workload: dict[str, Any]) -> dict[str, str]:
    """Return the labels of a workload's pods."""
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


def selected(selector: dict[str, str], workloads: Workloads) -> set[str]:
    """Return the workloads whose pods have all these labels."""
    return {name for name, one in workloads.items() if selector.items() <= labels(one).items()}


def callers(name: str, port: int, manifests: list[dict[str, Any]], workloads: Workloads) -> set[str]:
    """Return the workloads that the network lets reach a port; all of them when no policy is about it."""
    policies = [
        one["spec"]
        for one in manifests
        if one["kind"] == "NetworkPolicy"
        and name in selected(one["spec"]["podSelector"].get("matchLabels", {}), workloads)
    ]
    if not policies:
        return set(workloads)
    return {
        caller
        for policy in policies
        for rule in policy.get("ingress", ())
        if port in {one["port"] for one in rule["ports"]}
        for peer in rule["from"]
        for caller in selected(peer["podSelector"]["matchLabels"], workloads)
    }


def test_the_network_lets_in_whom_it_must_and_nobody_else(
    manifests: list[dict[str, Any]], workloads: Workloads, containers: Containers
) -> None:
    """The services have no authentication yet; who is given an address reaches it, nobody else does."""
    clients = {
        name
        for (name, _), container in containers.items()
        if {"configMapRef": {"name": "settings"}} in container["envFrom"]
    } - {"lake-writer"}
    assert callers("lake-writer", 50051, manifests, workloads) == clients
    assert callers("prefect", 4200, manifests, workloads) == clients
    assert callers("postgres", 5432, manifests, workloads) == {"prefect"}
    for name in workloads.keys() - {"lake-writer", "prefect", "postgres"}:
        assert not callers(name, 50061, manifests, workloads), f"{name} can be called"


def test_a_service_leads_to_exactly_one_workload(
    manifests: list[dict[str, Any]], workloads: Workloads
) -> None:
    """And to a port that it has; a selector that is too wide would send writes to a worker."""
    services = {one["metadata"]["name"]: one["spec"] for one in manifests if one["kind"] == "Service"}
    for name, service in services.items():
        found = selected(service["selector"], workloads)
        assert found == {name}, f"service {name} leads to {found}"
        (container,) = workloads[name]["spec"]["template"]["spec"]["containers"]
        ports = {one["containerPort"]: one["name"] for one in container["ports"]}
        for port in service["ports"]:
            target = port.get("targetPort", port["port"])
            assert target in {port["port"], *ports.values()}, f"service {name}: no port {target}"
            assert port["port"] in ports


def test_lake_writers_are_several_and_all_are_used(
    compose: Compose, manifests: list[dict[str, Any]], workloads: Workloads
) -> None:
    """Their name has an address for each, of which clients use all; one may be gone for a rollout or a drain."""
    assert compose["services"]["lake-writer"]["deploy"]["replicas"] > 1
    assert "ports" not in compose["services"]["lake-writer"], "the second could not have the same port"
    by_kind = {(one["kind"], one["metadata"]["name"]): one.get("spec", one) for one in manifests}
    assert by_kind["Service", "lake-writer"]["clusterIP"] == "None"
    scaler = by_kind["HorizontalPodAutoscaler", "lake-writer"]
    assert scaler["scaleTargetRef"]["name"] == "lake-writer"
    assert scaler["minReplicas"] > 1
    assert "replicas" not in workloads["lake-writer"]["spec"], "each apply would undo what the autoscaler did"
    budget = by_kind["PodDisruptionBudget", "lake-writer"]
    assert selected(budget["selector"]["matchLabels"], workloads) == {"lake-writer"}
    # On one machine they share a disk; on several only a store can be shared.
    assert "://" in by_kind["ConfigMap", "settings"]["data"]["WEATHERVANE_LAKE_ROOT"]


def test_pods_meet_the_restricted_standard(workloads: Workloads, containers: Containers) -> None:
    """The namespace enforces it, so a pod that does not is never started."""
    for name, workload in workloads.items():
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not pod["automountServiceAccountToken"], name
        assert not pod["enableServiceLinks"], name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), name
        # `data` is a claim's.
        volumes = {one["name"] for one in pod.get("volumes", ())} | {"data"}
        assert all(
            set(one) & {"name", "emptyDir", "persistentVolumeClaim"} == set(one) for one in pod["volumes"]
        )
        for container in (one for (owner, _), one in containers.items() if owner == name):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes, name


def test_containers_are_bounded_and_probed(
    compose: Compose, workloads: Workloads, containers: Containers
) -> None:
    """Memory has a limit everywhere, and whatever stays up is asked how it is."""
    for (name, role), container in containers.items():
        assert container["resources"]["limits"]["memory"], (name, role)
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}, (name, role)
        assert ("startupProbe" in container) == (role == "main"), (name, role)
    for name, service in compose["services"].items():
        assert int(service["deploy"]["resources"]["limits"]["memory"]) > 0, name
        assert service["restart"], name
        assert ("healthcheck" in service) == (not name.endswith("-register")), name
        if name != "postgres":
            assert service["read_only"], name
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name


def test_ports_agree(
    compose: Compose, workloads: Workloads, containers: Containers, versions: dict[str, str]
) -> None:
    """Where a container listens, where it is probed, and what the documentation says."""
    text = RUNNING.read_text()
    assert compose["services"]["prefect"]["ports"][0]["published"] == "4200"
    for package in versions:
        name = package if package == "lake-writer" else f"{package}-source"
        container = containers[name, "main"]
        (port,) = (one["containerPort"] for one in container["ports"])
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["grpc"] == {"port": port}, (name, probe)
        service = compose["services"][package]
        assert service["healthcheck"]["test"][-1] == f"127.0.0.1:{port}", package
        for published in service.get("ports", ()):
            assert published["target"] == port, package
            assert published["host_ip"] == "127.0.0.1", package
            assert re.search(rf"`{package}` [^|]*\| `{published['published']}`", text), (
                f"docs/running.md does not say that {package} is on port {published['published']}"
            )
    assert compose["services"]["shopify"]["environment"]["WEATHERVANE_LAKE_ADDRESS"] == "lake-writer:50051"
    (port,) = (one["containerPort"] for one in containers["lake-writer", "main"]["ports"])
    assert port == 50051
