"""A package that deploys something, made in a folder: its module, its `prefect.yaml`, its entry point."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from weathervane.flow._packages import GROUP

FLOWS = """
from datetime import date

from prefect import flow


@flow(name="{name}_read", version="1.2.3")
def read(tenant_id: str, start_date: date | None = None) -> str:
    return tenant_id


@flow(name="{name}_clean", version="1.2.3")
def clean(days: int = 7) -> int:
    return days


not_a_flow = 1
"""
BLOCKS = '''
from prefect.blocks.core import Block
from pydantic import SecretStr


class Credentials(Block):
    """Credentials of one tenant."""

    _block_type_name = "{name} credentials"
    _block_type_slug = "{slug}-credentials"
    token: SecretStr


__all__ = ["Credentials"]
'''


@dataclass
class PretendPackage:
    """A package with one deployment, `reading`; a second, `cleaning`, can be added."""

    folder: Path
    name: str
    """Of its module, e.g. `pretend_1f`; no other package in the world has it."""
    deployments: list[dict[str, Any]] = field(default_factory=list)
    pool: str = ""

    @property
    def slug(self) -> str:
        """The name with dashes: of its entry point, its tag, its queue."""
        return self.name.replace("_", "-")

    @property
    def file(self) -> Path:
        """Its `prefect.yaml`, where a wheel has it."""
        return self.folder / self.name / "prefect.yaml"

    @property
    def point(self) -> EntryPoint:
        """By which it is found."""
        return EntryPoint(self.slug, self.name, GROUP)

    def deployment(self, name: str, flow: str, **changes: Any) -> dict[str, Any]:
        """A deployment as its file has it."""
        return {
            "name": f"{self.slug}-{name}",
            "description": "What it does.",
            "entrypoint": f"{self.name}.flows:{flow}",
            "tags": ["weathervane", self.slug],
            "parameters": {},
            "schedules": [{"slug": "daily", "cron": "0 2 * * *", "timezone": "UTC"}],
            "work_pool": {"name": self.pool, "work_queue_name": self.slug},
            "concurrency_limit": {"limit": 4, "collision_strategy": "ENQUEUE"},
            **changes,
        }

    def write(self, **changes: Any) -> None:
        """Writes its `prefect.yaml`; JSON is YAML."""
        data = {"name": self.slug, "pull": [], "deployments": self.deployments, **changes}
        self.file.write_text(json.dumps(data))

    def install(self) -> None:
        """As an installer does: its entry point stands in a folder beside it."""
        info = self.folder / f"{self.name}-1.2.3.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {self.name}\nVersion: 1.2.3\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{self.slug} = {self.name}\n")


def make_package(folder: Path, monkeypatch: pytest.MonkeyPatch, *, pool: str = "") -> PretendPackage:
    """Makes a package that can be imported, with a name of its own, in a pool of its own."""
    package = PretendPackage(folder, f"pretend_p{uuid.uuid4().hex[:8]}")
    package.pool = pool or f"{package.slug}-pool"
    module = folder / package.name
    module.mkdir()
    (module / "flows.py").write_text(FLOWS.format(name=package.name))
    (module / "__init__.py").write_text(BLOCKS.format(name=package.name, slug=package.slug))
    monkeypatch.syspath_prepend(folder)
    package.deployments = [package.deployment("reading", "read", parameters={"tenant_id": "*"})]
    package.write()
    return package
