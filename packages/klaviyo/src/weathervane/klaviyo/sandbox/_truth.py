"""What the lake's tables must hold, worked out of the account's records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from weathervane.klaviyo.sandbox._options import AccountOptions
from weathervane.klaviyo.sandbox._values import sent_of, values_of
from weathervane.klaviyo.sandbox._world import Record, World
from weathervane.source.sandbox import Later, TableTruth

__all__ = ["TABLES", "table_truth"]

Row = dict[str, Any]

_RANKS = ("sending", "scheduled", "draft", "sent", "cancelled")
_COUNTS = ("recipients", "delivered", "opens_unique", "clicks_unique", "conversions")


def table_truth(table: str, world: World, options: AccountOptions, now: datetime) -> TableTruth:
    """What a table must hold by the account's records as they are, and by what its messages brought by now."""
    keys, make = _MADE[table]
    with world.lock:
        # Klaviyo tells nobody of a deletion: the lake has the time at which the campaign was missed, and what was below
        # it stays.
        deleted = {
            one: {"campaign_id": one, "deleted_at": Later(_time(at))} for one, at in world.deleted.items()
        }
        gone = [row if table in _MARKED else {"campaign_id": campaign} for campaign, row in deleted.items()]
        return TableTruth(keys, make(world, options, now), gone)


def _campaigns(world: World, options: AccountOptions, now: datetime) -> list[Row]:
    return [_campaign(one, world, options.account) for one in world.all("campaign")]


def _campaign(one: Record, world: World, account: str) -> Row:
    attributes = one["attributes"]
    messages = world.children(one, "campaign-messages")
    audiences = [_definition(below) for below in world.children(one, "campaign-audiences")]
    statuses = [_definition(message)["status"] for message in messages]
    return {
        "account_id": account,
        "campaign_id": one["id"],
        "name": _definition(one)["name"],
        "archived": _definition(one)["archived"],
        "builder": _definition(one)["builder"],
        # The first in the order of what is still to come.
        "status": next((word for word in (*_RANKS, *statuses) if word in statuses), None),
        "channels": sorted({word for message in messages for word in _channels(message, world)}),
        "send_time": min((time for time in map(_send_time, messages) if time), default=None),
        "created_at": _time(attributes["created_at"]),
        "updated_at": _time(attributes["updated_at"]),
        "deleted_at": None,
        "included_audiences": [word for audience in audiences for word in audience["included"]],
        "excluded_audiences": [word for audience in audiences for word in audience["excluded"]],
        "message_ids": sorted(message["id"] for message in messages),
    }


def _messages(world: World, options: AccountOptions, now: datetime) -> list[Row]:
    return [
        {
            "message_id": one["id"],
            "campaign_id": one["parent"],
            "name": _definition(one)["name"],
            "status": _definition(one)["status"],
            "channels": sorted(_channels(one, world)),
            "send_time": _send_time(one),
            "send_time_is_local": _definition(one)["send_options"]["send_strategy"].endswith(
                "local_timezone"
            ),
            "updated_at": _time(one["attributes"]["updated"]),
            "deleted_at": None,
        }
        for one in world.all("campaign-message")
    ]


def _variations(world: World, options: AccountOptions, now: datetime) -> list[Row]:
    return [_variation(one, world) for one in world.all("campaign-variation")]


def _variation(one: Record, world: World) -> Row:
    details, campaign = _definition(one)["details"], world.campaign_of(one)
    return {
        "variation_id": one["id"],
        "message_id": one["parent"],
        "campaign_id": campaign and campaign["id"],
        "name": _definition(one)["name"],
        "channel": details["channel"],
        "subject": details.get("subject"),
        "body": details.get("body"),
        "template_id": details.get("template_id"),
        "updated_at": _time(one["attributes"]["updated"]),
    }


def _reports(world: World, options: AccountOptions, now: datetime) -> list[Row]:
    rows = []
    for sent in sent_of(world):
        campaign, message, channel, at = sent
        if at > now:
            continue
        day, values = at.astimezone(ZoneInfo(options.timezone)).date(), values_of(sent, now)
        rows.append(
            {
                "message_id": message["id"],
                "channel": channel.removesuffix("-notification"),
                "campaign_id": campaign["id"],
                "period_start": date(day.year, 3 * ((day.month - 1) // 3) + 1, 1),
                "currency": options.currency,
                "conversion_value": Decimal(str(values["conversion_value"])),
                **{name: int(values[name]) for name in _COUNTS},
            }
        )
    return rows


_Made = Callable[[World, AccountOptions, datetime], list[Row]]
_MADE: Mapping[str, tuple[tuple[str, ...], _Made]] = {
    "klaviyo_campaigns": (("campaign_id",), _campaigns),
    "klaviyo_campaign_messages": (("message_id",), _messages),
    "klaviyo_campaign_variations": (("variation_id",), _variations),
    "klaviyo_campaign_reports": (("message_id", "channel"), _reports),
}
TABLES = tuple(_MADE)
_MARKED = ("klaviyo_campaigns", "klaviyo_campaign_messages")
"""Tables whose rows say themselves when what they are of was missed."""


def _definition(record: Record) -> Mapping[str, Any]:
    definition: Mapping[str, Any] = record["attributes"]["definition"]
    return definition


def _channels(message: Record, world: World) -> set[str]:
    return {_definition(one)["details"]["channel"] for one in world.children(message, "campaign-variations")}


def _send_time(message: Record) -> datetime | None:
    options = _definition(message)["send_options"]
    times = [options["send_time"], *(options.get("send_times") or {}).values()]
    return min((_time(one) for one in times if one), default=None)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
