"""All campaigns of an account as one read found them, in the words of our tables whatever revision was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

__all__ = ["Row", "Snapshot", "derived_status", "dig", "earliest", "packed"]

Row = dict[str, Any]
"""Values as Klaviyo sent them, under the names of our columns' paths."""

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
                campaign["send_time"] = earliest(row["send_time"] for row in rows)


def derived_status(statuses: list[Any]) -> Any:
    """A campaign's status from those of its messages: that of the message with most still before it.

    A status that is not known here comes before all others, so that it is seen. None: there are no messages.
    """
    ranks = {word: number for number, word in enumerate(_STATUSES)}
    return min((one for one in statuses if one is not None), key=lambda one: ranks.get(one, -1), default=None)


def earliest(times: Iterable[Any]) -> Any:
    """The first of some times as sent; None when there is none."""
    return min((one for one in times if isinstance(one, str)), key=_moment, default=None)


def dig(value: Any, *names: str) -> Any:
    """A member of members; None when something on the way is not there."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def packed(rows: Iterable[Row]) -> list[bytes]:
    """The rows as records, one JSON object each."""
    return [msgspec.json.encode(row) for row in rows]


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except ValueError:
        return float("inf")
