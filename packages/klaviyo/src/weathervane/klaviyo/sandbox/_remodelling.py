"""Legacy resources of an export as resources of the omni model, which the account is kept in.

What a legacy campaign says goes to where the omni model has it: its status, its time and its tracking to its messages,
its audiences to one campaign-audience, a message's content to one variation. A resource that is made here has an id
made of its campaign's or message's, so that the same export always gives the same account.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from weathervane.klaviyo.sandbox._world import Record, parse

__all__ = ["Key", "Resource", "is_legacy", "objects", "problem_of", "remodel", "said_by"]

Resource = Record
"""As an export holds it: `type`, `id`, `attributes` and perhaps `relationships`."""
Key = tuple[str, str]
"""Type and id."""

_STATUSES = {
    "Adding Recipients": "sending",
    "Preparing to schedule": "scheduled",
    "Preparing to send": "sending",
    "Queued without Recipients": "scheduled",
    "Sending Segments": "sending",
    # The test of an A/B campaign is out, its winner is not.
    "Variations Sent": "sending",
}
"""Legacy words that are more than the omni word in title case; `Cancelled: …` is cancelled."""
_STRATEGIES = {
    "ab_test_campaign": "content_variation",
    "immediate": "static",
    "smart_send_time": "send_time_optimization",
    "unsupported": None,
}
_CHANNELS = {"mobile_push": "push"}
_FLAT = ("label", "channel", "content")
"""What a message's definition held until 2024-10-15 without being one."""
_TYPES: Mapping[type, tuple[str, ...]] = {
    str: ("name", "label", "status", "channel", "method"),
    bool: ("archived",),
    dict: ("audiences", "content", "details", "send_options", "send_strategy", "tracking_options"),
    list: ("included", "excluded", "send_times"),
}
_WORDS = {str: "string", bool: "boolean", dict: "object", list: "array"}
_TIMES = ("created", "updated", "created_at", "updated_at", "scheduled_at", "send_time", "datetime")


def is_legacy(resource: Resource) -> bool:
    """Whether a campaign or a message is of the model before 2026-10-15."""
    attributes = resource["attributes"]
    if resource["type"] == "campaign":
        return "definition" not in attributes and not {"name", "status"}.isdisjoint(attributes)
    if resource["type"] == "campaign-message":
        definition = attributes.get("definition")
        return not {"channel", "content"}.isdisjoint(attributes if definition is None else definition)
    return False


def problem_of(resource: Resource) -> str | None:
    """What makes a resource of either model one that cannot be served; None when nothing does."""
    attributes = resource["attributes"]
    if not isinstance(attributes.get("definition", {}), dict):
        return "its definition must be a JSON object"
    if resource["type"].startswith("campaign") and "definition" not in attributes and not is_legacy(resource):
        return "it has no definition, nor what the legacy revisions say of one"
    definition = objects(attributes.get("definition"))
    said = {**attributes, **definition}
    said |= objects(said.get("audiences")) | objects(said.get("send_strategy"))
    for wanted, names in _TYPES.items():
        for name in names:
            if not isinstance(said.get(name), wanted | None):
                return f"its {name} must be of the JSON type {_WORDS[wanted]}, got {said[name]!r}"
    sends = [one for one in said.get("send_times") or () if isinstance(one, dict)]
    variations = objects(said.get("send_options")).get("send_times")
    if not isinstance(variations, dict | None):
        return f"its send_times must be of the JSON type object, got {variations!r}"
    sends += [{"send_time": one} for one in objects(variations).values()]
    for where in (said, objects(said.get("send_options")), *sends):
        for name in _TIMES:
            try:
                parse("1970-01-01" if where.get(name) is None else where[name])
            except (ValueError, TypeError):
                return f"its {name} must be a time, got {where[name]!r}"
    return None


def said_by(resource: Resource) -> dict[str, Any]:
    """A legacy resource's attributes in the form of 2025-01-15 to 2026-07-15, without what has no such form."""
    said = dict(resource["attributes"])
    if resource["type"] == "campaign-message":
        if "definition" not in said:
            said["definition"] = {name: said.pop(name) for name in _FLAT if name in said}
        return said
    if "is_add_utm" in objects(said.get("tracking_options")):
        del said["tracking_options"]
    if any(name.startswith("options_") for name in objects(said.get("send_strategy"))):
        del said["send_strategy"]
    return said


def remodel(resource: Resource, messages: Sequence[Resource]) -> Iterator[Resource]:
    """A legacy campaign as the omni campaign, its audience, its messages and their variations.

    Args:
        resource: the campaign; its member `channel`, or its attribute, is what a message that is not there has.
        messages: its messages, of either model; without any it gets one. One without attributes is named but not in
            the export: it is made of what the campaign says.
    """
    said, campaign_id = resource["attributes"], resource["id"]
    times = _times(said)
    strategy, local = _strategy(said)
    settings = {"send_timezone": None, "send_strategy": strategy, "send_passed_rltz_immediately": False}
    definition = {
        "name": said.get("name") or "",
        "builder": None,
        "archived": bool(said.get("archived")),
        "color": None,
        "description": None,
        "send_settings": {
            **settings,
            "exit_condition_enabled": False,
            "exit_condition_conversion_metric_id": None,
        },
    }
    own_times = {f"{name}_at": time for name, time in times.items()}
    yield {**resource, "attributes": {**own_times, "definition": definition}}
    audiences = objects(said.get("audiences"))
    audience = {
        "name": definition["name"],
        "included": audiences.get("included") or [],
        "excluded": audiences.get("excluded") or [],
        "priority": 1,
    }
    yield _made("campaign-audience", campaign_id, {**times, "definition": audience}, "campaign")
    tracking = objects(said.get("tracking_options"))
    shared = {
        "status": _status(said.get("status")),
        "tracking_options": {
            "is_add_utm": bool(tracking.get("add_tracking_params", tracking.get("is_add_utm"))),
            "is_tracking_clicks": bool(tracking.get("is_tracking_clicks")),
            "is_tracking_opens": bool(tracking.get("is_tracking_opens")),
        },
        "ab_test": None,
    }
    options = {
        "send_time": said.get("send_time"),
        "send_strategy": "local_timezone" if local and strategy == "static" else strategy,
        "is_ignoring_unsubscribes": bool(objects(said.get("send_options")).get("ignore_unsubscribes")),
    }
    flat = {**own_times, "label": definition["name"], "channel": said.get("channel") or "email"}
    if "channel" in resource:
        flat["channel"] = resource["channel"]
    for message in messages or [_made("campaign-message", campaign_id, flat, "campaign")]:
        told = message if "attributes" in message else {**message, "attributes": flat}
        if is_legacy(told):
            yield from _message(told, campaign_id, shared, options)


def _message(
    message: Resource, campaign_id: str, shared: Mapping[str, Any], options: Mapping[str, Any]
) -> Iterator[Resource]:
    said = said_by(message)
    legacy = objects(said["definition"])
    times = _times(said)
    sends = next(iter(said.get("send_times") or ()), None)
    definition = {
        "name": legacy.get("label"),
        **deepcopy(dict(shared)),
        "send_options": {**options, "send_time": objects(sends).get("datetime") or options["send_time"]},
    }
    above = {"campaign": {"data": {"type": "campaign", "id": campaign_id}}}
    yield {
        **message,
        "attributes": {**times, "definition": definition},
        "relationships": {**objects(message.get("relationships")), **above},
    }
    channel = legacy.get("channel")
    details = {"channel": _CHANNELS.get(str(channel), channel), **objects(legacy.get("content"))}
    if "notification_type" in legacy:
        details["push_type"] = legacy["notification_type"]
    template = objects(objects(objects(message.get("relationships")).get("template")).get("data"))
    if template:
        details["template_id"] = template.get("id")
    variation = {**times, "definition": {"name": "A", "details": details}}
    yield _made("campaign-variation", message["id"], variation, "campaign-message")


def objects(value: Any) -> dict[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def _strategy(said: Mapping[str, Any]) -> tuple[str | None, bool]:
    given = objects(said.get("send_strategy"))
    options = objects(given.get("options")) or objects(given.get("options_static"))
    method = given.get("method")
    return _STRATEGIES.get(str(method), method), bool(options.get("is_local"))


def _status(word: str | None) -> str:
    if word is None:
        return "draft"
    return "cancelled" if word.startswith("Cancelled") else _STATUSES.get(word, word.lower())


def _times(said: Mapping[str, Any]) -> dict[str, str]:
    """When it was made and changed, by the omni words; one that is not said is not there."""
    names = ("created", "updated")
    return {name: said[f"{name}_at"] for name in names if said.get(f"{name}_at") is not None}


def _made(kind: str, of: str, attributes: Mapping[str, Any], above: str) -> Resource:
    made = uuid5(NAMESPACE_URL, f"{kind} of {of}").hex
    relationships = {above: {"data": {"type": above, "id": of}}}
    return {"type": kind, "id": made, "attributes": dict(attributes), "relationships": relationships}
