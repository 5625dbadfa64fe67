"""An account that goes on: what people do with campaigns, and scheduled messages that are sent."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from weathervane.klaviyo.sandbox._seed import add_campaign, status_of
from weathervane.klaviyo.sandbox._world import World, parse, send_times

__all__ = ["CHANGES", "Life"]


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
    drafts = [one for one in world.all("campaign-message") if status_of(one) in ("draft", "scheduled")]
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
            due = [parse(one) for one in send_times(message)]
            if definition.get("status") == "scheduled" and due and due[-1] <= now:
                definition["status"] = "sent"
                self._world.touch(message, due[-1])
