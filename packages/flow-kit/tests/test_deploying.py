"""Registering with a real Prefect server: what is made, what is changed, what is left as an operator wants it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL
from prefect.states import Pending

from weathervane.flow._automations import automations
from weathervane.flow._deployments import Change
from weathervane.flow._errors import FlowError
from weathervane.flow._register import deploy

from .pretend_package import PretendPackage, make_package

NAMES = [automation.name for automation in automations()]
MARK = NAMES[0]


@pytest.fixture
def api(prefect: None) -> Any:
    """A client of the session's server, on which nobody has registered automations yet."""
    with get_client(sync_client=True) as client:
        for automation in client.read_automations():
            client.delete_automation(automation.id)
        yield client


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PretendPackage:
    """A package of which the server knows nothing."""
    return make_package(tmp_path, monkeypatch)


@pytest.fixture
def register(api: SyncPrefectClient, package: PretendPackage) -> Callable[..., list[str]]:
    """Registers the package, and gives the lines."""

    def registered(*more: PretendPackage, **options: Any) -> list[str]:
        points = [one.point for one in (package, *more)]
        changes = deploy(PREFECT_API_URL.value(), found=points, **options)
        return [change.line(dry_run=options.get("dry_run", False)) for change in changes]

    return registered


def everything(api: SyncPrefectClient) -> dict[str, list[Any]]:
    """All that registering could write, with the time of the last writing."""
    kinds = (
        "flows",
        "deployments",
        "work_pools",
        "work_queues",
        "block_types",
        "block_schemas",
        "automations",
    )
    return {
        kind: api.request("POST", f"/{kind}/filter", json={}).json()
        for kind in (*kinds, "v2/concurrency_limits")
    }


def reading(api: SyncPrefectClient, package: PretendPackage) -> DeploymentResponse:
    """The package's deployment, as the server has it."""
    return api.read_deployment_by_name(f"{package.name}_read/{package.slug}-reading")


def interesting(lines: list[str]) -> list[str]:
    """What is not as it was."""
    return [line for line in lines if not line.startswith("unchanged")]


def test_the_first_time_all_is_made(
    api: SyncPrefectClient, package: PretendPackage, register: Callable[..., list[str]]
) -> None:
    """Pool, queue, block type, deployment, schedule and automations, a line each."""
    name = f"{package.name}_read/{package.slug}-reading"
    assert register() == [
        f"created    work pool {package.pool}",
        f"created    work queue {package.pool}/{package.slug}",
        f"created    block type {package.slug}-credentials",
        f"created    deployment {name}",
        f"created    schedule daily of deployment {name}: 0 2 * * * UTC",
        *(f"created    automation {name!r}" for name in NAMES),
    ]
    assert api.read_work_pool(package.pool).type == "process"
    assert api.read_work_queue_by_name(package.slug, package.pool)
    assert api.read_block_type_by_slug(f"{package.slug}-credentials")
    assert {one.name for one in api.read_automations()} == set(NAMES)
    there = reading(api, package)
    assert (there.version, there.tags) == ("1.2.3", [package.slug, "weathervane"])
    assert (there.entrypoint, there.pull_steps) == (f"{package.name}.flows:read", [])
    assert (there.work_pool_name, there.work_queue_name) == (package.pool, package.slug)
    assert (there.parameters, there.enforce_parameter_schema) == ({"tenant_id": "*"}, True)
    assert set((there.parameter_openapi_schema or {})["properties"]) == {"tenant_id", "start_date"}
    assert there.global_concurrency_limit.limit == 4
    assert there.concurrency_options.collision_strategy == "ENQUEUE"
    (schedule,) = there.schedules
    assert (schedule.schedule.cron, schedule.schedule.timezone) == ("0 2 * * *", "UTC")
    assert (schedule.slug, schedule.active, there.paused) == ("daily", True, False)


def test_a_parameter_that_the_flow_does_not_have_is_refused_by_name(
    api: SyncPrefectClient, package: PretendPackage, register: Callable[..., list[str]]
) -> None:
    """When the run is asked for. Prefect would take it, and its process would die without a state or a word."""
    register()
    with pytest.raises(PrefectHTTPStatusError, match="'start_dat' was unexpected"):
        api.create_flow_run_from_deployment(reading(api, package).id, parameters={"start_dat": "2026-11-01"})


def test_the_second_time_nothing_is_written(
    api: SyncPrefectClient, register: Callable[..., list[str]]
) -> None:
    """Not even the time of the last change."""
    register()
    before = everything(api)
    lines = register()
    assert len(lines) == 5 + len(NAMES)
    assert interesting(lines) == []
    assert everything(api) == before


def test_registering_resumes_what_died_when_nobody_looked(
    api: SyncPrefectClient,
    package: PretendPackage,
    register: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker registers before it works; a dry run says what would be resumed."""
    register()
    run = api.create_flow_run_from_deployment(reading(api, package).id, name="acme · read")
    api.set_flow_run_state(run.id, Pending(), force=True)
    assert interesting(register()) == []
    monkeypatch.setenv("WEATHERVANE_DEAD_AFTER_PENDING", "PT0.001S")
    (line,) = interesting(register(dry_run=True))
    assert line.startswith("would be changed run acme · read: Pending since ")
    assert api.read_flow_run(run.id).state_name == "Pending"
    (line,) = interesting(register())
    assert line.endswith(": a worker took it and did not start it; now Resuming")
    assert api.read_flow_run(run.id).state_name == "Resuming"
    assert interesting(register()) == []
    monkeypatch.setenv("WEATHERVANE_DEAD_AFTER_PENDING", "soon")
    with pytest.raises(FlowError, match="WEATHERVANE_DEAD_AFTER_PENDING: write a time"):
        register()


def test_a_dry_run_writes_nothing_and_says_what_it_would(
    api: SyncPrefectClient, package: PretendPackage, register: Callable[..., list[str]]
) -> None:
    """On a server that knows nothing, and on one on which each kind of change is due."""
    before = everything(api)
    would = register(dry_run=True)
    assert everything(api) == before
    kinds = ("work pool", "work queue", "block type", "deployment", "schedule", *["automation"] * len(NAMES))
    for line, kind in zip(would, kinds, strict=True):
        assert line.startswith(f"would be created {kind} ")
    assert [line.replace("would be created", "created   ") for line in would] == register()
    cleaning = package.deployment("cleaning", "clean")
    package.deployments[0] |= {"schedules": [], "description": "Other words."}
    package.deployments.append(cleaning)
    package.write()
    before = everything(api)
    would = register(dry_run=True, silence=automations()[0].trigger.within * 2)
    assert everything(api) == before
    assert [line.split()[2] for line in would if line.startswith("would be")] == [
        "changed",  # the description
        "deleted",  # its schedule
        "created",  # a deployment
        "created",  # and its schedule
        "changed",  # two automations hold the silence
        "changed",
    ]
    package.deployments = [cleaning]
    package.write()
    before = everything(api)
    assert [line for line in register(dry_run=True, prune=True) if "would be deleted deployment" in line]
    assert everything(api) == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"parameters": {"tenant_id": "acme"}}, 'parameters {"tenant_id": "*"} -> {"tenant_id": "acme"}'),
        ({"description": "More."}, 'description "What it does." -> "More."'),
        (
            {"concurrency_limit": {"limit": 1, "collision_strategy": "CANCEL_NEW"}},
            "concurrency_limit 4 -> 1, concurrency_options",
        ),
    ],
)
def test_a_field_that_changed_is_changed_and_told(
    api: SyncPrefectClient,
    package: PretendPackage,
    register: Callable[..., list[str]],
    change: dict[str, Any],
    told: str,
) -> None:
    """The deployment stays the same one; nothing else is touched."""
    register()
    was = reading(api, package)
    package.deployments[0] |= change
    package.write()
    assert interesting(register()) == [f"changed    deployment {package.name}_read/{was.name}: {told}"]
    there = reading(api, package)
    assert there.id == was.id
    for field, value in change.items():
        if field == "concurrency_limit":
            assert there.global_concurrency_limit.limit == value["limit"]
            assert there.concurrency_options.collision_strategy == value["collision_strategy"]
        else:
            assert getattr(there, field) == value
    assert interesting(register()) == []


def test_tags_queue_and_pool_are_changed_and_told(
    api: SyncPrefectClient, package: PretendPackage, register: Callable[..., list[str]]
) -> None:
    """Values that differ with the package's name."""
    register()
    other = f"{package.slug}-other"
    package.deployments[0]["tags"].append("nightly")
    package.deployments[0]["work_pool"] = {"name": package.pool, "work_queue_name": other}
    package.write()
    lines = interesting(register())
    assert lines[0] == f"created    work queue {package.pool}/{other}"
    assert 'work_queue_name "' in lines[1]
    assert "tags" in lines[1]
    assert len(lines) == 2
    there = reading(api, package)
    assert (there.work_queue_name, sorted(there.tags)) == (other, sorted(package.deployments[0]["tags"]))


def test_schedules_follow_the_file(
    api: SyncPrefectClient, package: PretendPackage, register: Callable[..., list[str]]
) -> None:
    """One is changed, one is new, one left the file and is deleted; those without a slug are an operator's."""
    two = [{"slug": slug, "cron": "0 2 * * *", "timezone": "UTC"} for slug in ("daily", "other")]
    package.deployments[0]["schedules"] = two
    package.write()
    register()
    hourly = DeploymentScheduleCreate(schedule=IntervalSchedule(interval=3600), active=False)
    api.create_deployment_schedules(reading(api, package).id, [hourly])
    package.deployments[0]["schedules"] = [
        {"slug": "daily", "cron": "30 3 * * *", "timezone": "Europe/Paris"},
        {"slug": "weekly", "cron": "0 4 * * 0", "timezone": "UTC", "parameters": {"tenant_id": "acme"}},
    ]
    package.write()
    of = f"of deployment {package.name}_read/{package.slug}-reading"
    assert interesting(register()) == [
        f'changed    schedule daily {of}: schedule "0 2 * * * UTC" -> "30 3 * * * Europe/Paris"',
        f"deleted    schedule other {of}",
        f"created    schedule weekly {of}: 0 4 * * 0 UTC",
    ]
    there = {one.slug: one for one in reading(api, package).schedules}
    assert there.keys() == {None, "daily", "weekly"}
    assert there[None].active is False
    assert there["daily"].schedule.timezone == "Europe/Paris"
    assert there["weekly"].parameters == {"tenant_id": "acme"}
    assert interesting(register()) == []


def test_what_an_operator_paused_stays_paused(
    api: SyncPrefectClient, package: PretendPackage, register: Callable[..., list[str]]
) -> None:
    """Also when the same thing is changed."""
    register()
    there = reading(api, package)
    api.update_deployment(there.id, DeploymentUpdate(paused=True))
    api.update_deployment_schedule(there.id, there.schedules[0].id, active=False)
    api.pause_automation(api.read_automations_by_name(MARK)[0].id)
    lines = register()
    assert len([line for line in lines if line.endswith(": paused by an operator")]) == 3
    assert interesting(lines) == []
    package.deployments[0]["schedules"][0]["cron"] = "0 6 * * *"
    package.deployments[0]["description"] = "Other words."
    package.write()
    lines = interesting(register(silence=automations()[0].trigger.within * 2))
    assert [line.split()[1] for line in lines] == ["deployment", "schedule", "automation", "automation"]
    there = reading(api, package)
    assert (there.paused, there.description) == (True, "Other words.")
    assert (there.schedules[0].active, there.schedules[0].schedule.cron) == (False, "0 6 * * *")
    (mark,) = api.read_automations_by_name(MARK)
    assert (mark.enabled, mark.trigger.within) == (False, automations()[0].trigger.within * 2)


def test_a_deployment_that_left_its_file_is_told_and_only_deleted_when_asked(
    api: SyncPrefectClient,
    package: PretendPackage,
    register: Callable[..., list[str]],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another package's are no business of this one's."""
    other = make_package(tmp_path_factory.mktemp("other"), monkeypatch)
    register(other)
    package.deployments = [package.deployment("cleaning", "clean")]
    package.write()
    old = f"{package.name}_read/{package.slug}-reading"
    (left,) = [line for line in register() if line.startswith("left over")]
    assert left.startswith(f"left over  deployment {old}: in no prefect.yaml of {package.slug}")
    assert "--prune" in left
    assert reading(api, package)
    assert interesting(register(prune=True)) == [f"deleted    deployment {old}"]
    with pytest.raises(ObjectNotFound):
        reading(api, package)
    assert reading(api, other)


def test_one_package_alone(
    api: SyncPrefectClient,
    package: PretendPackage,
    register: Callable[..., list[str]],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other's file may even be wrong."""
    other = make_package(tmp_path_factory.mktemp("other"), monkeypatch)
    other.file.write_text("[")
    assert register(other, packages=[package.slug])[0] == f"created    work pool {package.pool}"
    with pytest.raises(ObjectNotFound):
        api.read_work_pool(other.pool)


@pytest.mark.filterwarnings("ignore:Type 'Credentials' at")  # the same class anew, as a new process has it
def test_a_block_type_that_changed_is_told(
    api: SyncPrefectClient, package: PretendPackage, register: Callable[..., list[str]]
) -> None:
    """A new field is a new schema of the same type."""
    register()
    module = sys.modules[package.name]
    assert module.__file__ is not None
    blocks = Path(module.__file__)
    blocks.write_text(blocks.read_text().replace("token: SecretStr", "token: SecretStr\n    shop: str"))
    exec(compile(blocks.read_text(), blocks, "exec"), vars(module))
    assert interesting(register()) == [f"changed    block type {package.slug}-credentials: fields"]
    assert interesting(register()) == []


def test_broken_off_anywhere_the_next_one_does_the_rest(
    api: SyncPrefectClient, package: PretendPackage, register: Callable[..., list[str]]
) -> None:
    """What was told is done, what was not told is yet to be done; nothing is done twice."""
    package.deployments.append(package.deployment("cleaning", "clean"))
    package.write()
    done: list[Change] = []

    def broken_off(change: Change) -> None:
        done.append(change)
        if change.kind.value == "created":
            raise KeyboardInterrupt

    for _ in range(20):
        try:
            register(tell=broken_off)
        except KeyboardInterrupt:
            continue
        break
    assert interesting(register()) == []
    made = [change.thing for change in done if change.kind.value == "created"]
    # A deployment is made together with its schedules.
    assert len(made) == len(set(made)) == 5 + len(NAMES)
    assert len(reading(api, package).schedules) == 1


def test_two_at_once_make_everything_once(
    api: SyncPrefectClient, package: PretendPackage, register: Callable[..., list[str]]
) -> None:
    """As two machines of one release do."""
    barrier = threading.Barrier(2)
    url = PREFECT_API_URL.value()

    def at_once() -> list[Change]:
        met: set[str] = set()
        barrier.wait(timeout=120)

        def side_by_side(change: Change) -> None:
            # At each new kind of thing both wait for each other, so that they make the next one at once.
            if (kind := change.thing.split("'")[0]) not in met:
                met.add(kind)
                barrier.wait(timeout=120)

        return deploy(url, found=[package.point], tell=side_by_side)

    with ThreadPoolExecutor(2) as pool:
        one, other = (future.result() for future in [pool.submit(at_once), pool.submit(at_once)])
    assert [change.thing for change in one] == [change.thing for change in other]
    assert sorted(one.name for one in api.read_automations()) == sorted(NAMES)
    assert len(reading(api, package).schedules) == 1
    assert interesting(register()) == []


def test_an_automation_that_is_there_twice_is_there_once_again(
    api: SyncPrefectClient, register: Callable[..., list[str]]
) -> None:
    """Prefect lets names be; two of one would start a run twice."""
    register()
    api.create_automation(automations()[2])
    assert interesting(register()) == []
    assert sorted(one.name for one in api.read_automations()) == sorted(NAMES)


def test_a_pool_that_is_there_stays_as_it_is(
    api: SyncPrefectClient, package: PretendPackage, register: Callable[..., list[str]]
) -> None:
    """A new one gets the type that is asked for, if there is such a type; what it cannot take is told."""
    with pytest.raises(FlowError, match=r"^there is no pool type 'cloud'; `prefect work-pool create --help`"):
        register(pool_type="cloud")
    register(pool_type="process")
    assert register(pool_type="cloud")[0] == f"unchanged  work pool {package.pool}"
    package.deployments[0]["work_pool"]["job_variables"] = {"env": 5}
    package.write()
    with pytest.raises(
        FlowError, match=r"answered 422 to POST /api/deployments/: .*5 is not valid under any"
    ):
        register()


def test_prefects_own_command_reads_the_same_file(
    api: SyncPrefectClient, package: PretendPackage, register: Callable[..., list[str]]
) -> None:
    """`prefect deploy` makes the same of it, once the pool is there; only unknown parameters it goes on taking."""
    register()
    api.delete_deployment(reading(api, package).id)
    command = ["-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(package.file)]
    environment = os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value(), "PYTHONPATH": str(package.folder)}
    subprocess.run(
        [sys.executable, *command],
        env=environment,
        cwd=package.folder,
        check=True,
        capture_output=True,
        timeout=300,
    )
    (changed,) = interesting(register())
    assert re.fullmatch(r"changed    deployment \S+: parameter_openapi_schema", changed)
