"""A believable account: campaigns of every channel, status and age."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from weathervane.klaviyo.sandbox._world import Record, World, parse, stamp

__all__ = ["add_campaign", "add_variation", "fill", "status_of"]

CHANNELS = ("email", "email", "email", "email", "sms", "sms", "push", "whatsapp")
NAMES = (
    "Spring sale",
    "November launch",
    "Back in stock",
    "Loyalty points",
    "Last call",
    "New arrivals",
    "Réveillon",
)
SEGMENTS = ("Y6nRLr", "UTd5ui", "QrT9zz", "Xy12Ab")


def fill(world: World, count: int, now: datetime) -> None:
    """Fills an account with `count` campaigns of the 200 days before `now`, and the metrics of a shop."""
    rng = world.random
    integration = (
        {"object": "integration", "id": "0rG4eQ", "name": "Klaviyo", "category": "Internal"},
        {"object": "integration", "id": "0eMvjm", "name": "Shopify", "category": "eCommerce"},
    )
    for name in ("Placed Order", "Opened Email", "Clicked SMS"):
        created = {
            "name": name,
            "created": stamp(now - timedelta(days=900)),
            "updated": stamp(now - timedelta(days=9)),
            "integration": integration[name == "Placed Order"],
        }
        world.add("metric", "RESQ6t" if name == "Placed Order" else world.new_id("metric"), created)
    for name in ("vip", "seasonal"):
        world.add("tag", world.new_id("tag"), {"name": name})
    ages = sorted((rng.uniform(0.5, 200.0) for _ in range(count)), reverse=True)
    for number, age in enumerate(ages):
        at = (now - timedelta(days=age)).replace(microsecond=0)
        statuses = ["sent", "sent", "cancelled" if number % 9 == 0 else "sent"]
        if age < 12:
            statuses = ["sent", "draft", "scheduled"]
        add_campaign(
            world, rng, at, status=rng.choice(statuses), now=now, archived=age > 120 and rng.random() < 0.6
        )
    _test_send_times(world)


def _test_send_times(world: World) -> None:
    """Makes of one sent message, of two variations if there is such, a test of its send time: a time for each."""
    sent = [one for one in world.all("campaign-message") if status_of(one) == "sent"]
    if sent:
        message = max(sent, key=lambda one: len(one["campaign-variations"]))
        options = message["attributes"]["definition"]["send_options"]
        first, options["send_time"] = parse(options["send_time"]), None
        # Backwards, so that the first is not the earliest; and none is later than the sending was.
        options["send_times"] = {
            one: stamp(first - timedelta(hours=3 * number))
            for number, one in enumerate(message["campaign-variations"])
        }
        options["send_strategy"] = "ab_send_time_test"


def add_campaign(
    world: World,
    rng: random.Random,
    at: datetime,
    *,
    status: str = "draft",
    now: datetime | None = None,
    archived: bool = False,
    channel: str | None = None,
) -> Record:
    """Makes a campaign with an audience, one message (some two) and one variation a message (some two)."""
    sends = at + timedelta(hours=rng.randrange(1, 72))
    if status == "sent" and now is not None and sends > now:
        sends = now - timedelta(minutes=5)
    if status == "scheduled" and now is not None and sends <= now:
        sends = now + timedelta(hours=rng.randrange(1, 72))
    changed = (
        max(at, sends + timedelta(seconds=5))
        if status == "sent"
        else at + timedelta(minutes=rng.randrange(50))
    )
    changed = min(changed, now or changed)
    strategy = rng.choice(("static", "static", "local_timezone", "throttled"))
    campaign = world.add(
        "campaign",
        world.new_id("campaign"),
        {
            "created_at": stamp(at),
            "updated_at": stamp(changed),
            "definition": {
                "name": f"{rng.choice(NAMES)} {at:%d.%m.%y}",
                "builder": rng.choice(("canvas", "wizard")),
                "archived": archived,
                "color": None,
                "description": None,
                "send_settings": {
                    "send_timezone": "Europe/Paris",
                    "send_strategy": strategy,
                    "send_passed_rltz_immediately": False,
                    "exit_condition_enabled": False,
                    "exit_condition_conversion_metric_id": None,
                },
            },
        },
    )
    included = rng.sample(SEGMENTS, rng.choice((1, 2)))
    world.add(
        "campaign-audience",
        world.new_id("campaign-audience"),
        {
            "created": stamp(at),
            "updated": stamp(at),
            "definition": {
                "name": "All buyers",
                "included": included,
                "excluded": [one for one in SEGMENTS[:1] if one not in included],
                "priority": 1,
            },
        },
        campaign,
    )
    if rng.random() < 0.3 and world.records["tag"]:
        campaign["tags"].append(rng.choice(sorted(world.records["tag"])))
    for number in range(2 if rng.random() < 0.12 else 1):
        message = world.add(
            "campaign-message",
            world.new_id("campaign-message"),
            {
                "created": stamp(at),
                "updated": stamp(changed),
                "definition": {
                    "name": f"Message {number + 1}",
                    "status": status if number == 0 else "draft",
                    "tracking_options": {
                        "is_add_utm": True,
                        "is_tracking_clicks": True,
                        "is_tracking_opens": True,
                    },
                    "send_options": {
                        "send_time": stamp(sends) if status != "draft" and number == 0 else None,
                        "send_strategy": strategy,
                        "is_ignoring_unsubscribes": False,
                    },
                    "ab_test": None,
                },
            },
            campaign,
        )
        both = rng.random() < 0.15
        picked = channel or rng.choice(CHANNELS)
        for letter in "AB" if both else "A":
            add_variation(world, rng, message, at, changed, letter, picked)
    return campaign


def add_variation(
    world: World,
    rng: random.Random,
    message: Record,
    at: datetime,
    changed: datetime,
    letter: str,
    channel: str,
) -> Record:
    """Adds what a message says on one channel."""
    word = rng.choice(("Hello", "Only today", "We miss you", "Just for you"))
    details: Mapping[str, Mapping[str, Any]] = {
        "email": {
            "template_id": "RDYq4T",
            "from_label": "Acme",
            "from_email": "hi@acme.example",
            "reply_to_email": None,
            "cc_email": None,
            "bcc_email": None,
            "subject": f"{word} {letter}",
            "preview_text": "New things",
        },
        "sms": {
            "body": f"{word} {letter}",
            "template_id": None,
            "shorten_links": True,
            "text_message_type": "SMS",
        },
        "push": {
            "title": f"{word} {letter}",
            "body": "Open the app",
            "badge": False,
            "push_type": "standard",
        },
        "whatsapp": {"template_id": "wa_7", "shorten_links": True},
    }
    return world.add(
        "campaign-variation",
        world.new_id("campaign-variation"),
        {
            "created": stamp(at),
            "updated": stamp(changed),
            "definition": {"name": letter, "details": {"channel": channel, **details.get(channel, {})}},
        },
        message,
    )


def status_of(message: Record) -> str:
    """A message's status."""
    return str(message["attributes"]["definition"].get("status"))
