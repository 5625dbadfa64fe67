"""What messages brought, made up from their ids: counts that grow for a month, amounts, and the rates of them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from datetime import datetime, timedelta

from weathervane.klaviyo.sandbox._world import Record, World, parse, send_times

__all__ = ["REPORT_CHANNELS", "STATISTICS", "Sent", "counts_of", "sent_of", "share_of", "told", "values_of"]

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
REPORT_CHANNELS = {"email": "email", "sms": "sms", "push": "push-notification", "whatsapp": "whatsapp"}
_GROWS = timedelta(days=30)
"""Opens, clicks and orders come in for so long after the sending."""
_CENTS = "conversion cents"

Sent = tuple[Record, Record, str, datetime]
"""A campaign, its message, the report's word for the channel, and when it was sent."""


def sent_of(world: World) -> list[Sent]:
    """All messages that reached somebody, once per channel: also those that were stopped while they were sent."""
    found: list[Sent] = []
    for message in world.all("campaign-message"):
        definition, campaign = message["attributes"]["definition"], world.campaign_of(message)
        times = send_times(message)
        reached = definition.get("status") in ("sent", "sending") or message.get("stopped")
        if campaign is None or not reached or not times:
            continue
        below = [one["attributes"]["definition"] for one in world.children(message, "campaign-variations")]
        words = {(one.get("details") or {}).get("channel", "email") for one in below}
        found += [
            (campaign, message, REPORT_CHANNELS.get(word, word), parse(times[0])) for word in sorted(words)
        ]
    return found


def values_of(sent: Sent, now: datetime) -> dict[str, float]:
    """All statistics of what a message brought by now."""
    return told(counts_of(sent, now))


def share_of(counts: Mapping[str, int], number: int, of: int) -> dict[str, int]:
    """What one of several variations brought: all of them together, exactly what the message did."""
    return {name: value // of + (number < value % of) for name, value in counts.items()}


def counts_of(sent: Sent, now: datetime) -> dict[str, int]:
    """What a message brought by now, in whole numbers that may be added up.

    It only grows, for a month, and does not depend on who asks.
    """
    _, message, channel, at = sent
    seed = hashlib.sha256(f"{message['id']} {channel}".encode()).digest()
    share = [one / 255 for one in seed[:8]]
    grown = 1 - math.exp(-max(0.0, min((now - at) / _GROWS, 1.0)) * 5)
    recipients = (200 + int(share[0] * 5000)) // (2 if message.get("stopped") else 1)
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
    counts[_CENTS] = round(counts["conversions"] * (20 + 80 * share[5]) * 100)
    return counts


def told(counts: Mapping[str, int]) -> dict[str, float]:
    """Counts as Klaviyo tells them, as floats, with the amounts and rates that follow from them."""
    values = {name: float(value) for name, value in counts.items() if name != _CENTS}
    values["conversion_value"] = counts[_CENTS] / 100
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
