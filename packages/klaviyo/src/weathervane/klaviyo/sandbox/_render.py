"""What a revision shows of a record: the omni resources, and the flat campaigns of the revisions before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from weathervane.klaviyo.sandbox._definitions import LEGACY_CHANNELS, legacy_definition
from weathervane.klaviyo.sandbox._endpoints import relations
from weathervane.klaviyo.sandbox._revisions import is_omni
from weathervane.klaviyo.sandbox._world import CHILDREN, Record, World, parse, send_times

__all__ = ["Renderer", "legacy_status"]

_STATUSES = ("sending", "scheduled", "draft", "sent", "cancelled")


class Renderer:
    """Makes resources for one request.

    Args:
        world: the account's records.
        base: where this account is served, `http://127.0.0.1:1234`.
        revision: what the request asked for.
    """

    def __init__(self, world: World, base: str, revision: str) -> None:
        self._world = world
        self._base = base
        self.revision = revision
        self.omni = is_omni(revision)

    def resource(self, record: Record, shown: tuple[str, ...] = ()) -> dict[str, Any]:
        """A record as a resource.

        Args:
            record: the record.
            shown: relationships whose ids are shown besides the links.
        """
        kind, self_link = record["type"], f"{self._base}/api/{record['type']}s/{record['id']}"
        made: dict[str, Any] = {"type": kind, "id": record["id"]}
        if self.omni or kind in ("tag", "metric"):
            made["attributes"] = record["attributes"]
        else:
            made["attributes"] = self._legacy(record)
            self_link += "/"
            shown = ("campaign-messages", "tags", *shown) if kind == "campaign" else shown
        if names := relations(kind, omni=self.omni):
            made["relationships"] = {
                name: self._relationship(record, name, shown, self_link) for name in names
            }
        made["links"] = {"self": self_link}
        return made

    def _relationship(self, record: Record, name: str, shown: tuple[str, ...], link: str) -> dict[str, Any]:
        link = link.rstrip("/")
        made: dict[str, Any] = {
            "links": {"self": f"{link}/relationships/{name}", "related": f"{link}/{name}"}
        }
        if name not in shown:
            return made
        ids = [{"type": one["type"], "id": one["id"]} for one in self.related(record, name)]
        data = ids if name.endswith("s") else next(iter(ids), None)
        return {"data": data, **made}

    def related(self, record: Record, name: str) -> list[Record]:
        """The records of a relationship, up or down."""
        if name in record:
            return self._world.children(record, name)
        if name in CHILDREN:
            above = self._world.find(name, record["parent"] or "")
            if above is not None:
                return [above]
        # What a message and an audience have in common is their campaign; here a message's is the first.
        campaign = self._world.campaign_of(record)
        if campaign is None or name == "campaign":
            return []
        found = self._world.children(campaign, name if name.endswith("s") else f"{name}s")
        return found if name.endswith("s") else found[:1]

    def channels(self, record: Record) -> list[str]:
        """The legacy channels of a campaign or a message."""
        if record["type"] == "campaign":
            below = self._world.children(record, "campaign-messages")
            return sorted({one for message in below for one in self.channels(message)})
        found = [
            one["attributes"]["definition"] for one in self._world.children(record, "campaign-variations")
        ]
        words = [(one.get("details") or {}).get("channel") for one in found]
        return sorted({LEGACY_CHANNELS.get(word, word) for word in words if word and word != "whatsapp"})

    def value(self, record: Record, field: str) -> Any:
        """What a filter or a sort compares."""
        if field == "id":
            return record["id"]
        if field == "campaign_id":
            return record["parent"]
        if field == "messages.channel":
            return self.channels(record)
        if field.startswith("integration."):
            return (record["attributes"].get("integration") or {}).get(field.partition(".")[2])
        shown = record["attributes"] if self.omni else self._legacy(record)
        return shown[field] if field in shown else (shown.get("definition") or {}).get(field)

    def keep(self, record: Record, said: Mapping[str, Any]) -> None:
        """Let the legacy revisions show a record as it was said, member by member until something changes it."""
        record["legacy"] = {"said": said, "meant": deepcopy(self._derived(record))}

    def _legacy(self, record: Record) -> dict[str, Any]:
        made, kept = self._derived(record), record.get("legacy", {"said": {}, "meant": {}})
        same = (name for name in kept["said"] if made.get(name) == kept["meant"].get(name))
        return made | {name: kept["said"][name] for name in same}

    def _derived(self, record: Record) -> dict[str, Any]:
        make: Mapping[str, Callable[[Record], dict[str, Any]]] = {
            "campaign": self._legacy_campaign,
            "campaign-message": self._legacy_message,
        }
        return make[record["type"]](record)

    def _legacy_campaign(self, record: Record) -> dict[str, Any]:
        attributes, world = record["attributes"], self._world
        definition = attributes["definition"]
        below = world.children(record, "campaign-messages")
        messages = [one["attributes"]["definition"] for one in below]
        audiences = [one["attributes"]["definition"] for one in world.children(record, "campaign-audiences")]
        times = sorted((time for one in below for time in send_times(one)), key=parse)
        tracked = [one["tracking_options"] for one in messages if one.get("tracking_options")]
        tracking: dict[str, Any] = tracked[0] if tracked else {}
        status = legacy_status([one.get("status") for one in messages])
        strategy: dict[str, Any] = {"method": "static" if times else "immediate"}
        if times:
            strategy |= {"datetime": times[0], "options": {"is_local": any(map(_is_local, messages))}}
        return {
            "name": definition.get("name"),
            "status": status,
            "archived": definition.get("archived"),
            "audiences": {
                "included": [one for audience in audiences for one in audience.get("included") or ()],
                "excluded": [one for audience in audiences for one in audience.get("excluded") or ()],
            },
            "send_options": {"use_smart_sending": True},
            "tracking_options": _tracking(tracking, self.channels(record)),
            "send_strategy": strategy,
            "created_at": attributes.get("created_at"),
            "scheduled_at": attributes.get("created_at")
            if status in ("Scheduled", "Sending", "Sent")
            else None,
            "updated_at": attributes.get("updated_at"),
            "send_time": times[0] if times else None,
        }

    def _legacy_message(self, record: Record) -> dict[str, Any]:
        attributes = record["attributes"]
        below = [
            one["attributes"]["definition"] for one in self._world.children(record, "campaign-variations")
        ]
        details = (below[0].get("details") or {}) if below else {}
        local = _is_local(attributes["definition"])
        return {
            "definition": legacy_definition(attributes["definition"].get("name"), details),
            "send_times": [{"datetime": time, "is_local": local} for time in send_times(record)],
            "created_at": attributes.get("created"),
            "updated_at": attributes.get("updated"),
        }


def _is_local(definition: Mapping[str, Any]) -> bool:
    """Whether each recipient gets the message when it is that time where they live."""
    strategy = (definition.get("send_options") or {}).get("send_strategy")
    return str(strategy).endswith("local_timezone")


def _tracking(told: Mapping[str, Any], channels: list[str]) -> dict[str, Any] | None:
    """By Klaviyo's OpenAPI document of 2026-07-15: opens and clicks are an email's, and push has none of it."""
    if channels == ["mobile_push"]:
        return None
    shown = {"add_tracking_params": told.get("is_add_utm", False), "custom_tracking_params": []}
    if channels != ["sms"]:
        shown |= {name: told.get(name, False) for name in ("is_tracking_clicks", "is_tracking_opens")}
    return shown


def legacy_status(statuses: list[str | None]) -> str:
    """A campaign's legacy status: that of the message which has most before it."""
    for word in _STATUSES:
        if word in statuses:
            return word.title()
    return statuses[0] if statuses and statuses[0] else "Draft"
