"""What orders and products have in common when they are read by time of change: one slice of pages, ascending.

An object that changes during the read jumps behind the reader and is seen again, never missed. Were both sights in one
slice, the older one's children would survive the newer one's; so a slice ends before a page that shows an object again.

An object without an id or a time of change that can be read is set aside with what hangs on it. It counts as listed,
and moves nothing: where a run goes on is decided by the others.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from weathervane.lake import ControlTotal
from weathervane.shopify._client import ShopifyClient
from weathervane.shopify._lists import NestedList
from weathervane.shopify._nested import Odd, Rest, Seen, rest_of, seen_on
from weathervane.shopify._pages import PageSize
from weathervane.shopify._queries import changed_since
from weathervane.shopify._rows import normalise_required, parsed
from weathervane.shopify._set_aside import all_aside, list_aside
from weathervane.source import (
    ConfigurationError,
    Dataset,
    IncompleteError,
    Piece,
    Slice,
    end_behind,
    format_checkpoint,
    format_time,
    members_of,
    parse_checkpoint,
)

__all__ = ["ChangeReader", "PagesEnd", "Shape", "Span"]

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""No shop is older. An object that says so is read like any other, but it is no place to go on from."""


@dataclass(frozen=True)
class Shape:
    """How one kind of object is read."""

    parents: Dataset
    children: Dataset
    connection: str
    """`orders`."""
    within: NestedList
    """The children's list."""
    page_query: str
    count_query: str


@dataclass(frozen=True)
class PagesEnd:
    """How a slice of pages ended."""

    newest: datetime | None
    """The latest time of change that was read; None when nothing was."""
    exhausted: bool
    """The last page was read, so there is nothing newer."""
    control_totals: tuple[ControlTotal, ...]
    """Shopify's count beside ours, where both are of the same moment."""


class ChangeReader:
    """Reads slices of pages of one kind of object."""

    def __init__(self, client: ShopifyClient, shape: Shape, constants: Mapping[str, object]) -> None:
        self._client = client
        self._shape = shape
        self._constants = constants
        self._sizes = PageSize(client.settings, client.settings.page_size, client.settings.nested_page_size)

    def read(self, lower: datetime | None, upper: datetime | None) -> Generator[Piece, None, PagesEnd]:
        """Everything that changed from `lower` on, until the slice is full, shows an object again, or is at its end.

        Raises:
            IncompleteError: Shopify counts more changed objects, or more children of one, than it listed.
        """
        before = self._count(lower, upper)
        # Object -> its time of change; of those set aside nobody knows it.
        seen: dict[str, datetime] = {}
        aside: set[str] = set()
        nameless = 0
        for body in self._pages(changed_since(lower, upper)):
            page, odd = seen_on(body, self._shape.connection, self._shape.within)
            cut = self._cut(page, seen, lower)
            # The odd ones always, also behind the cut: nobody knows on which side of it the next slice begins.
            yield from self._odd_pieces(odd)
            page = page if cut is None else page[: cut[0]]
            yield from self._pieces(page)
            seen.update((one.id, one.changed) for one in page)
            aside.update(one.id for one in odd if one.id is not None)
            nameless += sum(one.id is None for one in odd)
            if cut is not None:
                reached = cut[1]
                # Objects of that very second may be on either side of the cut.
                listed = (
                    sum(changed != reached for changed in seen.values()) + len(aside - seen.keys()) + nameless
                )
                counted = self._count(lower, reached - timedelta(seconds=1))
                return PagesEnd(reached, False, self._compared(counted, listed))
        # While we read, objects left a closed window or entered an open one; hardly both, and as many.
        counted = min(before, self._count(lower, upper))
        newest = max((changed for changed in seen.values() if changed >= _EARLIEST), default=None)
        return PagesEnd(newest, True, self._compared(counted, len(aside | seen.keys()) + nameless))

    def _cut(
        self, page: list[Seen], seen: dict[str, datetime], lower: datetime | None
    ) -> tuple[int, datetime] | None:
        """Where in a page the slice ends, and the time of change from which the next one reads; None: not here."""
        full = len(seen) >= self._client.settings.slice_rows
        for index, one in enumerate(page):
            again = one.id in seen and one.changed > seen[one.id]
            if again or (full and index == 0):
                # Not the last one's: an object may be newer than the place where Shopify's index still lists it.
                rest = min(max(left.changed, _EARLIEST) for left in page[index:])
                reached = rest if again else min(rest, max(seen.values()))
                # A slice that ended where it began would be read for ever: bulk edits stamp thousands with one second.
                if reached > (lower or _EARLIEST):
                    return index, reached
        return None

    def _compared(self, counted: int, listed: int) -> tuple[ControlTotal, ...]:
        # Fewer were counted: some changed again after they were listed, and come with the next slice.
        if counted > listed:
            raise IncompleteError(
                f"Shopify counts {counted:,} changed {self._shape.connection} and listed {listed:,}",
                reason="COUNT_DIFFERS",
            )
        total = ControlTotal(self._shape.connection, str(counted), str(listed))
        return (total,) if counted == listed else ()

    def _pages(self, search: str) -> Iterator[bytes]:
        shape = self._shape
        return self._client.pages(shape.page_query, {"query": search}, shape.connection, self._sizes)

    def _odd_pieces(self, odd: list[Odd]) -> Iterator[Piece]:
        shape = self._shape
        for one in odd:
            yield Piece(shape.parents.name, all_aside(shape.parents, one.record, one.why, self._constants))
            if one.record.startswith(b"{"):
                rows = all_aside(shape.children, one.record, one.why, self._constants)
                yield Piece(shape.children.name, rows)

    def _pieces(self, page: list[Seen]) -> Iterator[Piece]:
        shape, constants = self._shape, self._constants
        objects = parsed([one.record for one in page], shape.parents, shape.children)
        yield Piece(shape.parents.name, normalise_required(shape.parents, objects, constants=constants))
        shown, listed = [], []
        for number, one in enumerate(page):
            rest: Rest = rest_of(self._client, shape.within, one)
            whole = not rest.gone and rest.lost is None
            if not rest.instead:
                shown.append(number)
            if rest.records:
                more = normalise_required(shape.children, rest.records, constants=constants)
                whole = whole and not more.quarantined.num_rows
                yield Piece(shape.children.name, more)
            if rest.lost is not None:
                told = list_aside(shape.children, rest.lost.record, rest.lost.why, constants)
                yield Piece(shape.children.name, told)
            if whole:
                listed.append(number)
        children = normalise_required(shape.children, objects.only(shown), constants=constants)
        # Only now every list of the page is whole, and only of these parents do children count as gone that were not
        # shown; not of one whose child was set aside, nor of one that was deleted, or could not be read on, before its
        # list was at its end.
        members = members_of(shape.children, objects.only(listed), children, constants=constants)
        yield Piece(shape.children.name, children, members=members)

    def _count(self, lower: datetime | None, upper: datetime | None) -> int:
        return self._client.count(self._shape.count_query, changed_since(lower, upper) or None)


class Span:
    """The stretch of time of one run: where it begins, how far it is, and what the checkpoint becomes.

    Args:
        start: Where to begin; None goes on from the checkpoint.
        end: Where to end; None means now.
        now: When the run began.
        overlap: How far before the checkpoint to begin.
        name: The checkpoint's member.

    Raises:
        ConfigurationError: It ends before it begins.
    """

    def __init__(
        self,
        *,
        start: datetime | None,
        end: datetime | None,
        now: datetime,
        overlap: timedelta,
        name: str = "updated_at",
    ) -> None:
        if start is not None and end is not None and start > end:
            raise ConfigurationError("the start date lies behind the end date", reason="BAD_DATES")
        self.start, self.end, self.now = start, end, now
        self.done = False
        self._overlap = overlap
        self._name = name
        self._position: datetime | None = None
        self._times: dict[str, datetime] = {}
        self._began: datetime | None = None

    @property
    def share(self) -> float | None:
        """How much of the time is read, 0 to 1; None while nobody knows where it begins."""
        if self.done:
            return 1.0
        if self._began is None or self._position is None:
            return None
        whole = (self.end or self.now) - self._began
        return min(1.0, (self._position - self._began) / whole) if whole > timedelta() else None

    def lower(self, checkpoint: str | None) -> datetime | None:
        """Where the next slice begins; None is the beginning of time. Only the run's first one overlaps.

        Raises:
            CursorError: The checkpoint cannot be read or lies in the future.
            ConfigurationError: The run has an end and no start, and its end lies behind the checkpoint.
        """
        self._times = parse_checkpoint(checkpoint, now=self.now)
        if self._position is None:
            before = self._times.get(self._name)
            if self.start is None and self.end is not None and before is not None and self.end < before:
                raise end_behind(format_time(self.end), format_time(before))
            self._position = self.start or (before - self._overlap if before else None)
        return self._position

    def slice(self, kind: str, lower: datetime | None, upper: datetime | None) -> Slice:
        """The slice from `lower` to `upper`."""
        shown = [format_time(bound) if bound else "*" for bound in (lower, upper)]
        bounds = {"kind": kind, "lower": lower, "upper": upper, "times": self._times}
        return Slice(f"{self._name} {shown[0]} .. {shown[1]} ({kind})", bounds)

    def reached(self, slice: Slice, reached: datetime | None, *, exhausted: bool) -> str | None:
        """Notes how far a slice came, and gives the checkpoint after it; None leaves it.

        It never moves back, never past now, and never over a gap that nobody read.
        """
        self.done = exhausted
        lower, before = slice.bounds["lower"], slice.bounds["times"].get(self._name)
        if reached is None:
            return None
        self._began = self._began or lower or reached
        self._position = reached
        reached = min(reached, self.now)
        gap = before is not None and lower is not None and lower > before
        if gap or (before is not None and reached <= before):
            return None
        return format_checkpoint({**slice.bounds["times"], self._name: reached})
