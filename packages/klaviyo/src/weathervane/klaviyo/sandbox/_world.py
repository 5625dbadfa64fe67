"""The account's data: campaigns, their audiences, messages and variations, kept in the omni model's own shape.

Every record is `{"type", "id", "attributes"}` and the ids of its relatives; what a revision shows is made of it when
it is asked for. Members of `attributes` that the sandbox does not know are kept.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

__all__ = ["CHILDREN", "Record", "World", "parse", "send_times", "stamp"]

Record = dict[str, Any]

CHILDREN: Mapping[str, tuple[str, ...]] = {
    "campaign": ("campaign-audiences", "campaign-messages", "tags"),
    "campaign-message": ("campaign-variations",),
    "campaign-variation": (),
    "campaign-audience": (),
    "tag": (),
    "metric": (),
}
"""Type -> the relationships in which it holds others; a child's own way up is its `parent`."""


def stamp(moment: datetime) -> str:
    """A time as Klaviyo writes it: UTC, whole seconds, `+00:00`."""
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()


def parse(text: str) -> datetime:
    """A time as Klaviyo writes it, with or without fractions."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def send_times(message: Record) -> list[str]:
    """When a message is sent, earliest first: its own time, or where it has none that of each variation; [] if never.

    Tests of the send time and optimised ones give a time to each variation, in `send_times`.
    """
    options = message["attributes"]["definition"].get("send_options") or {}
    own = options.get("send_time")
    times = [own] if own else list((options.get("send_times") or {}).values())
    return sorted({one for one in times if one}, key=parse)


class World:
    """All records of one account.

    Attributes:
        lock: held by whoever reads or changes records; one answer is one consistent view.
        records: type -> id -> record.
        deleted: ids of campaigns that are gone, with the time.
    """

    def __init__(self, seed: int) -> None:
        self.lock = threading.RLock()
        self.random = random.Random(seed)
        self.records: dict[str, dict[str, Record]] = {kind: {} for kind in CHILDREN}
        self.deleted: dict[str, str] = {}

    def all(self, kind: str) -> list[Record]:
        """The live records of a type, in no promised order."""
        return list(self.records[kind].values())

    def find(self, kind: str, record_id: str) -> Record | None:
        """A live record, or None."""
        return self.records[kind].get(record_id)

    def any(self, record_id: str) -> Record:
        """A live record of whatever type. ValueError: there is none."""
        for shelf in self.records.values():
            if record_id in shelf:
                return shelf[record_id]
        raise ValueError(f"the account holds no record with the id {record_id}")

    def add(
        self, kind: str, record_id: str, attributes: Mapping[str, Any], parent: Record | None = None
    ) -> Record:
        """Holds a new record, as a child of another when there is one."""
        record: Record = {"type": kind, "id": record_id, "attributes": dict(attributes), "parent": None}
        record |= {name: [] for name in CHILDREN[kind]}
        if parent is not None:
            record["parent"] = parent["id"]
            parent[f"{kind}s"].append(record_id)
        self.records[kind][record_id] = record
        return record

    def children(self, record: Record, name: str) -> list[Record]:
        """The live records of a relationship, in order."""
        shelf = self.records[name.removesuffix("s")]
        return [shelf[one] for one in record[name] if one in shelf]

    def campaign_of(self, record: Record) -> Record | None:
        """The campaign that a record belongs to."""
        while record["type"] != "campaign":
            kind = "campaign-message" if record["type"] == "campaign-variation" else "campaign"
            above = self.records[kind].get(record["parent"] or "")
            if above is None:
                return None
            record = above
        return record

    def touch(self, record: Record, at: datetime, *, campaign: bool = True) -> None:
        """Moves a record's own time of change, and, if said so, its campaign's."""
        chain = [record]
        above = self.campaign_of(record)
        if campaign and above is not None and above is not record:
            chain.append(above)
        for one in chain:
            name = "updated_at" if one["type"] == "campaign" else "updated"
            if name in one["attributes"]:
                # A real update never makes a record look older than it was.
                one["attributes"][name] = max(stamp(at), one["attributes"][name])

    def drop(self, record: Record, at: datetime) -> None:
        """Deletes a record with all that it holds; Klaviyo leaves no trace of it."""
        for name in CHILDREN[record["type"]]:
            if name != "tags":
                for child in self.children(record, name):
                    self.drop(child, at)
        self.records[record["type"]].pop(record["id"], None)
        if record["type"] == "campaign":
            self.deleted[record["id"]] = stamp(at)
        for other in self._holders(record):
            other[f"{record['type']}s"] = [one for one in other[f"{record['type']}s"] if one != record["id"]]

    def _holders(self, record: Record) -> Iterator[Record]:
        kind = "campaign-message" if record["type"] == "campaign-variation" else "campaign"
        above = self.records[kind].get(record["parent"] or "")
        if above is not None and f"{record['type']}s" in above:
            yield above

    def new_id(self, kind: str) -> str:
        """An id in the form that Klaviyo gives this type."""
        while True:
            if kind in ("campaign", "campaign-message"):
                made = "01J" + "".join(self.random.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=23))
            elif kind in ("tag", "metric"):
                made = "".join(
                    self.random.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789", k=6)
                )
            else:
                made = f"{self.random.getrandbits(128):032x}"
            if made not in self.records[kind]:
                return made
