"""The accounts of a pretend Google Ads: managers above clients, campaigns, ad groups and ads below them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from weathervane.google_ads.sandbox._beside import LEVELS
from weathervane.google_ads.sandbox._traffic import Fact, Traffic

__all__ = ["Account", "Moment", "Node", "World"]

Values = dict[str, Any]
"""GAQL name -> value: `{"campaign.id": 21048795312, "campaign.status": "ENABLED"}`."""


@dataclass(frozen=True)
class Moment:
    """The present of one account."""

    today: date
    share_of_today: float
    """How much of the account's day is over; figures come by the hour."""
    window: int
    """Days until the last conversion of a click."""


@dataclass(eq=False)
class Node:
    """An account, a campaign, an ad group or an ad in it."""

    level: str
    key: str
    values: Values
    parent: Node | None = None
    children: dict[str, Node] = field(default_factory=dict)
    traffic: Traffic | None = None
    stated: dict[date, list[Fact]] = field(default_factory=dict)
    """Figures that were loaded or set: they stand instead of all others of that day."""
    loaded: bool = False
    """Whether all its figures are in `stated`, its children's apart."""

    def child(self, level: str, key: str, values: Values) -> Node:
        """The child of this key, made when it is not there; its values are brought up to date."""
        node = self.children.get(f"{level} {key}")
        if node is None:
            node = self.children[f"{level} {key}"] = Node(level, key, {}, self)
        node.values.update(values)
        return node

    def attributes(self) -> Values:
        """Its own values and those of all above it."""
        above = self.parent.attributes() if self.parent else {}
        return {**above, **self.values}

    def facts(self, day: date, moment: Moment) -> list[Fact]:
        """Its figures of a day: its own where it has some, else those of what is below it."""
        if day > moment.today:
            return []
        if day in self.stated:
            return self.stated[day]
        if self.traffic is not None:
            return self.traffic.facts(
                day, today=moment.today, share_of_today=moment.share_of_today, window=moment.window
            )
        if self.loaded:
            return []
        return [fact for child in self.children.values() for fact in child.facts(day, moment)]

    def first_day(self) -> date | None:
        """The first day that can have figures."""
        days = [self.traffic.begins] if self.traffic else []
        days += list(self.stated)
        days += [day for child in self.children.values() if (day := child.first_day())]
        return min(days, default=None)

    def walk(self) -> Iterator[Node]:
        """Itself and everything below."""
        yield self
        for child in list(self.children.values()):
            yield from child.walk()

    def at(self, level: str) -> list[Node]:
        """All nodes of a level in it."""
        return [node for node in self.walk() if node.level == level]


@dataclass(eq=False)
class Account:
    """One customer."""

    node: Node
    clients: list[str] = field(default_factory=list)
    """The customers directly below a manager."""
    actions: list[Values] = field(default_factory=list)
    """Its conversion actions."""
    others: dict[str, list[Values]] = field(default_factory=dict)
    """Loaded rows of other resources: FROM resource -> rows."""

    @property
    def id(self) -> str:
        """The ten digits."""
        return self.node.key

    @property
    def manager(self) -> bool:
        """Whether it is a manager account."""
        return bool(self.node.values.get("customer.manager"))

    @property
    def status(self) -> str:
        """ENABLED, CANCELED, SUSPENDED or CLOSED."""
        return str(self.node.values.get("customer.status", "ENABLED"))

    @property
    def timezone(self) -> ZoneInfo:
        """Where its days begin."""
        return ZoneInfo(str(self.node.values.get("customer.time_zone") or "UTC"))

    def moment(self, now: datetime) -> Moment:
        """The present in its time zone."""
        local = now.astimezone(self.timezone)
        name = "conversion_action.click_through_lookback_window_days"
        windows = [
            int(one.get(name) or 30)
            for one in self.actions
            if one.get("conversion_action.status") == "ENABLED"
        ]
        return Moment(local.date(), local.hour / 24, max(windows, default=30))


class World:
    """All accounts of one pretend vendor, and which of them the user reaches directly."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.accessible: list[str] = []
        self.lock = threading.RLock()

    def add(self, customer: str, values: Values) -> Account:
        """The account of a customer, made when it is not there."""
        account = self.accounts.get(customer)
        if account is None:
            own = {
                "customer.resource_name": f"customers/{customer}",
                "customer.id": int(customer),
                "customer.descriptive_name": f"Account {customer}",
                "customer.currency_code": "USD",
                "customer.time_zone": "UTC",
                "customer.manager": False,
                "customer.status": "ENABLED",
                "customer.test_account": False,
            }
            account = self.accounts[customer] = Account(Node("customer", customer, own))
        account.node.values.update(values)
        return account

    def below(self, customer: str, level: int = 0) -> Iterator[tuple[str, int]]:
        """A customer and all below it, with their distance; one that is reached twice comes once, the nearest."""
        seen: dict[str, int] = {}
        todo = [(customer, level)]
        while todo:
            one, depth = todo.pop(0)
            if one not in seen:
                seen[one] = depth
                todo += [(child, depth + 1) for child in self.accounts[one].clients]
        yield from seen.items()

    def reaches(self, login: str | None, customer: str) -> bool:
        """Whether the user may read a customer, when it comes through `login`."""
        if login is None or login == customer:
            return customer in self.accessible
        return login in self.accessible and customer in dict(self.below(login))

    def find(self, customer: str, level: str, key: str) -> Node:
        """A node by its level and key; ValueError when there is none."""
        if level not in LEVELS:
            raise ValueError(f"level must be one of {', '.join(LEVELS)}, got {level!r}")
        account = self.accounts.get(customer)
        for node in account.node.at(level) if account else ():
            if node.key == key:
                return node
        raise ValueError(f"customer {customer} has no {level} {key}")
