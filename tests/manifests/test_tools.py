"""The tools themselves accept the files, strictly."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

Run = Callable[..., str]


def test_hadolint_finds_nothing_in_the_dockerfile(tool: Run) -> None:
    """Nor does shellcheck, which hadolint runs over its commands."""
    assert tool("hadolint", "deploy/Dockerfile") == ""


def test_compose_takes_the_file(compose: dict[str, Any]) -> None:
    """Unknown words, wrong types and dangling names are refused by it."""
    assert compose["services"]


def test_compose_says_which_secrets_are_missing(tool: Run, filled: Path, tmp_path: Path) -> None:
    """Who has filled in nothing learns it before anything starts."""
    bare = tmp_path / "compose.yaml"
    bare.write_text((filled / "compose.yaml").read_text())
    told = tool("docker-compose", "--file", bare, "config", "--quiet", check=False)
    assert re.search(r"env file \S+secrets/[a-z-]+\.env not found", told), told


# From the first release whose gRPC probes are stable.
@pytest.mark.parametrize("version", ["1.27", kubernetes_validate.latest_version()])
def test_kubernetes_takes_every_manifest(version: str, manifests: list[dict[str, Any]]) -> None:
    """Each field of each resource is one that the API has, in the oldest release served and in the newest."""
    for resource in manifests:
        kubernetes_validate.validate(resource, version, strict=True)


def test_each_folder_is_applied_by_itself_too(
    folders: list[Path], manifests: list[dict[str, Any]], kustomize: Callable[[Path], list[dict[str, Any]]]
) -> None:
    """A team applies what is its own, and it is what the whole has of it; together they are the whole."""
    alone = [resource for folder in folders for resource in kustomize(folder)]
    assert sorted(map(repr, alone)) == sorted(map(repr, manifests))
