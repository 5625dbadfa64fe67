"""What a report may be grouped by: sendings cut into parts, one a variation, and the parts put together by group."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from weathervane.klaviyo.sandbox._values import REPORT_CHANNELS, Sent, counts_of, share_of
from weathervane.klaviyo.sandbox._world import World, stamp

__all__ = ["GROUPS", "Part", "grouped", "parts_of"]

GROUPS = (
    "campaign_id",
    "campaign_message_id",
    "campaign_message_name",
    "group",
    "group_name",
    "send_channel",
    "tag_id",
    "tag_name",
    "text_message_format",
    "variation",
    "variation_name",
)
_LISTS = (("tag_id", "tag_name"), ("group", "group_name"))
"""Of which a campaign may have several: each pair goes together."""
Values = tuple[str | None, ...]


@dataclass(frozen=True)
class Part:
    """What one variation of a message brought on one channel."""

    at: str
    values: Mapping[str, str | None]
    lists: Mapping[str, Sequence[str | None]]
    counts: Mapping[str, int]

    def of(self, name: str) -> Sequence[str | None]:
        """Its values of an attribute: one, unless a campaign may have several."""
        return self.lists[name] if name in self.lists else (self.values[name],)

    def groups(self, names: Sequence[str]) -> Iterable[Mapping[str, str | None]]:
        """The groups that it counts in: of a campaign with two tags in both, whole, when they are grouped by."""
        told = []
        for pair in _LISTS:
            asked = not set(pair).isdisjoint(names)
            rows = list(zip(*(self.lists[name] or (None,) for name in pair), strict=True))
            told.append([dict(zip(pair, row, strict=True)) for row in rows] if asked else [{}])
        for tags, groups in itertools.product(*told):
            found = {**self.values, **tags, **groups}
            yield {name: found[name] for name in names}


def parts_of(world: World, sent: Sent, now: datetime) -> list[Part]:
    """A sending, cut by variation; the parts add up to it."""
    campaign, message, channel, at = sent
    found = []
    for variation in world.children(message, "campaign-variations"):
        definition = variation["attributes"]["definition"]
        details = definition.get("details") or {}
        word = details.get("channel", "email")
        if REPORT_CHANNELS.get(word, word) == channel:
            found.append((variation["id"], definition.get("name"), details.get("text_message_type")))
    tags = world.children(campaign, "tags")
    audiences = [one["attributes"]["definition"] for one in world.children(campaign, "campaign-audiences")]
    lists = list(dict.fromkeys(one for audience in audiences for one in audience.get("included") or ()))
    told = {
        "tag_id": [one["id"] for one in tags],
        "tag_name": [one["attributes"].get("name") for one in tags],
        "group": lists,
        # Lists and segments have no records here, so their names are made of their ids.
        "group_name": [f"Segment {one}" for one in lists],
    }
    counts = counts_of(sent, now)
    return [
        Part(
            stamp(at),
            {
                "campaign_id": campaign["id"],
                "campaign_message_id": message["id"],
                "campaign_message_name": message["attributes"]["definition"].get("name"),
                "send_channel": channel,
                "text_message_format": text,
                "variation": variation,
                "variation_name": name,
            },
            told,
            share_of(counts, number, len(found)),
        )
        for number, (variation, name, text) in enumerate(found)
    ]


def grouped(
    parts: Iterable[Part], names: Sequence[str]
) -> list[tuple[list[str], Mapping[str, str | None], dict[str, int]]]:
    """The groups of parts: rank, groupings and counts, in the order of the rank."""
    found: dict[Values, tuple[list[str], Mapping[str, str | None], dict[str, int]]] = {}
    for part in parts:
        for groupings in part.groups(names):
            rank = [part.at, *(groupings[name] or "" for name in names)]
            _, _, counts = found.setdefault(tuple(groupings.values()), (rank, groupings, {}))
            for name, value in part.counts.items():
                counts[name] = counts.get(name, 0) + value
    return sorted(found.values(), key=lambda one: one[0])
