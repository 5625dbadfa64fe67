"""A believable account: campaigns of every channel, status and age, and what people do with them later."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from weathervane.klaviyo.sandbox.world import Record, World, parse, stamp

__all__ = ["CHANGES", "Life", "add_campaign", "fill"]

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
    for name in ("Placed Order", "Opened Email", "Clicked SMS"):
        created = {
            "name": name,
            "created": stamp(now - timedelta(days=900)),
            "updated": stamp(now - timedelta(days=9)),
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
        "push": {"title": f"{word} {letter}", "body": "Open the app", "badge": False},
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


def _rename(world: World, rng: random.Random, at: datetime) -> None:
    one = rng.choice(world.all("campaign"))
    one["attributes"]["definition"]["name"] += " (v2)"
    world.touch(one, at)


def _archive(world: World, rng: random.Random, at: datetime) -> None:
    one = rng.choice(world.all("campaign"))
    definition = one["attributes"]["definition"]
    definition["archived"] = not definition["archived"]
    world.touch(one, at)


def _edit(world: World, rng: random.Random, at: datetime) -> None:
    """Edits what a message says, which moves the variation and its message, but not the campaign."""
    drafts = [one for one in world.all("campaign-message") if _status(one) in ("draft", "scheduled")]
    if drafts:
        message = rng.choice(drafts)
        for variation in world.children(message, "campaign-variations"):
            variation["attributes"]["definition"]["details"]["template_id"] = f"T{rng.randrange(10_000)}"
            world.touch(variation, at, campaign=False)
        world.touch(message, at, campaign=False)


def _delete(world: World, rng: random.Random, at: datetime) -> None:
    if len(world.records["campaign"]) > 3:
        world.drop(rng.choice(world.all("campaign")), at)


def _new(world: World, rng: random.Random, at: datetime) -> None:
    add_campaign(world, rng, at, status=rng.choice(("draft", "scheduled")))


def _status(message: Record) -> str:
    return str(message["attributes"]["definition"].get("status"))


CHANGES: tuple[tuple[int, Callable[[World, random.Random, datetime], None]], ...] = (
    (4, _new),
    (3, _rename),
    (3, _edit),
    (2, _archive),
    (1, _delete),
)
"""What people do, with how often."""


class Life:
    """An account that goes on living as its clock moves; the same clock steps give the same life."""

    def __init__(self, world: World, seed: int, gap: float, now: datetime) -> None:
        self._world = world
        self._rng = random.Random(f"{seed} life")
        self._gap = gap
        self._next = now + self._pause()

    def _pause(self) -> timedelta:
        return timedelta(seconds=self._rng.expovariate(1 / self._gap))

    def catch_up(self, now: datetime) -> None:
        """Lets happen what is due by now: scheduled messages are sent, people change things."""
        while self._next <= now:
            at, self._next = self._next, self._next + self._pause()
            self.send(at)
            do = self._rng.choices([one for _, one in CHANGES], [weight for weight, _ in CHANGES])[0]
            if self._world.records["campaign"]:
                do(self._world, self._rng, at)
        self.send(now)

    def send(self, now: datetime) -> None:
        """Sends the scheduled messages whose time has come."""
        for message in self._world.all("campaign-message"):
            definition = message["attributes"]["definition"]
            due = (definition.get("send_options") or {}).get("send_time")
            if definition.get("status") == "scheduled" and due and parse(due) <= now:
                definition["status"] = "sent"
                self._world.touch(message, parse(due))
