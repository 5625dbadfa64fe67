"""All campaigns of an account as one read found them, in the words of our tables whatever revision was read."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from weathervane.source import ContractError, IncompleteError, decode, parse_time

__all__ = [
    "Misplaced",
    "Odd",
    "Row",
    "Snapshot",
    "canonical",
    "derived_status",
    "dig",
    "earliest",
    "is_newer",
    "joined",
    "keep",
    "moment_of",
    "packed",
]

log = logging.getLogger(__name__)

Row = dict[str, Any]
"""Values as Klaviyo sent them, under the names of our columns' paths."""


class Misplaced(dict[str, Any]):
    """What stands where an object should be. No column takes it, so that it is set aside, not taken for nothing."""


@dataclass(frozen=True)
class Odd:
    """A record that came and cannot be taken: it is set aside by itself."""

    kind: str
    """Its JSON:API type, or the one it was asked for as."""
    id: str | None
    """None: it has none that can be read."""
    record: bytes
    why: str
    reason: str = "UNEXPECTED_JSON"
    """A reason as errors have it."""
    parent: str | None = None
    """The message of a variation."""

    def error(self) -> ContractError:
        """What to raise where this record is all that was asked for."""
        return ContractError(f"{self.kind[:40]} {(self.id or '')[:80]}: {self.why}", reason=self.reason)


_STATUSES = ("sending", "scheduled", "draft", "sent", "cancelled")


@dataclass
class Snapshot:
    """What one read found."""

    campaigns: dict[str, Row] = field(default_factory=dict)
    messages: dict[str, Row] = field(default_factory=dict)
    variations: dict[str, list[Row]] = field(default_factory=dict)
    """By message: all that it says. Messages whose variations were not read are not in it."""
    named: dict[str, str] = field(default_factory=dict)
    """Messages that a campaign names, and that campaign."""
    gone: set[str] = field(default_factory=set)
    """Messages that were there when they were listed, and not when they were asked for."""
    odd: dict[tuple[str, str | bytes], Odd] = field(default_factory=dict)
    """Records that came and cannot be taken, each once: by type and id, or by what was sent."""
    unread: set[str] = field(default_factory=set)
    """Ids of records that exist and cannot be taken: what the lake holds of them, and below them, is not deleted."""

    def set_aside(self, odd: Odd) -> None:
        """Notes a record that cannot be taken; once, also when it comes in a list, included and at its own address."""
        said = _attributes(odd.record)
        for one in self.odd.values():
            # Variations come once, and those of a test may say the same.
            known = one.kind == odd.kind and odd.parent is None and None in (one.id, odd.id)
            if known and _attributes(one.record) == said:
                break
        else:
            self.odd.setdefault((odd.kind, odd.id or odd.record + str(odd.parent).encode()), odd)
        if odd.id:
            self.unread.add(odd.id)

    def settle(self, channels: Mapping[str, Iterable[str]]) -> None:
        """Gives campaigns and messages what follows from what is below them.

        Args:
            channels: By message: the channels known from earlier reads, for those not read now.
        """
        below: dict[str, list[Row]] = {}
        for row in self.messages.values():
            said = self.variations.get(row["id"])
            found = channels.get(row["id"], ()) if said is None else (one["channel"] for one in said)
            row["channels"] = sorted({one for one in found if isinstance(one, str)})
            if isinstance(row["campaign_id"], str) and row["id"] not in self.gone:
                below.setdefault(row["campaign_id"], []).append(row)
        for campaign in self.campaigns.values():
            rows = below.get(campaign["id"], [])
            campaign["channels"] = sorted({one for row in rows for one in row["channels"]})
            unread = {one for one in self.unread if self.named.get(one) == campaign["id"]}
            campaign["message_ids"] = sorted({row["id"] for row in rows} | unread)
            if "status" not in campaign:
                campaign["status"] = derived_status([row["status"] for row in rows])
            if "send_time" not in campaign:
                # A message whose own time is none is set aside; the campaign has the others'.
                times = [row["send_time"] for row in rows]
                campaign["send_time"] = earliest(one for one in times if moment_of(one) is not None)


def keep(rows: dict[str, Row], row: Row, what: str, *, again: bool = False) -> int:
    """Keeps the newer of two rows of one id, which may come on two pages or in two lists.

    Args:
        rows: By id.
        row: Is kept when there is none, or an older one.
        what: Names it: campaign.
        again: It was first seen as a part of another record and now at its own address, later: so it stands, unless
            it is older.

    Returns:
        1 when it takes the place, 0 when it says the same, -1 when it is older.

    Raises:
        IncompleteError: Both changed at the same time, and differ (CONFLICTING_ROWS).
    """
    held = rows.setdefault(row["id"], row)
    if held is row:
        return 1
    first, second = moment_of(held["updated_at"]), moment_of(row["updated_at"])
    if _content(held) == _content(row):
        return 0
    if again and (first is None or second is None or first == second):
        log.warning("%s %s was listed otherwise than it was included; the list stands", what, row["id"][:80])
    elif not is_newer(first, second, equal=False, what=f"the lists hold {what} {row['id'][:80]} twice"):
        return -1
    rows[row["id"]] = row
    return 1


def is_newer(held: datetime | None, other: datetime | None, *, equal: bool, what: str) -> bool:
    """Whether another record of one id takes the place of the one that is held; `what` begins the error.

    Raises:
        IncompleteError: They differ, and nothing says which one is newer (CONFLICTING_ROWS).
    """
    if equal:
        return False
    if held is None or other is None or held == other:
        raise IncompleteError(
            f"{what}, and differently, with the same time of change", reason="CONFLICTING_ROWS"
        )
    return other > held


def canonical(sent: msgspec.Raw | bytes) -> bytes:
    """JSON in one spelling: members sorted, no white space; as it was sent when it cannot be read."""
    try:
        return msgspec.json.encode(decode(sent, object, "it"), order="sorted")
    except ContractError:
        return bytes(sent)


def _attributes(record: bytes) -> bytes:
    """What a record says, by which it is known without an id; all of it where it has no attributes."""
    try:
        return canonical(decode(record, dict[str, msgspec.Raw], "it")["attributes"])
    except (ContractError, KeyError):
        return record


def _content(row: Row) -> tuple[Row, bytes]:
    said = {name: value for name, value in row.items() if name != "attributes"}
    return said, canonical(row.get("attributes", b"null"))


def derived_status(statuses: list[Any]) -> Any:
    """A campaign's status from those of its messages: that of the message with most still before it.

    A status that is not known here comes before all others, so that it is seen. None: there are no messages.
    """
    ranks = {word: number for number, word in enumerate(_STATUSES)}
    words = [one for one in statuses if isinstance(one, str)]
    return min(words, key=lambda one: ranks.get(one, -1), default=None)


def earliest(times: Iterable[Any]) -> Any:
    """The first of some times as sent; None when there is none, and what is no time where one is that."""
    found: list[tuple[datetime, str]] = []
    for one in times:
        moment = moment_of(one)
        if moment is not None:
            found.append((moment, one))
        elif one is not None:
            return one if isinstance(one, str) else Misplaced(unexpected=one)
    return min(found)[1] if found else None


def moment_of(text: Any) -> datetime | None:
    """The time of a text that names its zone; None for anything else."""
    try:
        return parse_time(text)
    except ContractError:
        return None


def dig(value: Any, *names: str) -> Any:
    """A member of members; None when something on the way is not there, `Misplaced` when it is no object."""
    for name in names:
        if value is None or isinstance(value, Misplaced):
            return value
        if not isinstance(value, dict):
            return Misplaced(unexpected=value)
        value = value.get(name)
    return value


def joined(lists: Iterable[Any]) -> Any:
    """The members of lists, each once; what is no list where one is that."""
    found: list[Any] = []
    for part in lists:
        if part is None:
            continue
        if not isinstance(part, list):
            return part
        found += [one for number, one in enumerate(part) if one not in found and one not in part[:number]]
    return found


def packed(rows: Iterable[Row]) -> list[bytes]:
    """The rows as records, one JSON object each."""
    return [msgspec.json.encode(row) for row in rows]
