"""Sparse fieldsets: which attributes may be asked for, and a resource with only those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from weathervane.klaviyo.sandbox._problems import RefusalError, invalid
from weathervane.klaviyo.sandbox._queries import Query

__all__ = ["check_fields", "sparse"]

_KEPT = ("type", "id", "relationships", "links")
_SETTINGS = (
    "send_timezone",
    "send_strategy",
    "send_passed_rltz_immediately",
    "exit_condition_enabled",
    "exit_condition_conversion_metric_id",
)
_OPTIONS = (
    "send_time",
    "send_times.*",
    "send_strategy",
    "recipient_percentage",
    "throttling_type",
    "throttle_unit",
    "is_ignoring_unsubscribes",
)
_OMNI: Mapping[str, tuple[str, ...]] = {
    "campaign": (
        *("id", "created_at", "updated_at"),
        *(f"definition.{one}" for one in ("name", "builder", "archived", "color", "description")),
        *(f"definition.send_settings.{one}" for one in _SETTINGS),
    ),
    "campaign-message": (
        *("id", "created", "updated", "definition.name", "definition.status"),
        *("definition.tracking_options.*", "definition.ab_test.*"),
        *(f"definition.send_options.{one}" for one in _OPTIONS),
    ),
    "campaign-variation": ("id", "created", "updated", "definition.name", "definition.details.*"),
    "campaign-audience": (
        *("id", "created", "updated"),
        *(f"definition.{one}" for one in ("name", "included", "excluded", "priority")),
    ),
}
_LEGACY: Mapping[str, tuple[str, ...]] = {
    "campaign": (
        *("name", "status", "archived", "audiences.included", "audiences.excluded", "send_options.*"),
        *("tracking_options.*", "send_strategy.*", "created_at", "scheduled_at", "updated_at", "send_time"),
    ),
    "campaign-message": ("definition.*", "send_times", "created_at", "updated_at"),
}
_BOTH: Mapping[str, tuple[str, ...]] = {
    "campaign-recipient-estimation": ("estimated_recipient_count",),
    "tag": ("name",),
    "metric": ("name", "created", "updated", "integration.*"),
    "account": (
        *("test_account", "contact_information.*", "industry", "timezone", "preferred_currency"),
        *("public_api_key", "locale"),
    ),
}
_UNSERVED = {"metric": ("flow",), "campaign-variation": ("image", "translation")}
"""Types that an endpoint takes fields of, though the sandbox has no such records."""


def check_fields(query: Query, kind: str, below: Iterable[str], *, omni: bool) -> None:
    """Lets fields of the records that an endpoint gives pass, and of those that it may include.

    Raises:
        RefusalError: 400 for those of another type, and for an attribute that the type does not have.
    """
    kinds = {kind, *below, *_UNSERVED.get(kind, ())}
    known = {**_BOTH, **(_OMNI if omni else _LEGACY)}
    for asked, names in query.fields.items():
        parameter = f"fields[{asked}]"
        if asked not in kinds:
            raise invalid(parameter, f"'{parameter}' is not a valid query parameter for this resource.")
        for name in names if asked in known else ():
            if not any(_is_of(name, one) for one in known[asked]):
                raise _unknown(parameter, name, asked)


def _is_of(name: str, known: str) -> bool:
    """Whether it is a known path, one on the way to it, or one below where anything may be."""
    if known.endswith(".*"):
        known = known[:-2]
        if name.startswith(f"{known}."):
            return True
    return name == known or known.startswith(f"{name}.")


def _unknown(parameter: str, name: str, kind: str) -> RefusalError:
    return invalid(parameter, f"'{name}' is not a valid field of the resource '{kind}'.")


def sparse(resource: dict[str, Any], query: Query) -> dict[str, Any]:
    """A resource with no more attributes than were asked for; dotted names lead to members of members."""
    wanted = query.fields.get(resource["type"])
    if wanted is None:
        return resource
    kept: dict[str, Any] = {}
    for path in wanted:
        source, target = resource["attributes"], kept
        *parents, last = path.split(".")
        for name in parents:
            source, target = (source or {}).get(name) or {}, target.setdefault(name, {})
        if isinstance(source, dict) and last in source:
            target[last] = source[last]
    return {**{name: resource[name] for name in _KEPT if name in resource}, "attributes": kept}
