"""Brings a Prefect server to what the packages want: pool, queues, block types, deployments, schedules, automations.

Whatever is already as it should be is only read. What an operator decides on the server is kept: an existing pool or
queue as it is, a paused deployment, schedule or automation, and schedules without a slug, as the UI makes them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint

import httpx
from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.events.schemas.automations import Automation, AutomationCore
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type

from weathervane.flow._api import prefect_server
from weathervane.flow._automations import SILENCE, automations
from weathervane.flow._dead_runs import tend
from weathervane.flow._definitions import Definition, read_definitions
from weathervane.flow._deployments import (
    Change,
    Kind,
    Write,
    delete_left_over,
    differences,
    put_deployment,
)
from weathervane.flow._errors import PrefectSetupError
from weathervane.flow._packages import Package, installed_packages

__all__ = ["deploy"]


def deploy(
    server_url: str,
    packages: Sequence[str] = (),
    *,
    pool_type: str = "process",
    silence: timedelta = SILENCE,
    prune: bool = False,
    dry_run: bool = False,
    found: Iterable[EntryPoint] | None = None,
    tell: Callable[[Change], object] = lambda change: None,
) -> list[Change]:
    """Registers what the packages deploy. Doing it again changes nothing; two may do it at once.

    Args:
        server_url: Prefect's API, e.g. `http://127.0.0.1:4200/api`.
        packages: Names, e.g. `meta-ads`; none means all that are installed.
        pool_type: The type of a work pool that is not there yet, e.g. `process` or `kubernetes`.
        silence: After how long without a sign a run is taken for dead and started again.
        prune: Whether deployments that left their package's file are deleted.
        dry_run: Whether nothing is written.
        found: Entry points to look at instead of those that are installed.
        tell: Called with each change as soon as it is made.

    Raises:
        DeployError: The packages' files are not right; the server was not asked.
        FlowError: The server does not do as asked. What was told by then is done; doing it again does the rest.
    """
    chosen = installed_packages(packages, found=found)
    definitions = read_definitions(chosen)

    def write(do: Callable[[], object]) -> None:
        if not dry_run:
            do()

    changes: list[Change] = []
    with prefect_server(server_url) as api:
        for change in _register(api, chosen, definitions, pool_type, silence, prune, write):
            changes.append(change)
            tell(change)
    return changes


def _register(
    api: SyncPrefectClient,
    packages: Sequence[Package],
    definitions: Sequence[Definition],
    pool_type: str,
    silence: timedelta,
    prune: bool,
    write: Write,
) -> Iterator[Change]:
    """Does one thing after the other, each after what it needs."""
    pools = [one.entry.work_pool for one in definitions]
    for pool in dict.fromkeys(one.name for one in pools):
        yield _put_pool(api, pool, pool_type, write)
    for pool, queue in dict.fromkeys((one.name, one.work_queue_name) for one in pools):
        there = partial(api.read_work_queue_by_name, queue, pool)
        create = partial(api.create_work_queue, queue, work_pool_name=pool)
        yield _put(f"work queue {pool}/{queue}", there, create, write)
    for package in packages:
        for block in _blocks_of(package):
            yield _put_block(api, block, write)
    for definition in definitions:
        yield from put_deployment(api, definition, write)
    names = {definition.name for definition in definitions}
    for package in packages:
        yield from delete_left_over(api, package, names, write if prune else None)
    for automation in automations(silence):
        yield _put_automation(api, automation, write)
    for definition in definitions:
        yield from _tend(api, definition, write)


def _tend(api: SyncPrefectClient, definition: Definition, write: Write) -> Iterator[Change]:
    """A worker registers before it works, so it begins with what died when nobody looked."""
    try:
        deployment = api.read_deployment_by_name(definition.name)
    except ObjectNotFound:  # nothing is made in a dry run
        return
    for found in tend(api, deployment.id, write=write):
        yield Change(Kind.CHANGED, f"run {found.run.name}", f"{found.why}; now {found.became}")


def _put_pool(api: SyncPrefectClient, name: str, kind: str, write: Write) -> Change:
    thing, read = f"work pool {name}", partial(api.read_work_pool, name)
    if _is_there(read):  # whatever its type is
        return Change(Kind.UNCHANGED, thing)
    template = asyncio.run(get_default_base_job_template_for_infrastructure_type(kind))
    if template is None:
        raise PrefectSetupError(
            f"there is no pool type {kind!r}; `prefect work-pool create --help` names them",
            reason="NO_POOL_TYPE",
        )
    new = WorkPoolCreate(name=name, type=kind, base_job_template=template)
    return _put(thing, read, partial(api.create_work_pool, new), write)


def _put_block(api: SyncPrefectClient, block: type[Block], write: Write) -> Change:
    slug = block.get_block_type_slug()
    thing = f"block type {slug}"
    register = block.register_type_and_schema
    try:
        there = api.read_block_type_by_slug(slug)
    except ObjectNotFound:
        return _put(thing, partial(api.read_block_type_by_slug, slug), register, write)
    told = differences(
        {"description": there.description, "code example": there.code_example},
        {"description": block.get_description(), "code example": block.get_code_example()},
    )
    # A schema is known to the server by this sum of its fields.
    checksum, version = block._calculate_schema_checksum(), block.get_block_schema_version()
    if not _is_there(partial(api.read_block_schema_by_checksum, checksum, version)):
        told = ", ".join(filter(None, (told, "fields")))
    if not told:
        return Change(Kind.UNCHANGED, thing)
    write(register)
    return Change(Kind.CHANGED, thing, told)


def _put_automation(api: SyncPrefectClient, wanted: AutomationCore, write: Write) -> Change:
    thing = f"automation {wanted.name!r}"

    def named() -> list[Automation]:
        return sorted(api.read_automations_by_name(wanted.name), key=lambda one: one.id)

    def keep_one(others: Sequence[Automation]) -> None:
        for other in others:
            try:
                api.delete_automation(other.id)
            except httpx.HTTPStatusError as error:  # whoever registers at the same time deletes the same
                if error.response.status_code != httpx.codes.NOT_FOUND:
                    raise

    found = named()
    if not found:
        write(partial(api.create_automation, wanted))
        # Names are not unique to Prefect, and someone else may just have done so too.
        write(lambda: keep_one(named()[1:]))
        return Change(Kind.CREATED, thing)
    write(lambda: keep_one(found[1:]))
    there = found[0]
    kept = wanted.model_copy(update={"enabled": there.enabled})
    if told := differences(there.model_dump(exclude={"id"}), kept.model_dump()):
        write(partial(api.update_automation, there.id, kept))
        return Change(Kind.CHANGED, thing, told)
    return Change(Kind.UNCHANGED, thing, "" if there.enabled else "paused by an operator")


def _put(thing: str, read: Callable[[], object], create: Callable[[], object], write: Write) -> Change:
    """Makes what has nothing to change once it is there."""
    if _is_there(read):
        return Change(Kind.UNCHANGED, thing)
    try:
        write(create)
    except ObjectAlreadyExists:
        return Change(Kind.UNCHANGED, thing, "someone else made it just now")
    return Change(Kind.CREATED, thing)


def _is_there(read: Callable[[], object]) -> bool:
    try:
        read()
    except ObjectNotFound:
        return False
    return True


def _blocks_of(package: Package) -> list[type[Block]]:
    """The blocks on the package's menu."""
    menu = import_module(package.module)
    offered = [getattr(menu, word) for word in getattr(menu, "__all__", ())]
    return [one for one in offered if isinstance(one, type) and issubclass(one, Block)]
