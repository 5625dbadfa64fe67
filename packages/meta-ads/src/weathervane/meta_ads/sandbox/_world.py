"""What the pretend Meta holds: accounts, and the campaigns, ad sets and ads in them, as they are at a moment."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from weathervane.meta_ads.sandbox._fields import LEVELS
from weathervane.meta_ads.sandbox._options import AccountOptions, MetaOptions

__all__ = ["Account", "Patch", "Thing", "World", "freshness"]

Patch = dict[str, Any]
_OBJECTIVES = ("OUTCOME_SALES", "OUTCOME_LEADS", "OUTCOME_TRAFFIC")
_FRESH = 15 * 60  # Meta: insights are refreshed about every 15 minutes


def freshness(now: datetime) -> datetime:
    """The moment as of which numbers are shown: the last quarter of an hour."""
    stamp = int(now.timestamp())
    return datetime.fromtimestamp(stamp - stamp % _FRESH, UTC)


@dataclass(frozen=True)
class Account:
    """One ad account."""

    id: str
    name: str
    currency: str
    zone: ZoneInfo

    def today(self, now: datetime) -> date:
        """The account's own day."""
        return now.astimezone(self.zone).date()

    def node(self, now: datetime) -> dict[str, Any]:
        """All that the API says of it."""
        offset = now.astimezone(self.zone).utcoffset()
        return {
            "id": f"act_{self.id}",
            "account_id": self.id,
            "name": self.name,
            "currency": self.currency,
            "timezone_name": self.zone.key,
            "timezone_offset_hours_utc": offset.total_seconds() / 3600 if offset else 0.0,
            "account_status": 1,
            "amount_spent": "0",
            "business_name": "Sandbox",
            "created_time": "2020-01-01T00:00:00+0000",
            "disable_reason": 0,
        }


@dataclass(eq=False)
class Thing:
    """A campaign, an ad set or an ad."""

    id: str
    level: str
    name: str
    account_id: str
    parent: Thing | None
    created: datetime
    deleted: datetime | None = None
    archived: datetime | None = None
    paused: bool = False
    delivers: bool = True
    extra: dict[str, Any] = field(default_factory=dict)

    def at(self, level: str) -> Thing | None:
        """This thing, or the one above it, of a level; None for the account."""
        found: Thing | None = self
        while found is not None and found.level != level:
            found = found.parent
        return found

    @property
    def line(self) -> Iterator[Thing]:
        """This thing and all above it."""
        found: Thing | None = self
        while found is not None:
            yield found
            found = found.parent

    def ended(self) -> datetime | None:
        """When it stopped delivering for good."""
        ends = [end for one in self.line for end in (one.deleted, one.archived) if end is not None]
        return min(ends, default=None)

    def updated(self, now: datetime) -> datetime:
        """When it was changed for the last time."""
        ended = self.ended()
        return max(self.created, ended) if ended is not None and ended <= now else self.created

    def status(self, now: datetime) -> str:
        """What its owner set."""
        if self.deleted is not None and self.deleted <= now:
            return "DELETED"
        if self.archived is not None and self.archived <= now:
            return "ARCHIVED"
        return "PAUSED" if self.paused else "ACTIVE"

    def effective_status(self, now: datetime) -> str:
        """What those above make of it."""
        said = [(one.level, one.status(now)) for one in self.line]
        for status in ("DELETED", "ARCHIVED"):
            if any(found == status for _, found in said):
                return status
        for level, found in said:
            if found == "PAUSED":
                return "PAUSED" if level == self.level else f"{level.upper()}_PAUSED"
        return "ACTIVE"

    def node(self, now: datetime) -> dict[str, Any]:
        """All that the API says of it."""
        above = {f"{one.level}_id": one.id for one in self.line if one is not self}
        status = self.status(now)
        return {
            "id": self.id,
            "account_id": self.account_id,
            "name": self.name,
            "status": status,
            "configured_status": status,
            "effective_status": self.effective_status(now),
            "created_time": _stamp(self.created),
            "updated_time": _stamp(self.updated(now)),
            "start_time": _stamp(self.created),
            **above,
            **self.extra,
        }


class World:
    """Everything that exists, now or later. Guard changes with `lock`; `version` counts them."""

    def __init__(self, options: MetaOptions) -> None:
        self.lock = threading.RLock()
        self.version = 0
        self.accounts: dict[str, Account] = {}
        self.things: dict[str, Thing] = {}
        self._ads: dict[str, list[Thing]] = {}
        self.patches: dict[tuple[str, date], Patch | None] = {}
        """(ad id, day) -> numbers in place of the seeded ones; None: no row."""
        self.spoilt: dict[tuple[str, str, date], dict[str, Any]] = {}
        """(level, id, day) -> members of the row as it is sent, whatever they are."""
        self.raw: dict[tuple[str, str, date], list[dict[str, Any]]] = {}
        """(account, level, day) -> rows that came from a file, as they are."""
        self._ids = 120210000000000000 + 1_000_000 * (options.seed % 1000)
        for one in options.accounts:
            self.open(one)

    def open(self, one: AccountOptions) -> Account:
        """Adds an account."""
        account = Account(one.id, one.name, one.currency, ZoneInfo(one.timezone))
        self.accounts[account.id] = account
        self._ads[account.id] = []
        return account

    def new_id(self) -> str:
        """An id as Meta's are: 18 digits, beyond what a float can hold."""
        self._ids += 10_007
        return str(self._ids)

    def add(self, thing: Thing) -> Thing:
        """Adds an object under its parent."""
        self.things[thing.id] = thing
        if thing.level == "ad":
            self._ads[thing.account_id].append(thing)
        self.version += 1
        return thing

    def ads(self, account_id: str, now: datetime) -> list[Thing]:
        """The ads that exist by now, deleted ones too."""
        return [ad for ad in self._ads[account_id] if ad.created <= now]

    def of(self, account_id: str, level: str, now: datetime) -> list[Thing]:
        """The objects of a level that exist by now, deleted ones too."""
        return [
            one
            for one in self.things.values()
            if one.account_id == account_id and one.level == level and one.created <= now
        ]

    def touch(self) -> None:
        """Notes that something changed."""
        self.version += 1


def fill(world: World, options: MetaOptions) -> None:
    """Fills every account with campaigns, ad sets and ads; some end, some begin after `now`."""
    for account in world.accounts.values():
        rng = Random(f"{options.seed} {account.id}")
        begin = options.now - timedelta(days=options.history_days)
        number = 0
        for c in range(options.campaigns):
            campaign = world.add(
                Thing(
                    world.new_id(),
                    "campaign",
                    f"Campaign {c + 1} - Prospecting",
                    account.id,
                    None,
                    begin,
                    extra={"objective": _OBJECTIVES[c % 3], "buying_type": "AUCTION", "daily_budget": "5000"},
                )
            )
            for s in range(options.adsets):
                adset = world.add(
                    Thing(
                        world.new_id(),
                        "adset",
                        f"Ad set {c + 1}.{s + 1} 25-44",
                        account.id,
                        campaign,
                        begin,
                        extra={"optimization_goal": "OFFSITE_CONVERSIONS", "daily_budget": "2500"},
                    )
                )
                for _ in range(options.ads):
                    _ad(world, options, account, adset, number, rng)
                    number += 1
        _end_some(world, options, account)


def _ad(world: World, options: MetaOptions, account: Account, adset: Thing, number: int, rng: Random) -> None:
    now, begin = options.now, options.now - timedelta(days=options.history_days)
    created = begin + timedelta(hours=rng.randrange(0, 24 * max(1, options.history_days // 2)))
    if number % 9 == 4:  # begins to deliver only later
        created = now + timedelta(hours=rng.randrange(6, 24 * 20))
    ad = Thing(world.new_id(), "ad", f"Ad {number + 1}", account.id, adset, created)
    if number % 7 == 2:
        ad.deleted = now + timedelta(hours=rng.randrange(-24 * 12, 24 * 6))
    elif number % 7 == 5:
        ad.archived = now - timedelta(hours=rng.randrange(24, 24 * 15))
    ad.delivers = number % 11 != 10
    ad.paused = not ad.delivers
    for end in (ad.deleted, ad.archived):
        if end is not None and end <= ad.created:
            ad.deleted = ad.archived = None
    world.add(ad)


def _end_some(world: World, options: MetaOptions, account: Account) -> None:
    campaigns = [
        one for one in world.things.values() if one.account_id == account.id and one.level == "campaign"
    ]
    adsets = [one for one in world.things.values() if one.account_id == account.id and one.level == "adset"]
    if len(campaigns) > 2:
        campaigns[-1].deleted = options.now - timedelta(days=6)
    if len(adsets) > 3:
        adsets[1].deleted = options.now - timedelta(days=3)


def chain(world: World, account_id: str, ids: Iterable[tuple[str, str, str]], now: datetime) -> Thing | None:
    """The things of (level, id, name), outermost first, made when they are not there; returns the last one."""
    parent: Thing | None = None
    for level, one, name in sorted(ids, key=lambda found: LEVELS.index(found[0])):
        if one not in world.things:
            world.add(Thing(one, level, name, account_id, parent, datetime(2020, 1, 1, tzinfo=UTC)))
        parent = world.things[one]
    return parent


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S+0000")
