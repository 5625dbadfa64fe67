"""One deployment and its schedules on a Prefect server; and those that no file names any more."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.objects import ConcurrencyOptions, DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound
from pydantic_core import to_jsonable_python

from weathervane.flow._api import every
from weathervane.flow._automations import TAG
from weathervane.flow._definitions import Definition
from weathervane.flow._packages import Package

__all__ = ["Change", "Kind", "Write", "delete_left_over", "differences", "put_deployment"]

_SHORT = 60
"""Characters of a value in a line; of a longer one only the field's name is told."""


class Kind(enum.Enum):
    """What became of a thing."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    LEFT_OVER = "left over"
    """On the server, in no file any more, and not deleted unless that is asked for."""


@dataclass(frozen=True)
class Change:
    """What became of one thing."""

    kind: Kind
    thing: str
    """E.g. `work pool weathervane-pool`."""
    details: str = ""

    def line(self, *, dry_run: bool = False) -> str:
        """The change as people read it."""
        would = dry_run and self.kind in (Kind.CREATED, Kind.CHANGED, Kind.DELETED)
        kind = f"would be {self.kind.value}" if would else self.kind.value
        details = f": {self.details}" if self.details else ""
        return f"{kind:{16 if dry_run else 10}} {self.thing}{details}"


Write = Callable[[Callable[[], object]], None]
"""Does what it is given; or not, in a dry run."""


def differences(now: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The fields that differ, `field old -> new`; empty if none does."""
    told = []
    for field, new in wanted.items():
        if (old := now.get(field)) != new:
            values = [json.dumps(to_jsonable_python(value), ensure_ascii=False) for value in (old, new)]
            short = all(len(value) <= _SHORT for value in values)
            told.append(f"{field} {' -> '.join(values)}" if short else field)
    return ", ".join(told)


def put_deployment(api: SyncPrefectClient, definition: Definition, write: Write) -> list[Change]:
    """Creates or changes a deployment with its schedules, all at once or not at all."""
    thing = f"deployment {definition.name}"
    wanted = _wanted(definition)
    try:
        there: DeploymentResponse | None = api.read_deployment_by_name(definition.name)
    except ObjectNotFound:
        there = None
    if there is None:
        changes = [Change(Kind.CREATED, thing)]
    elif told := differences(_now(there), wanted):
        changes = [Change(Kind.CHANGED, thing, told)]
    else:
        changes = [Change(Kind.UNCHANGED, thing, "paused by an operator" if there.paused else "")]
    found = [] if there is None else there.schedules
    schedules = [
        DeploymentScheduleCreate(
            schedule=CronSchedule(cron=one.cron, timezone=one.timezone, day_or=one.day_or),
            parameters=to_jsonable_python(one.parameters),
            slug=one.slug,
            active=all(old.active for old in found if old.slug == one.slug),
        )
        for one in definition.entry.schedules
    ]
    changes += _schedule_changes(thing, found, schedules)
    if any(change.kind is not Kind.UNCHANGED for change in changes):
        # What an operator added in the UI has no slug.
        schedules += [
            DeploymentScheduleCreate(schedule=old.schedule, active=old.active, parameters=old.parameters)
            for old in found
            if not old.slug
        ]
        write(partial(_upsert, api, definition, wanted, schedules))
    return changes


def delete_left_over(
    api: SyncPrefectClient, package: Package, names: Collection[str], write: Write | None
) -> Iterator[Change]:
    """The package's deployments without a name in `names`: deletes them, or tells how to if there is no `write`."""
    chosen = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG, package.tag]))
    # All of them first: what is deleted in between would move the next page.
    for deployment in list(every(api.read_deployments, deployment_filter=chosen)):
        name = f"{api.read_flow(deployment.flow_id).name}/{deployment.name}"
        if name in names:
            continue
        if write is None:
            how = f"in no prefect.yaml of {package.name}; to delete it: --prune, or prefect deployment delete '{name}'"
            yield Change(Kind.LEFT_OVER, f"deployment {name}", how)
        else:
            write(partial(api.delete_deployment, deployment.id))
            yield Change(Kind.DELETED, f"deployment {name}")


def _schedule_changes(
    deployment: str, found: list[DeploymentSchedule], wanted: list[DeploymentScheduleCreate]
) -> Iterator[Change]:
    old = {one.slug: one for one in found if one.slug}
    new = {one.slug: one for one in wanted}
    for slug in sorted({*old, *new}, key=str):
        thing = f"schedule {slug} of {deployment}"
        if slug not in old:
            yield Change(Kind.CREATED, thing, _when(new[slug]))
        elif slug not in new:
            yield Change(Kind.DELETED, thing)
        else:
            before, after = (
                {"schedule": _when(one), "parameters": one.parameters} for one in (old[slug], new[slug])
            )
            if told := differences(before, after):
                yield Change(Kind.CHANGED, thing, told)
            else:
                yield Change(Kind.UNCHANGED, thing, "" if old[slug].active else "paused by an operator")


def _upsert(
    api: SyncPrefectClient,
    definition: Definition,
    wanted: dict[str, Any],
    schedules: list[DeploymentScheduleCreate],
) -> None:
    """One request, which Prefect does in one transaction.

    Not its update of a deployment: that never removes a schedule, and cannot change one beside one without a slug.
    """
    options = ConcurrencyOptions.model_validate(wanted["concurrency_options"])
    flow = api.create_flow_from_name(definition.flow.name)
    fields = wanted | {"concurrency_options": options}
    api.create_deployment(flow, definition.entry.name, schedules=schedules, **fields)


def _wanted(definition: Definition) -> dict[str, Any]:
    """The fields that the package decides, in the words of Prefect's API."""
    entry, flow = definition.entry, definition.flow
    return {
        "version": flow.version,
        "description": entry.description,
        "entrypoint": entry.entrypoint,
        "tags": sorted(entry.tags),
        "parameters": to_jsonable_python(entry.parameters),
        "work_pool_name": entry.work_pool.name,
        "work_queue_name": entry.work_pool.work_queue_name,
        "job_variables": to_jsonable_python(entry.work_pool.job_variables),
        "concurrency_limit": entry.concurrency_limit.limit,
        "concurrency_options": entry.concurrency_limit.model_dump(mode="json", exclude={"limit"}),
        "enforce_parameter_schema": True,
        "parameter_openapi_schema": _schema(flow),
        # What runs is the package as it is installed where the worker runs.
        "pull_steps": [],
        "path": None,
    }


def _schema(flow: Flow[..., Any]) -> dict[str, Any]:
    """Its parameters, and no others: Prefect's own schema lets a misspelt one through, and the run then dies before it
    begins, without a state or a word (3.8.8).
    """
    schema = to_jsonable_python(flow.parameters.model_dump(exclude_unset=True))
    return {**schema, "additionalProperties": False}


def _now(there: DeploymentResponse) -> dict[str, Any]:
    """The same fields as they are on the server."""
    limit, options = there.global_concurrency_limit, there.concurrency_options
    return {
        **dict(there),
        "tags": sorted(there.tags),
        "concurrency_limit": limit and limit.limit,
        "concurrency_options": options and options.model_dump(mode="json"),
        "pull_steps": there.pull_steps or [],
    }


def _when(schedule: DeploymentScheduleCreate | DeploymentSchedule) -> str:
    """E.g. `0 3 * * * UTC`."""
    if not isinstance(schedule.schedule, CronSchedule):
        return type(schedule.schedule).__name__
    cron = schedule.schedule
    return f"{cron.cron} {cron.timezone}" + ("" if cron.day_or else ", day and weekday")
