"""A small honest source for the kit's own tests: its vendor is a list, everything behind it is real."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from weathervane.lake import ControlTotal, LakeClient, TableRef
from weathervane.source._run.checkpoints import format_checkpoint, format_time, parse_checkpoint
from weathervane.source._run.days import end_behind
from weathervane.source._run.slices import Piece, Slice, SliceEnd
from weathervane.source._table.column import Column
from weathervane.source._table.dataset import Dataset
from weathervane.source._table.normalise import normalise
from weathervane.source._table.records import split_lines
from weathervane.source.sandbox._faults import Fault
from weathervane.source.sandbox._unfit import made_unfit

CANARY = "canary-51c0e"
"""A secret that nothing may ever show."""

TIME = pa.timestamp("us", "UTC")
MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)

THINGS = Dataset(
    name="pretend_things",
    unique_keys=("tenant_id", "thing_id"),
    version_column="updated_at",
    columns=(
        Column("tenant_id", pa.string()),
        Column("thing_id", pa.string(), "id"),
        Column("value", pa.int64(), "value"),
        Column("label", pa.string(), "label", on_misfit="value"),
        Column("updated_at", TIME, "updatedAt", nullable=False),
        Column("deleted_at", TIME, "deletedAt", available=False),
    ),
)

PARTS = Dataset(
    name="pretend_parts",
    unique_keys=("tenant_id", "thing_id", "part_id"),
    explode="parts",
    replace_members=("thing_id",),
    columns=(
        Column("tenant_id", pa.string()),
        Column("thing_id", pa.string(), "^.id"),
        Column("part_id", pa.string(), "id"),
    ),
)


@dataclass
class ListVendor:
    """Things with parts, each changed at a second of its own."""

    things: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: int = 0
    hidden: int = 0
    """Things that the vendor counts and does not list."""
    size: int = 2
    """Things of a slice, unless the reader is told otherwise."""
    unfit: list[Fault] = field(default_factory=list)
    """Make things unfit on their way to the reader."""
    token: str = CANARY
    on_read: Callable[[Slice], None] = lambda slice: None
    """Called in the middle of each slice, when some of its rows are on their way."""

    def put(self, name: str, value: Any = 1, parts: tuple[str, ...] = ("a", "b")) -> None:
        """Makes or changes a thing; it is the newest one then."""
        self.seconds += 60
        self.things[name] = {
            "id": name,
            "value": value,
            "label": f"label of {name}",
            "updatedAt": format_time(MIDNIGHT + timedelta(seconds=self.seconds)),
            "parts": [{"id": part} for part in parts],
        }

    def year(self, first: date, days: int = 365, step: int = 10) -> None:
        """Has a thing of every tenth day, and no others."""
        self.things.clear()
        for number in range(0, days, step):
            self.seconds = int((midnight(first) + timedelta(days=number) - MIDNIGHT).total_seconds())
            self.put(f"day{number}", number)

    def after(self, time: datetime | None) -> list[dict[str, Any]]:
        """The things that changed after a time, the oldest change first."""
        lower = format_time(time) if time else ""
        return sorted(
            (t for t in self.things.values() if t["updatedAt"] > lower), key=lambda t: t["updatedAt"]
        )

    def truth(self) -> tuple[dict[str, Any], set[tuple[str, str]]]:
        """Value by thing, and the parts."""
        values = {name: thing["value"] for name, thing in self.things.items()}
        return values, {(name, part["id"]) for name, thing in self.things.items() for part in thing["parts"]}


class ListReader:
    """Reads a ListVendor, `size` things a slice; parts before things, as a careless source might.

    With a first day it goes on by itself from there, and else from the checkpoint; it ends with the last day.
    """

    source = "pretend"
    datasets = (THINGS, PARTS)

    def __init__(
        self,
        vendor: ListVendor,
        *,
        tenant: str = "acme",
        size: int | None = None,
        start: date | None = None,
        end: date | None = None,
    ) -> None:
        self._vendor = vendor
        self._constants = {"tenant_id": tenant}
        self._size = size or vendor.size
        self._done = False
        self._after = midnight(start) - timedelta(seconds=1) if start else None
        self._before = midnight(end) + timedelta(days=1) if end else None

    def next_slice(self, checkpoint: str | None) -> Slice | None:
        """The things after the checkpoint, until a slice was not full."""
        if self._done:
            return None
        if self._after is not None:
            return Slice(f"after {self._after}", {"after": self._after})
        after = parse_checkpoint(checkpoint, now=MIDNIGHT + timedelta(days=365)).get("updated_at")
        if after is not None and self._before is not None and self._before < after:
            raise end_behind(self._before, after)
        return Slice(f"after {checkpoint}", {"after": after})

    def read(self, slice: Slice) -> Generator[Piece, None, SliceEnd]:
        """One slice; fresh from the vendor each time."""
        after = slice.bounds["after"]
        upper = format_time(self._before) if self._before else "~"
        found = [thing for thing in self._vendor.after(after) if thing["updatedAt"] < upper]
        page = found[: self._size]
        records = [json.dumps(thing).encode() for thing in page]
        records = split_lines(made_unfit(b"\n".join(records), self._vendor.unfit))
        things = normalise(THINGS, records, constants=self._constants)
        members = things.rows.select(["thing_id"])
        yield Piece(PARTS.name, normalise(PARTS, records, constants=self._constants), members=members)
        self._vendor.on_read(slice)
        yield Piece(THINGS.name, things)
        self._done = len(found) <= self._size
        counted = str(len(page) + self._vendor.hidden)
        total = ControlTotal("things", counted, str(len(page)))
        newest = {"updated_at": datetime.fromisoformat(page[-1]["updatedAt"])} if page else None
        if self._after is not None and newest is not None:
            self._after = newest["updated_at"]
        return SliceEnd(format_checkpoint(newest) if newest else None, {THINGS.name: (total,)})


def midnight(day: date) -> datetime:
    """When a day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def lake_truth(lake: LakeClient, tenant: str = "acme") -> tuple[dict[str, Any], set[tuple[str, str]]]:
    """The same as `ListVendor.truth`, read back from the lake."""
    things, parts = (lake.read(TableRef(tenant, d.name)).read_all() for d in (THINGS, PARTS))
    values = dict(zip(things["thing_id"].to_pylist(), things["value"].to_pylist(), strict=True))
    assert len(values) == things.num_rows, "a thing is there twice"
    pairs = list(zip(parts["thing_id"].to_pylist(), parts["part_id"].to_pylist(), strict=True))
    assert len(set(pairs)) == len(pairs), "a part is there twice"
    return values, set(pairs)
