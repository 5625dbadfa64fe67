"""The flat campaigns of 2026-07-15 and before: asked for by channel, each with its one status and its messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from weathervane.klaviyo.answers import NotFoundError
from weathervane.klaviyo.campaigns import channel_word
from weathervane.klaviyo.client import KlaviyoClient, Resource, ResourcePage, address
from weathervane.klaviyo.filters import all_of, equals, order_of
from weathervane.klaviyo.snapshot import Row, Snapshot, dig

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
                    _take(page, snapshot)
        return snapshot

    def adopt(self, campaign_id: str, snapshot: Snapshot, unchanged: Callable[[Row], bool]) -> bool:
        """Adds one campaign to a snapshot that lacks it; False when Klaviyo does not have it."""
        try:
            page = self._client.one(address("campaigns", campaign_id), "campaign-messages")
        except NotFoundError:
            return False
        _take(page, snapshot)
        return True


def _take(page: ResourcePage, snapshot: Snapshot) -> None:
    included = {(one.type, one.id): one for one in page.included}
    for campaign in page.data:
        row = snapshot.campaigns[campaign.id] = _campaign(campaign)
        for one in campaign.below("campaign-message", included):
            snapshot.messages[one.id], snapshot.variations[one.id] = _message(one, row)


def _campaign(resource: Resource) -> Row:
    said = resource.said()
    return {
        "id": resource.id,
        "name": said.get("name"),
        "status": _status(said.get("status")),
        "legacy_status": said.get("status"),
        "archived": said.get("archived"),
        "send_strategy": dig(said, "send_strategy", "method"),
        "send_time": said.get("send_time"),
        "scheduled_at": said.get("scheduled_at"),
        "created_at": said.get("created_at"),
        "updated_at": said.get("updated_at"),
        "included": dig(said, "audiences", "included") or [],
        "excluded": dig(said, "audiences", "excluded") or [],
        "attributes": resource.attributes,
    }


def _message(resource: Resource, campaign: Row) -> tuple[Row, list[Row]]:
    said = resource.said()
    content = dig(said, "definition", "content")
    times = said.get("send_times")
    first = dig(times[0], "datetime") if isinstance(times, list) and times else None
    row = {
        "id": resource.id,
        "campaign_id": campaign["id"],
        "name": dig(said, "definition", "label"),
        "status": campaign["status"],
        "send_time": first or campaign["send_time"],
        "send_strategy": campaign["send_strategy"],
        "created_at": said.get("created_at"),
        "updated_at": said.get("updated_at"),
        "attributes": resource.attributes,
    }
    variation = {
        **{name: row[name] for name in ("id", "campaign_id", "name", "created_at", "updated_at")},
        "message_id": resource.id,
        "channel": channel_word(dig(said, "definition", "channel")),
        "content": content,
        "details": said.get("definition"),
    }
    return row, [variation]


def _status(said: Any) -> Any:
    """A legacy status in the five words; one that is not known here in lower case."""
    if not isinstance(said, str):
        return said
    return "cancelled" if said.startswith("Cancelled") else _WORDS.get(said, said.lower())
