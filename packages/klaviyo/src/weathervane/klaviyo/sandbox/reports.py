"""Campaign values reports: one aggregate per campaign, message and channel over a whole window, by date of sending."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from weathervane.klaviyo.sandbox.filters import Condition, Fields, parse_filter
from weathervane.klaviyo.sandbox.problems import RefusalError
from weathervane.klaviyo.sandbox.world import Record, World, parse

__all__ = ["STATISTICS", "Sent", "report", "sent_of", "values_of"]

STATISTICS = (
    "average_order_value",
    "bounce_rate",
    "bounced",
    "bounced_or_failed",
    "bounced_or_failed_rate",
    "click_rate",
    "click_to_open_rate",
    "clicks",
    "clicks_unique",
    "conversion_rate",
    "conversion_uniques",
    "conversion_value",
    "conversions",
    "delivered",
    "delivery_rate",
    "failed",
    "failed_rate",
    "message_segment_count_sum",
    "open_rate",
    "opens",
    "opens_unique",
    "recipients",
    "revenue_per_recipient",
    "spam_complaint_rate",
    "spam_complaints",
    "text_message_credit_usage_amount",
    "text_message_roi",
    "text_message_spend",
    "unsubscribe_rate",
    "unsubscribe_uniques",
    "unsubscribes",
)
_REPORT_CHANNELS = {"email": "email", "sms": "sms", "push": "push-notification", "whatsapp": "whatsapp"}
_FILTERS: Fields = {
    "send_channel": ("string", ("equals", "contains-any")),
    "campaign_id": ("string", ("equals", "contains-any")),
    "campaign_message_id": ("string", ("equals", "contains-any")),
}
_GROUPS = ("campaign_id", "campaign_message_id", "send_channel")
_DAYS = {"today": 1, "last_7_days": 7, "last_30_days": 30, "last_90_days": 90, "last_365_days": 365}
_GROWS = timedelta(days=30)
"""Opens, clicks and orders come in for so long after the sending."""

Sent = tuple[Record, Record, str, datetime]
"""A campaign, its message, the report's word for the channel, and when it was sent."""


def sent_of(world: World) -> list[Sent]:
    """All messages that were sent, once per channel."""
    found: list[Sent] = []
    for message in world.all("campaign-message"):
        definition, campaign = message["attributes"]["definition"], world.campaign_of(message)
        time = (definition.get("send_options") or {}).get("send_time")
        if campaign is None or definition.get("status") not in ("sent", "sending") or not time:
            continue
        below = [one["attributes"]["definition"] for one in world.children(message, "campaign-variations")]
        words = {(one.get("details") or {}).get("channel", "email") for one in below}
        found += [
            (campaign, message, _REPORT_CHANNELS.get(word, word), parse(time)) for word in sorted(words)
        ]
    return found


def values_of(sent: Sent, now: datetime) -> dict[str, float]:
    """What a message brought by now; it only grows, for a month, and does not depend on who asks."""
    _, message, channel, at = sent
    seed = hashlib.sha256(f"{message['id']} {channel}".encode()).digest()
    share = [one / 255 for one in seed[:8]]
    grown = 1 - math.exp(-max(0.0, min((now - at) / _GROWS, 1.0)) * 5)
    recipients = 200 + int(share[0] * 5000)
    delivered = recipients - int(recipients * share[1] * 0.03)
    opens = int(delivered * (0.2 + 0.3 * share[2]) * grown)
    clicks = int(opens * (0.05 + 0.2 * share[3]))
    orders = int(clicks * (0.05 + 0.2 * share[4]))
    counts = {
        "recipients": recipients,
        "delivered": delivered,
        "bounced": recipients - delivered,
        "failed": 0,
        "bounced_or_failed": recipients - delivered,
        "opens_unique": opens,
        "opens": opens * 2,
        "clicks_unique": clicks,
        "clicks": clicks + clicks // 3,
        "conversion_uniques": orders,
        "conversions": orders + orders // 5,
        "unsubscribe_uniques": int(opens * 0.01),
        "unsubscribes": int(opens * 0.01),
        "spam_complaints": int(opens * 0.001),
        "message_segment_count_sum": 0,
        "text_message_credit_usage_amount": recipients if channel == "sms" else 0,
    }
    values = {name: float(value) for name, value in counts.items()}
    values["conversion_value"] = round(counts["conversions"] * (20 + 80 * share[5]), 2)
    values["text_message_spend"] = round(0.01 * values["text_message_credit_usage_amount"], 4)
    rates = {
        "bounce_rate": ("bounced", "recipients"),
        "bounced_or_failed_rate": ("bounced_or_failed", "recipients"),
        "failed_rate": ("failed", "recipients"),
        "delivery_rate": ("delivered", "recipients"),
        "open_rate": ("opens_unique", "delivered"),
        "click_rate": ("clicks_unique", "delivered"),
        "click_to_open_rate": ("clicks_unique", "opens_unique"),
        "conversion_rate": ("conversion_uniques", "delivered"),
        "unsubscribe_rate": ("unsubscribe_uniques", "delivered"),
        "spam_complaint_rate": ("spam_complaints", "delivered"),
        "revenue_per_recipient": ("conversion_value", "delivered"),
        "average_order_value": ("conversion_value", "conversions"),
        "text_message_roi": ("conversion_value", "text_message_spend"),
    }
    for name, (part, whole) in rates.items():
        values[name] = round(values[part] / values[whole], 6) if values[whole] else 0.0
    return values


def report(world: World, body: bytes, timezone: str, now: datetime, base: str) -> dict[str, Any]:
    """Answers a report.

    Raises:
        RefusalError: 400 for a body that is no good, 404 for an unknown conversion metric.
    """
    asked = _asked(body)
    statistics = _words(asked, "statistics", STATISTICS)
    if "group_by" in asked and not {"campaign_id", "campaign_message_id"} <= set(asked["group_by"] or ()):
        raise _bad("group_by", "group_by must contain campaign_id and campaign_message_id")
    groups = _words(asked, "group_by", _GROUPS) if "group_by" in asked else list(_GROUPS)
    metric = asked.get("conversion_metric_id")
    if not isinstance(metric, str) or not metric:
        raise _bad("conversion_metric_id", "conversion_metric_id is a required field")
    if world.find("metric", metric) is None:
        raise RefusalError(
            404, f"A metric with id {metric} does not exist.", {"pointer": _at("conversion_metric_id")}
        )
    first, last = _timeframe(asked.get("timeframe"), ZoneInfo(timezone), now)
    conditions = _conditions(asked.get("filter"), now)
    results = []
    for one in sorted(sent_of(world), key=lambda sent: (sent[3], sent[1]["id"], sent[2])):
        if not first <= one[3] <= last or one[3] > now:
            continue
        all_groups = {
            "campaign_id": one[0]["id"],
            "campaign_message_id": one[1]["id"],
            "send_channel": one[2],
        }
        if all(_fits(condition, all_groups[condition.field]) for condition in conditions):
            values = values_of(one, now)
            results.append(
                {
                    "groupings": {name: all_groups[name] for name in groups},
                    "statistics": {name: values[name] for name in statistics},
                }
            )
    link = f"{base}/api/campaign-values-reports"
    ids = dict.fromkeys(one["groupings"]["campaign_id"] for one in results)
    return {
        "data": {
            "type": "campaign-values-report",
            "attributes": {"results": results},
            "relationships": {"campaigns": {"data": [{"type": "campaign", "id": one} for one in ids]}},
            "links": {"self": link},
        },
        "links": {"self": link, "next": None, "prev": None},
    }


def _asked(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)["data"]
        attributes = data["attributes"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RefusalError(
            400, "The payload is not a campaign-values-report.", {"pointer": "/data"}
        ) from None
    if data.get("type") != "campaign-values-report" or not isinstance(attributes, dict):
        raise RefusalError(400, "The payload is not a campaign-values-report.", {"pointer": "/data/type"})
    unknown = sorted(
        set(attributes) - {"statistics", "timeframe", "conversion_metric_id", "group_by", "filter"}
    )
    if unknown:
        raise _bad(unknown[0], f"'{unknown[0]}' is not a valid field for this resource.")
    return attributes


def _words(asked: Mapping[str, Any], name: str, known: Any) -> list[str]:
    words = asked.get(name)
    if not isinstance(words, list) or not words:
        raise _bad(name, f"{name} is a required field")
    for word in words:
        if word not in known:
            raise _bad(name, f"'{word}' is not a valid choice for {name}")
    return words


def _timeframe(given: Any, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    given = given if isinstance(given, dict) else {}
    today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    if given.get("key") in _DAYS:
        return today - timedelta(days=_DAYS[given["key"]] - 1), now
    if given.get("key") == "this_month":
        return today.replace(day=1), now
    try:
        # An offset is ignored: the account's own timezone counts.
        first = datetime.fromisoformat(given["start"]).replace(tzinfo=zone)
        last = datetime.fromisoformat(given["end"]).replace(tzinfo=zone)
    except (KeyError, ValueError, TypeError):
        raise _bad("timeframe", "timeframe takes a known key, or start and end") from None
    last = last.replace(minute=59, second=59)
    if first > last:
        raise _bad("timeframe", "The start of the timeframe is after its end.")
    if last.date() >= _next_year(first.date()):
        raise _bad("timeframe", "The timeframe must not be longer than one year.")
    return first, last


def _next_year(day: date) -> date:
    return day.replace(year=day.year + 1, day=28 if (day.month, day.day) == (2, 29) else day.day)


def _conditions(text: Any, now: datetime) -> list[Condition]:
    if text is None:
        return []
    found = parse_filter(str(text), _FILTERS, now)
    if len({one.field for one in found}) < len(found):
        raise _bad("filter", "Only one filter per attribute is allowed.")
    for one in found:
        values = one.value if isinstance(one.value, list) else [one.value]
        if len(values) > 100:
            raise _bad("filter", "A filter takes at most 100 items.")
        if one.field == "send_channel" and not set(values) <= set(_REPORT_CHANNELS.values()):
            raise _bad("filter", f"send_channel is one of {', '.join(_REPORT_CHANNELS.values())}")
    return found


def _fits(condition: Condition, found: str) -> bool:
    return found in condition.value if isinstance(condition.value, list) else bool(found == condition.value)


def _at(name: str) -> str:
    return f"/data/attributes/{name}"


def _bad(name: str, detail: str) -> RefusalError:
    return RefusalError(400, detail, {"pointer": _at(name)})
