"""The real Admin schema: types, versions, and who may see what.

The introspection result is Shopify's own (see `schema/README.md`). It carries, beyond the standard, the
access scopes that each type and field requires and the fields that hold protected customer data.
"""

from __future__ import annotations

import functools
import gzip
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, cast

from graphql import GraphQLEnumType, GraphQLSchema, IntrospectionQuery, build_client_schema

__all__ = ["PUBLIC_VERSIONS", "Access", "AdminSchema", "admin_schema", "granted_scopes", "served_version"]

SUPPORTED = ("2026-01", "2026-04", "2026-07", "2026-10")
CANDIDATE = "2027-01"
PUBLIC_VERSIONS = (
    *({"handle": name, "displayName": name, "supported": True} for name in SUPPORTED),
    {"handle": CANDIDATE, "displayName": f"{CANDIDATE} (Release candidate)", "supported": False},
    {"handle": "unstable", "displayName": "unstable", "supported": False},
)
"""What `publicApiVersions` answers, as of 2026-11."""

MEMBERS = ("fields", "inputFields", "enumValues", "possibleTypes")
"""What a type of an introspection result lists by name."""


@dataclass(frozen=True)
class Access:
    """Who may see a type or field: any one of some scopes, or all of them.

    Attributes:
        text: the vendor's own sentence, repeated in the error.
        scopes: the scopes that the sentence names.
        every: whether all of them are needed.
    """

    text: str
    scopes: frozenset[str]
    every: bool

    def allows(self, granted: frozenset[str]) -> bool:
        """Say whether these scopes are enough."""
        if not self.scopes:  # rules about users, plans and programs, which a sandbox does not play
            return True
        return self.scopes <= granted if self.every else bool(self.scopes & granted)


@dataclass(frozen=True)
class AdminSchema:
    """One API version: its schema and its access rules.

    Attributes:
        version: the version's handle.
        schema: the executable schema.
        type_access: type -> rule.
        field_access: (type, field) -> rule.
        protected: (type, field) pairs that hold protected customer data.
    """

    version: str
    schema: GraphQLSchema
    type_access: Mapping[str, Access]
    field_access: Mapping[tuple[str, str], Access]
    protected: frozenset[tuple[str, str]]


def served_version(asked: str | None) -> str | None:
    """Return the version that really answers, or None for one that does not exist.

    A retired version falls forward to the oldest supported one; a request without a version gets that too.
    """
    if asked is None:
        return SUPPORTED[0]
    if asked in SUPPORTED or asked in (CANDIDATE, "unstable"):
        return asked
    if re.fullmatch(r"20\d\d-(01|04|07|10)", asked) and asked < SUPPORTED[0]:
        return SUPPORTED[0]
    return None


def granted_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """Return the scopes that an app has in effect: a write scope includes its read scope."""
    held = frozenset(scopes)
    return held | {"read_" + scope.removeprefix("write_") for scope in held if scope.startswith("write_")}


def admin_schema(version: str) -> AdminSchema:
    """Return a version's schema; the first call per version takes about a second."""
    # The release candidate and `unstable` are served with the newest schema we hold.
    return _load(version if version in SUPPORTED else SUPPORTED[-1])


@functools.lru_cache(maxsize=len(SUPPORTED))
def _load(version: str) -> AdminSchema:
    data = _packed("admin_2026-10.json.gz")["data"]
    types = data["__schema"]["types"]
    if version != SUPPORTED[-1]:
        types = data["__schema"]["types"] = _as_of(types, _packed("older.json.gz")[version])
    schema = build_client_schema(cast("IntrospectionQuery", data), assume_valid=True)
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLEnumType) and not kind.name.startswith("__"):
            # Records may hold a value that is newer than this schema: the vendor serves such values too.
            kind.serialize = kind.coerce_output_value = str  # type: ignore[method-assign,assignment]
    type_access: dict[str, Access] = {}
    field_access: dict[tuple[str, str], Access] = {}
    protected = set()
    for kind in types:
        if kind.get("requiredAccess"):
            type_access[kind["name"]] = _access(kind["requiredAccess"])
        for field in kind.get("fields") or ():
            if field.get("requiredAccess"):
                field_access[kind["name"], field["name"]] = _access(field["requiredAccess"])
            if field.get("isProtected"):
                protected.add((kind["name"], field["name"]))
    return AdminSchema(version, schema, type_access, field_access, frozenset(protected))


def _packed(name: str) -> dict[str, Any]:
    file = resources.files("weathervane.shopify.sandbox") / "schema" / name
    body: dict[str, Any] = json.loads(gzip.decompress(file.read_bytes()))
    return body


def _as_of(types: list[dict[str, Any]], difference: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the types of an older version: the newest ones, with what `schema/older.json.gz` says of it."""
    absent = frozenset(difference["absent"])
    for kind in types:
        for name, other in difference["changed"].get(kind["name"], {}).items():
            if name not in MEMBERS:
                kind[name] = other
                continue
            other_names = {*other["absent"], *(one["name"] for one in other["held"])}
            kept = [one for one in kind[name] or () if one["name"] not in other_names]
            kind[name] = kept + other["held"]
    return [*(kind for kind in types if kind["name"] not in absent), *difference["types"]]


def _access(text: str) -> Access:
    needed = text.split(" Also:")[0]
    scopes = re.findall(r"`((?:read|write)_[a-z_]+)`", needed)
    return Access(text, frozenset(scopes), "both" in needed)
