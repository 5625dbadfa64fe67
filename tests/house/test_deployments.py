"""What all packages deploy, as their files say it: right without a server, and what the house has promised."""

import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from weathervane.flow import GROUP, Definition, installed_packages, read_definitions

DAILY_AT = {"meta-ads-ingestion": 2, "google-ads-ingestion": 2, "shopify-orders-ingestion": 3}
CRONS = {
    **{name: f"0 {hour} * * *" for name, hour in DAILY_AT.items()},
    "shopify-products-ingestion": "0 4 * * 0",  # Sundays
    "klaviyo-campaigns-ingestion": "0 5 * * *",
}


@pytest.fixture(scope="module")
def deployed() -> list[Definition]:
    """What `weathervane-deploy` would register."""
    return read_definitions(installed_packages())


def test_every_file_of_deployments_is_found(root: Path, deployed: list[Definition]) -> None:
    """A package that has a prefect.yaml has its entry point, and puts the file into its wheel."""
    files = sorted(root.glob("packages/*/prefect.yaml"))
    assert sorted({one.package.file for one in deployed}) == files
    for file in files:
        manifest: dict[str, Any] = tomllib.loads((file.parent / "pyproject.toml").read_text())
        (module,) = manifest["project"]["entry-points"][GROUP].values()
        included = manifest["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
        assert included == {"prefect.yaml": f"{module.replace('.', '/')}/prefect.yaml"}


def test_each_source_runs_when_it_was_promised(deployed: list[Definition]) -> None:
    """In UTC, said explicitly, once a schedule."""
    crons = {one.entry.name: one.entry.schedules[0].cron for one in deployed}
    assert {name: crons[name] for name in CRONS} == CRONS
    for one in deployed:
        (schedule,) = one.entry.schedules
        assert schedule.timezone == "UTC"


def test_each_deployment_is_made_alike(deployed: list[Definition]) -> None:
    """One pool, a queue a package, bounded, from an installed module, at its package's version."""
    for one in deployed:
        entry, module = one.entry, one.package.module
        assert (entry.work_pool.name, entry.work_pool.work_queue_name) == (
            "weathervane-pool",
            one.package.tag,
        )
        assert entry.entrypoint.partition(":")[0] in (module, f"{module}.flows")
        assert entry.tags == ["weathervane", one.package.tag]
        distribution = one.package.file.parent.name
        assert one.flow.version == version(f"weathervane-{distribution}")
        assert 1 <= entry.concurrency_limit.limit <= 10
        assert entry.concurrency_limit.collision_strategy == "ENQUEUE"


@pytest.mark.parametrize("name", CRONS)
def test_an_ingestion_runs_for_every_tenant_from_its_checkpoint(
    deployed: list[Definition], name: str
) -> None:
    """A schedule gives no dates: the window is found when it fires."""
    (one,) = (each for each in deployed if each.entry.name == name)
    assert one.entry.parameters == {"tenant_id": "*"}
    assert {"start_date", "end_date"} <= set(one.flow.parameters.properties)
    assert one.flow.parameters.required == ["tenant_id"]
