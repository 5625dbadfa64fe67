"""All campaigns of an account as one read found them, in the words of our tables whatever revision was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from weathervane.source.decoding import parse_time
from weathervane.source.errors import ContractError

__all__ = [
    "Misplaced",
    "Row",
    "Snapshot",
    "derived_status",
    "dig",
    "earliest",
    "joined",
    "moment_of",
    "packed",
]

Row = dict[str, Any]
"""Values as Klaviyo sent them, under the names of our columns' paths."""


class Misplaced(dict[str, Any]):
    """What stands where an object should be. No column takes it, so that it is set aside, not taken for nothing."""


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
            campaign["message_ids"] = sorted(row["id"] for row in rows)
            if "status" not in campaign:
                campaign["status"] = derived_status([row["status"] for row in rows])
            if "send_time" not in campaign:
                # A message whose own time is none is set aside; the campaign has the others'.
                times = [row["send_time"] for row in rows]
                campaign["send_time"] = earliest(one for one in times if moment_of(one) is not None)


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
