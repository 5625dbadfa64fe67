"""The flat campaigns of 2026-07-15 and before: asked for by channel, each with its one status and its messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from weathervane.klaviyo._client import KlaviyoClient, address
from weathervane.klaviyo._filters import all_of, equals, order_of
from weathervane.klaviyo._resources import Resource, ResourcePage
from weathervane.klaviyo._rows import Misplaced, Row, Snapshot, dig, earliest, joined, keep
from weathervane.klaviyo._tables.campaigns import channel_word
from weathervane.klaviyo._verdict import NotFoundError
from weathervane.source import ContractError, IncompleteError

__all__ = ["CHANNELS", "LegacyModel"]

CHANNELS = ("email", "sms", "mobile_push")
"""All that the legacy filter takes, and it must name one. WhatsApp campaigns cannot be listed."""

_WORDS = {
    "Adding Recipients": "sending",
    "Draft": "draft",
    "Preparing to schedule": "scheduled",
    "Preparing to send": "sending",
    "Queued without Recipients": "scheduled",
    "Scheduled": "scheduled",
    "Sending": "sending",
    "Sending Segments": "sending",
    "Sent": "sent",
    # The test of an A/B campaign is out, its winner is not.
    "Variations Sent": "sending",
}


class LegacyModel:
    """Reads campaigns by the revision 2026-07-15: every channel, archived or not, in six lists.

    Args:
        client: The account.
    """

    def __init__(self, client: KlaviyoClient) -> None:
        self._client = client

    def read(self, bounds: Sequence[str], unchanged: Callable[[Row], bool]) -> Snapshot:
        """Every campaign within the bounds, with its messages.

        Args:
            bounds: Conditions of the campaigns; none reads all.
            unchanged: Not needed here: messages come with all that they say.
        """
        snapshot = Snapshot()
        unnamed: list[Resource] = []
        for channel in CHANNELS:
            for archived in (False, True):
                conditions = (equals("messages.channel", channel), equals("archived", archived), *bounds)
                parameters = {
                    "filter": all_of(*conditions),
                    "include": "campaign-messages",
                    "sort": order_of(bounds),
                    "page[size]": str(self._client.settings.page_size),
                }
                for page in self._client.pages("campaigns", parameters):
                    unnamed += _take(page, snapshot)
        _tell_unnamed(unnamed, snapshot)
        return snapshot

    def adopt(self, campaign_id: str, snapshot: Snapshot, unchanged: Callable[[Row], bool]) -> bool:
        """Adds one campaign to a snapshot that lacks it; False when Klaviyo does not have it."""
        try:
            page = self._client.one_or_odd(address("campaigns", campaign_id), "campaign-messages")
        except NotFoundError:
            return False
        _tell_unnamed(_take(page, snapshot), snapshot)
        return True


def _take(page: ResourcePage, snapshot: Snapshot) -> list[Resource]:
    """Takes a page's campaigns and their messages; returns the messages that no campaign of the page names."""
    for odd in page.odd:
        snapshot.set_aside(odd)
    for odd in page.odd_included:
        if odd.kind in ("", "campaign-message"):
            snapshot.set_aside(replace(odd, kind="campaign-message"))
    named: set[str] = set()
    for campaign in page.data:
        try:
            messages = page.below(campaign, "campaign-message")
        except (ContractError, IncompleteError) as error:
            snapshot.set_aside(campaign.odd(error))
            continue
        named |= {one.id for one in messages.read}
        row = _campaign(campaign)
        order = keep(snapshot.campaigns, row, "campaign")
        if order < 0:
            continue
        if order > 0:
            # Messages have the status of the campaign, so those of an older one of it are none.
            for one in [one for one, held in snapshot.messages.items() if held["campaign_id"] == campaign.id]:
                del snapshot.messages[one], snapshot.variations[one]
        for message in messages.read:
            said, variations = _message(message, row)
            if keep(snapshot.messages, said, "message") > 0:
                snapshot.variations[message.id] = variations
        for message_id in messages.unread:
            snapshot.named[message_id] = campaign.id
            snapshot.unread.add(message_id)
    return [one for one in page.included if one.type == "campaign-message" and one.id not in named]


def _tell_unnamed(messages: Iterable[Resource], snapshot: Snapshot) -> None:
    """Sets messages aside that came beside campaigns of which none that can be read names them."""
    for message in messages:
        if message.id not in snapshot.messages and message.id not in snapshot.unread:
            nobodys = ContractError("no campaign that can be read names it", reason="UNEXPECTED_JSON")
            snapshot.set_aside(message.odd(nobodys))


def _campaign(resource: Resource) -> Row:
    said = resource.said()
    return {
        "id": resource.id,
        "name": dig(said, "name"),
        "status": _status(dig(said, "status")),
        "legacy_status": dig(said, "status"),
        "archived": dig(said, "archived"),
        "send_strategy": dig(said, "send_strategy", "method"),
        "send_time": dig(said, "send_time"),
        "scheduled_at": dig(said, "scheduled_at"),
        "created_at": dig(said, "created_at"),
        "updated_at": dig(said, "updated_at"),
        "included": joined([dig(said, "audiences", "included")]),
        "excluded": joined([dig(said, "audiences", "excluded")]),
        "attributes": resource.whole(),
    }


def _message(resource: Resource, campaign: Row) -> tuple[Row, list[Row]]:
    said = resource.said()
    content = dig(said, "definition", "content")
    times = dig(said, "send_times")
    sends = times if isinstance(times, list) else [] if times is None else [Misplaced(unexpected=times)]
    row = {
        "id": resource.id,
        "campaign_id": campaign["id"],
        "name": dig(said, "definition", "label"),
        "status": campaign["status"],
        "send_time": earliest(dig(one, "datetime") for one in sends) or campaign["send_time"],
        "send_time_is_local": next(
            (True for one in sends if dig(one, "is_local") is True), False if sends else None
        ),
        "send_strategy": campaign["send_strategy"],
        "created_at": dig(said, "created_at"),
        "updated_at": dig(said, "updated_at"),
        "attributes": resource.whole(),
    }
    variation = {
        **{name: row[name] for name in ("id", "campaign_id", "name", "created_at", "updated_at")},
        "message_id": resource.id,
        "channel": channel_word(dig(said, "definition", "channel")),
        "content": content,
        "details": dig(said, "definition"),
    }
    return row, [variation]


def _status(said: Any) -> Any:
    """A legacy status in the five words; one that is not known here in lower case."""
    if not isinstance(said, str):
        return said
    return "cancelled" if said.startswith("Cancelled") else _WORDS.get(said, said.lower())
