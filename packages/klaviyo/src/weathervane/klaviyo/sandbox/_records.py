"""Loading an account from files of JSON:API resources, so that anyone's own export runs through the whole system.

A line is one JSON value:

- a resource: `type` campaign, campaign-message, campaign-variation, campaign-audience, tag or metric, with `id` and
  `attributes`; a child names its parent in `relationships` (campaign or campaign-message), or the parent names the
  child in its own `relationships`. Campaigns and messages may be of the omni model or of the legacy revisions before;
- a whole answer: `data` (a list or one resource) and `included`, of which types that are not served are left out;
- an array of these.

A later line of the same type and id takes the earlier one's place. Members that nobody knows are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from weathervane.klaviyo.sandbox._remodelling import (
    Key,
    Resource,
    is_legacy,
    objects,
    problem_of,
    remodel,
    said_by,
)
from weathervane.klaviyo.sandbox._render import Renderer
from weathervane.klaviyo.sandbox._revisions import LEGACY
from weathervane.klaviyo.sandbox._world import CHILDREN, Record, World
from weathervane.source.sandbox import read_json

__all__ = ["RecordsError", "load"]

_PARENTS = {
    "campaign-message": "campaign",
    "campaign-audience": "campaign",
    "campaign-variation": "campaign-message",
}
_CHANNEL = re.compile(r"messages\.channel,\s*['\"]([a-z_]+)")
Found = dict[Key, tuple[Resource, str]]
"""Each resource, with the file and line that it is of."""


class RecordsError(ValueError):
    """A file of records cannot be loaded; the message is one line that names file and line."""


def load(world: World, paths: Iterable[Path]) -> int:
    """Load files into a world and return how many resources they held.

    Raises:
        RecordsError: a file cannot be read, a line is no such resource, or a child has no parent in any file.
    """
    read: Found = {}
    for path in paths:
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        for one in _resources(line, f"{path}:{number}"):
                            read[one["type"], one["id"]] = (one, f"{path}:{number}")
        except OSError as error:
            raise RecordsError(f"{path}: {error.strerror or error}") from None
    found = _remodelled(read)
    parents = _parents(found)
    for kind in CHILDREN:
        for (its, record_id), (resource, where) in found.items():
            if its != kind:
                continue
            parent: Record | None = None
            if kind in _PARENTS:
                parent = world.find(_PARENTS[kind], parents.get((kind, record_id), ""))
                if parent is None:
                    raise RecordsError(
                        f"{where}: the {kind} {record_id} has no {_PARENTS[kind]} in these files"
                    )
            world.add(kind, record_id, resource["attributes"], parent)
    for (kind, record_id), (resource, _) in found.items():
        if kind == "campaign":
            world.records[kind][record_id]["tags"] = [one["id"] for one in _named(resource, "tags")]
    renderer = Renderer(world, "", LEGACY)
    for (kind, record_id), (resource, _) in read.items():
        if is_legacy(resource):
            renderer.keep(world.records[kind][record_id], deepcopy(said_by(resource)))
    return len(read)


def _remodelled(read: Found) -> Found:
    """All resources in the omni model; of a legacy campaign also those that only that model has."""
    parents, found = _parents(read), dict(read)
    below: dict[str, list[Resource]] = {}
    for (kind, record_id), above in parents.items():
        if kind == "campaign-message":
            named = {"type": kind, "id": record_id}
            below.setdefault(above, []).append(read.get((kind, record_id), (named, ""))[0])
    for resource, where in read.values():
        if resource["type"] == "campaign" and is_legacy(resource):
            for one in remodel(resource, below.get(resource["id"], [])):
                found[one["type"], one["id"]] = (one, where)
    for (kind, record_id), (resource, where) in found.items():
        if is_legacy(resource):
            above = parents.get((kind, record_id), "")
            told = "is of the omni model" if ("campaign", above) in read else "is not in these files"
            raise RecordsError(f"{where}: the campaign of the legacy {kind} {record_id} {told}")
    return found


def _parents(found: Found) -> dict[Key, str]:
    parents: dict[Key, str] = {}
    for (kind, record_id), (resource, _) in found.items():
        for name in CHILDREN[kind]:
            for child in _named(resource, name):
                parents[child["type"], child["id"]] = record_id
        for above in _named(resource, _PARENTS.get(kind, "")):
            parents[kind, record_id] = above["id"]
    return parents


def _named(resource: Resource, name: str) -> list[dict[str, Any]]:
    data = objects(objects(resource.get("relationships")).get(name)).get("data")
    many = data if isinstance(data, list) else [data]
    return [one for one in many if isinstance(one, dict) and isinstance(one.get("id"), str) and "type" in one]


def _resources(line: bytes, where: str) -> Iterator[Resource]:
    try:
        value = read_json(line)
    except ValueError as error:
        raise RecordsError(f"{where}: not JSON: {error}") from None
    for one in value if isinstance(value, list) else [value]:
        if not isinstance(one, dict):
            raise RecordsError(f"{where}: a record must be a JSON object, or an array of them")
        if "data" not in one:
            yield _checked(one, where)
            continue
        data, included = one["data"], one.get("included", [])
        if not isinstance(included, list):
            raise RecordsError(f"{where}: included must be a list of records")
        # A legacy list is of one channel, which its campaigns themselves do not say.
        listed = _CHANNEL.search(unquote(str(objects(one.get("links")).get("self"))))
        for resource in data if isinstance(data, list) else [data]:
            checked = _checked(resource, where)
            yield {**checked, "channel": listed[1]} if listed else checked
        for resource in included:
            if objects(resource).get("type") in CHILDREN:
                yield _checked(resource, where)


def _checked(one: Any, where: str) -> Resource:
    kind = objects(one).get("type")
    if kind not in CHILDREN:
        told = one if not isinstance(one, dict) else kind
        raise RecordsError(f"{where}: a record needs a type of {', '.join(CHILDREN)}, got {told!r}")
    if not isinstance(one.get("id"), str) or not isinstance(one.get("attributes"), dict):
        raise RecordsError(f"{where}: a record needs an id and attributes")
    resource: Resource = one
    problem = problem_of(resource)
    if problem is not None:
        raise RecordsError(f"{where}: {kind} {one['id']}: {problem}")
    return resource
