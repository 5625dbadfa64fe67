"""Answers an insights query page by page, from day to day, never holding more than a few days."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from weathervane.meta_ads.sandbox._engine import Numbers, ad_rows, added, split
from weathervane.meta_ads.sandbox._errors import GraphError
from weathervane.meta_ads.sandbox._fields import BREAKDOWNS, LEVELS
from weathervane.meta_ads.sandbox._filters import EVER, keeps_thing
from weathervane.meta_ads.sandbox._query import Query
from weathervane.meta_ads.sandbox._rows import numbers_of, order_of, rendered
from weathervane.meta_ads.sandbox._world import Account, Thing, World, freshness

__all__ = ["Insights", "Page", "cursor_of", "position_of"]

_KEPT_ROWS = 30_000
Row = dict[str, Any]
Found = tuple[Thing | None, Numbers, dict[str, str]]
"""What a row is about, its numbers, and the values of its breakdowns."""


@dataclass(frozen=True)
class Page:
    """One page of rows, and the cursors around it."""

    rows: list[Row]
    before: str
    after: str
    more: bool


def cursor_of(period: int, offset: int, scope: str, salt: int = 0) -> str:
    """A cursor: opaque, and of no use for another query. With a salt it is another one for the same position."""
    plain = f"{period}:{offset}:{_mark(scope)}:{salt}"
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def position_of(cursor: str | None, scope: str) -> tuple[int, int]:
    """The position that a cursor stands for. Raises GraphError 2642 for a forged one."""
    if not cursor:
        return 0, 0
    try:
        plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        period, offset, mark, _ = plain.split(":")
        if mark != _mark(scope):
            raise ValueError
        return int(period), int(offset)
    except ValueError:
        raise GraphError(2642, "(#2642) Invalid cursors values") from None


def _mark(scope: str) -> str:
    return hashlib.sha256(scope.encode()).hexdigest()[:8]


class Insights:
    """The insights of a world. Thread-safe."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._kept: OrderedDict[Any, list[tuple[Thing | None, Numbers]]] = OrderedDict()
        self._count = 0

    def page(self, query: Query, now: datetime, limit: int, after: str | None, scope: str) -> Page:
        """The rows that follow a cursor. A page ends with its period's rows or at `limit`, whichever is later."""
        period, offset = position_of(after, scope)
        if query.sort is not None:
            whole = self._sorted(query, now)
            shown = whole[offset : offset + limit]
            end = offset + len(shown)
            return Page(shown, cursor_of(0, offset, scope), cursor_of(0, end, scope), end < len(whole))
        start = (period, offset)
        rows: list[Row] = []
        while period < len(query.periods) and len(rows) < limit:
            found = self._found(query, period, now)
            taken = found[offset : offset + limit - len(rows)]
            rows += (self._sent(query, period, one) for one in taken)
            offset += len(taken)
            if offset >= len(found):
                period, offset = period + 1, 0
        # Whether there is more is known only when a row is seen that does not fit.
        ahead = period
        more = offset > 0
        while not more and ahead < len(query.periods):
            more = bool(self._found(query, ahead, now))
            ahead += 1
        if more and offset == 0:
            period = ahead - 1
        return Page(rows, cursor_of(*start, scope), cursor_of(period, offset, scope), more)

    def rows(self, query: Query, period: int, now: datetime) -> list[Row]:
        """All rows of one period, as they are sent."""
        return [self._sent(query, period, one) for one in self._found(query, period, now)]

    def _found(self, query: Query, period: int, now: datetime) -> list[Found]:
        since, until = query.periods[period]
        return [
            (thing, numbers, values)
            for thing, numbers, values in self._broken_down(query, since, until, freshness(now))
            if self._shown(query, thing, numbers, now)
        ]

    def _sent(self, query: Query, period: int, found: Found) -> Row:
        thing, numbers, values = found
        since, until = query.periods[period]
        raw = numbers.get("_raw")
        if raw is not None:
            row = _picked(raw, query, since, until)
        else:
            row = rendered(
                query.account,
                thing,
                since,
                until,
                numbers,
                fields=query.fields,
                windows=query.windows,
                values=values,
            )
        spoilt = self._world.spoilt.get((query.level, thing.id if thing else query.account.id, since))
        return {**row, **spoilt} if spoilt else row

    def _sorted(self, query: Query, now: datetime) -> list[Row]:
        """All rows of all periods in the order that is asked for, which a sort is over."""
        assert query.sort is not None
        name, descending = query.sort
        found = [(n, one) for n in range(len(query.periods)) for one in self._found(query, n, now)]
        field, _, entry = name.partition(":")
        by = replace(query, fields=(field,))
        found.sort(key=lambda one: order_of(self._sent(by, *one).get(field), entry), reverse=descending)
        return [self._sent(query, *one) for one in found]

    def totals(self, query: Query, now: datetime) -> Row:
        """The summary of a query: the sums of the rows that it shows, and no others; ratios anew of these."""
        rows = (numbers for n in range(len(query.periods)) for _, numbers, _ in self._found(query, n, now))
        since, until = query.periods[0][0], query.periods[-1][1]
        return rendered(
            query.account,
            None,
            since,
            until,
            added(rows),
            fields=query.summary,
            windows=query.windows,
            values={},
        )

    def _broken_down(
        self, query: Query, since: date, until: date, now: datetime
    ) -> Iterator[tuple[Thing | None, Numbers, dict[str, str]]]:
        for thing, numbers in self._level(query, since, until, now):
            if not query.breakdowns:
                yield thing, numbers, {}
            elif "_raw" in numbers:
                if set(query.breakdowns) <= numbers["_raw"].keys():
                    yield thing, numbers, {}
            else:
                for values, part in split(numbers, query.breakdowns, query.account.currency):
                    yield thing, part, values

    def _level(
        self, query: Query, since: date, until: date, now: datetime
    ) -> list[tuple[Thing | None, Numbers]]:
        filters = tuple(
            (one.level, one.name, one.operator, repr(one.value)) for one in query.filters if one.level
        )
        node = query.node if query.node in self._world.things else ""
        whom = (query.account.id, query.level, node, filters, bool(query.breakdowns))
        key = (*whom, since, until, now, self._world.version)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = self._computed(query, since, until, now)
        with self._lock:
            self._kept[key] = found
            self._count += len(found) + 1
            while self._count > _KEPT_ROWS and len(self._kept) > 1:
                self._count -= len(self._kept.popitem(last=False)[1]) + 1
        return found

    def _computed(
        self, query: Query, since: date, until: date, now: datetime
    ) -> list[tuple[Thing | None, Numbers]]:
        account = query.account
        groups: dict[str, tuple[Thing | None, list[Numbers]]] = {}
        whole: dict[str, list[tuple[Thing | None, Numbers]]] = {}
        for n in range((until - since).days + 1):
            day = since + timedelta(days=n)
            if self._world.raw:
                for thing, numbers in self._recorded(account, query, day, until == since):
                    if "_raw" in numbers and until == since:
                        whole.setdefault(thing.id if thing else account.id, []).append((thing, numbers))
                    else:
                        groups.setdefault(thing.id if thing else account.id, (thing, []))[1].append(numbers)
                continue
            for ad, numbers in ad_rows(self._world, account, day, now):
                if not self._matches(query, ad, now):
                    continue
                at = ad.at(query.level)
                groups.setdefault(at.id if at else account.id, (at, []))[1].append(numbers)
        rows = [
            (thing, numbers[0] if len(numbers) == 1 else added(numbers)) for thing, numbers in groups.values()
        ]
        return sorted(
            [*rows, *(one for found in whole.values() for one in found)],
            key=lambda row: row[0].id if row[0] else "",
        )

    def _recorded(
        self, account: Account, query: Query, day: date, daily: bool
    ) -> Iterator[tuple[Thing | None, Numbers]]:
        """Rows of a file: as they are at their own level, else of the finest level below that the file has."""
        for level in LEVELS[LEVELS.index(query.level) :]:
            found = self._world.raw.get((account.id, level, day), [])
            if not query.breakdowns:
                found = [raw for raw in found if not BREAKDOWNS.keys() & raw.keys()]
            if not found:
                continue
            for raw in found:
                thing = self._world.things.get(str(raw.get(f"{level}_id")))
                numbers = {**numbers_of(raw), "_raw": raw} if level == query.level else numbers_of(raw)
                if thing is None or self._matches(query, thing, EVER):
                    yield (thing.at(query.level) if thing else None), numbers
            return

    def _matches(self, query: Query, thing: Thing, now: datetime) -> bool:
        if query.node in self._world.things and all(one.id != query.node for one in thing.line):
            return False
        return keeps_thing(query.filters, thing, now)

    def _shown(self, query: Query, thing: Thing | None, numbers: Numbers, now: datetime) -> bool:
        """What the API leaves out: deleted objects that nobody asked for, and rows below a threshold."""
        asked = any(one.of_status for one in query.filters)
        if thing is not None and not asked and thing.effective_status(now) == "DELETED":
            return False
        return all(one.keeps(numbers.get(one.name, 0)) for one in query.filters if not one.level)


def _picked(raw: Row, query: Query, since: date, until: date) -> Row:
    days = {"date_start": since.isoformat(), "date_stop": until.isoformat()}
    if query.fields is None:
        return {**raw, **days}
    wanted = {*query.fields, *query.breakdowns}
    return {**{name: value for name, value in raw.items() if name in wanted}, **days}
