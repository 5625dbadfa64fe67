"""What a package's `prefect.yaml` may say.

The file is Prefect's own, so `prefect deploy` reads it too, but only this much of it is allowed: what is left out on
purpose (build and push steps, templates, `active`) makes a deployment depend on who deploys it, or undoes what an
operator paused. Prefect ignores keys that it does not know; here they are errors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Self

from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.client.schemas.schedules import CronSchedule
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

__all__ = ["ConcurrencyEntry", "DeploymentEntry", "FileEntry", "PoolEntry", "ScheduleEntry", "repeated"]

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=100)]
"""Lowercase words with dashes, e.g. `shopify-orders-ingestion`."""
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Entry(BaseModel):
    """What all have in common: nothing but what is named here."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ScheduleEntry(Entry, CronSchedule):
    """When a deployment runs."""

    slug: Name
    """The schedule's name; by it a later version of the file changes or removes the schedule."""
    timezone: Text
    """IANA name. `UTC`, or hours outside of 01 to 03: where clocks change, those hours happen twice or never."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Those that differ from the deployment's."""


class ConcurrencyEntry(Entry, ConcurrencyLimitConfig):
    """How many runs of a deployment go on at the same time, and what happens to one too many."""

    limit: int = Field(ge=1)


class PoolEntry(Entry):
    """Who runs it."""

    name: Name
    work_queue_name: Name
    job_variables: dict[str, Any] = Field(default_factory=dict)


class DeploymentEntry(Entry):
    """One deployment."""

    name: Name
    description: Text
    entrypoint: Text
    """`package.module:flow`, which is imported: it runs from the installed package, wherever the worker's folder is."""
    tags: list[Text]
    parameters: dict[str, Any] = Field(default_factory=dict)
    schedules: list[ScheduleEntry] = Field(default_factory=list)
    concurrency_limit: ConcurrencyEntry
    work_pool: PoolEntry

    @model_validator(mode="after")
    def _slugs_differ(self) -> Self:
        if twice := repeated(schedule.slug for schedule in self.schedules):
            raise ValueError(f"schedules share the slug {twice[0]}; give each its own")
        return self


class FileEntry(Entry):
    """The whole file; its deployments are read one by one, so that what is wrong is told by name."""

    name: Name
    pull: list[Any] = Field(max_length=0)
    """Left out, the folder of whoever deploys would be baked in."""
    deployments: list[dict[str, Any]] = Field(min_length=1)


def repeated(names: Iterable[str]) -> list[str]:
    """Those that are there more than once."""
    return [name for name, times in Counter(names).items() if times > 1]
