"""What a package deploys: its `prefect.yaml`, seen to fit the package's flows.

Prefect accepts a parameter that the flow does not have, and a tag that nobody looks for; here they are errors.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any, Self

from prefect import Flow
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ParameterTypeError
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from weathervane.flow._automations import TAG
from weathervane.flow._packages import DeployError, Package

__all__ = [
    "ConcurrencyEntry",
    "Definition",
    "DeploymentEntry",
    "FileEntry",
    "PoolEntry",
    "ScheduleEntry",
    "read_definitions",
    "repeated",
]

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


_PLAINLY = {"missing": "is missing; add it", "extra_forbidden": "is no key that is allowed here; remove it"}
"""What pydantic says of these is about Python."""


@dataclass(frozen=True)
class Definition:
    """A deployment as its package wants it on the server."""

    package: Package
    entry: DeploymentEntry
    flow: Flow[..., Any]

    @property
    def name(self) -> str:
        """E.g. `ingest_shopify_orders/shopify-orders-ingestion`: the identity on the server."""
        return f"{self.flow.name}/{self.entry.name}"


def read_definitions(packages: Iterable[Package]) -> list[Definition]:
    """What the packages deploy; their flows are imported.

    Raises:
        DeployError: All that is wrong in all files.
    """
    problems: list[str] = []
    found = [definition for package in packages for definition in _of_package(package, problems)]
    for twice in repeated(definition.entry.name for definition in found):
        files = sorted({str(one.package.file) for one in found if one.entry.name == twice})
        problems.append(f"{', '.join(files)}: two deployments are named {twice}; rename one")
    if problems:
        raise DeployError(problems)
    return found


def _of_package(package: Package, problems: list[str]) -> Iterator[Definition]:
    try:
        text = package.file.read_text(encoding="utf-8")
        file = FileEntry.model_validate(YAML(typ="safe", pure=True).load(text))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        problems.append(f"{package.file}: cannot be read as YAML: {_line(error)}")
        return
    except ValidationError as error:
        problems += [f"{package.file}: {_told(one)}" for one in error.errors()]
        return
    problems += [
        f"{package.file}:{number}: templates are not allowed; an unset variable deploys an empty value"
        for number, line in enumerate(text.splitlines(), 1)
        if "{{" in line and not line.lstrip().startswith("#")
    ]
    for position, given in enumerate(file.deployments):
        place = f"{package.file}: {given.get('name', f'deployments.{position}')}"
        try:
            entry = DeploymentEntry.model_validate(given)
        except ValidationError as error:
            problems += [f"{place}: {_told(one)}" for one in error.errors()]
            continue
        missing = [tag for tag in (TAG, package.tag) if tag not in entry.tags]
        problems += [f"{place}: tags: lack {tag!r}; add it" for tag in missing]
        try:
            flow = _flow(entry.entrypoint)
        except DeployError as error:
            problems.append(f"{place}: entrypoint: {entry.entrypoint} {error}")
            continue
        told = _misfits(flow, entry.parameters)
        problems += [f"{place}: parameters: {one}" for one in told]
        for schedule in entry.schedules:
            field = f"{place}: schedules.{schedule.slug}.parameters"
            misfits = _misfits(flow, entry.parameters | schedule.parameters)
            problems += [f"{field}: {one}" for one in misfits if one not in told]
        yield Definition(package, entry, flow)


def _flow(entrypoint: str) -> Flow[..., Any]:
    module, _, name = entrypoint.partition(":")
    try:
        flow = getattr(import_module(module), name)
    except Exception as error:  # whatever a module raises when it is imported
        how = "correct it, or install what it needs"
        raise DeployError([f"cannot be imported ({type(error).__name__}: {_line(error)}); {how}"]) from error
    if not isinstance(flow, Flow):
        raise DeployError([f"is no flow but {type(flow).__name__}; name a function decorated with @flow"])
    return flow


def _misfits(flow: Flow[..., Any], given: dict[str, Any]) -> list[str]:
    known, required = flow.parameters.properties, flow.parameters.required
    told = [
        f"{flow.name} has no parameter {name!r}; it has {', '.join(known) or 'none'}"
        for name in given
        if name not in known
    ]
    told += [
        f"{name!r} is missing, without which no schedule can run {flow.name}; give it a value"
        for name in required
        if name not in given
    ]
    if not told:
        logger = logging.getLogger("prefect.flows")  # would say it too, in several lines
        was, logger.disabled = logger.disabled, True
        try:
            flow.validate_parameters(given)
        except ParameterTypeError as error:
            told.append(f"do not fit {flow.name}: {_line(error)}")
        finally:
            logger.disabled = was
    return told


def _told(error: ErrorDetails) -> str:
    """E.g. `schedules.0.cron: Invalid cron string: "soon"`."""
    field = ".".join(map(str, error["loc"]))
    message = _PLAINLY.get(error["type"], error["msg"].removeprefix("Value error, "))
    return f"{field}: {message}" if field else message


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
