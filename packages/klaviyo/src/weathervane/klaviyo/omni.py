"""The model of 2026-10-15: campaigns hold messages, messages hold variations, and each knows only its own part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from weathervane.klaviyo.answers import IncludeRefusedError, NotFoundError
from weathervane.klaviyo.campaigns import channel_word
from weathervane.klaviyo.client import KlaviyoClient, Resource, ResourcePage, address
from weathervane.klaviyo.filters import all_of, equals, order_of
from weathervane.klaviyo.snapshot import Misplaced, Row, Snapshot, dig, earliest, joined
from weathervane.source.errors import IncompleteError

__all__ = ["OmniModel"]

_BELOW = "campaign-audiences,campaign-messages"


class OmniModel:
    """Reads campaigns by the revision 2026-10-15.

    Two lists bring almost everything: campaigns with their audiences and messages, and messages with their variations.
    Where Klaviyo refuses variations in that list (the published models have no place for them, the beta had one), they
    are asked for message by message: only of those that changed, or may still change without a sign.

    Args:
        client: The account.
    """

    def __init__(self, client: KlaviyoClient) -> None:
        self._client = client
        self._size = str(client.settings.page_size)

    def read(self, bounds: Sequence[str], unchanged: Callable[[Row], bool]) -> Snapshot:
        """Every campaign within the bounds, with all that is below it.

        Args:
            bounds: Conditions of the campaigns; none reads all.
            unchanged: Whether what a message says is known from an earlier read.

        Raises:
            IncompleteError: The lists contradict each other too often to be whole.
        """
        snapshot = Snapshot()
        for archived in (False, True):
            parameters = {
                "filter": all_of(equals("archived", archived), *bounds),
                "include": _BELOW,
                "sort": order_of(bounds),
                "page[size]": self._size,
            }
            for page in self._client.pages("campaigns", parameters):
                self._take(page, snapshot)
        listed = self._messages(snapshot)
        self._strays(snapshot, listed, ranged=bool(bounds))
        self._variations(snapshot, unchanged)
        return snapshot

    def adopt(self, campaign_id: str, snapshot: Snapshot, unchanged: Callable[[Row], bool]) -> bool:
        """Adds one campaign to a snapshot that lacks it; False when Klaviyo does not have it."""
        try:
            page = self._client.one(address("campaigns", campaign_id), _BELOW)
        except NotFoundError:
            return False
        self._take(page, snapshot)
        self._variations(snapshot, unchanged)
        return True

    def _take(self, page: ResourcePage, snapshot: Snapshot) -> None:
        included = {(one.type, one.id): one for one in page.included}
        for campaign in page.data:
            snapshot.campaigns[campaign.id] = _campaign(
                campaign, campaign.below("campaign-audience", included)
            )
            for one in campaign.below("campaign-message", included):
                snapshot.named[one.id] = campaign.id
                snapshot.messages[one.id] = _message(one, campaign.id)

    def _messages(self, snapshot: Snapshot) -> dict[str, Row]:
        """Lists the messages, with their variations if Klaviyo gives them so."""
        parameters = {"include": "campaign,campaign-variations", "sort": "id", "page[size]": self._size}
        try:
            return self._listed(parameters, snapshot)
        except IncludeRefusedError:
            return self._listed(parameters | {"include": "campaign"}, snapshot)

    def _listed(self, parameters: Mapping[str, str], snapshot: Snapshot) -> dict[str, Row]:
        listed = {}
        for page in self._client.pages("campaign-messages", parameters):
            below = {one.id: one for one in page.included if one.type == "campaign-variation"}
            for message in page.data:
                campaign = next(iter(message.named("campaign")), snapshot.named.get(message.id))
                row = listed[message.id] = _message(message, campaign)
                ids = message.related("campaign-variations")
                if ids is not None and all(one in below for one in ids):
                    snapshot.variations[message.id] = [_variation(below[one], row) for one in ids]
        return listed

    def _strays(self, snapshot: Snapshot, listed: Mapping[str, Row], *, ranged: bool) -> None:
        """Reconciles the two lists, between which campaigns may have come and gone."""
        for message_id, row in listed.items():
            if row["campaign_id"] in snapshot.campaigns:
                snapshot.messages[message_id] = row
            else:
                snapshot.variations.pop(message_id, None)
        if ranged:
            return
        campaigns = {row["campaign_id"] for row in listed.values()} - {None, "", *snapshot.campaigns}
        messages = snapshot.named.keys() - {"", *snapshot.messages}
        if max(len(campaigns), len(messages)) > self._client.settings.max_strays:
            raise IncompleteError(
                f"the lists contradict each other: {len(campaigns)} campaigns and {len(messages)} messages are named"
                " by one and missing in the other",
                reason="LISTS_DISAGREE",
            )
        for campaign_id in sorted(campaigns):
            self.adopt(campaign_id, snapshot, lambda _: True)
        for message_id in sorted(messages):
            try:
                page = self._client.one(address("campaign-messages", message_id))
            except NotFoundError:
                continue
            snapshot.messages[message_id] = _message(page.data[0], snapshot.named[message_id])

    def _variations(self, snapshot: Snapshot, unchanged: Callable[[Row], bool]) -> None:
        for message_id, row in snapshot.messages.items():
            if (
                not message_id
                or message_id in snapshot.variations
                or message_id in snapshot.gone
                or unchanged(row)
            ):
                continue
            try:
                found = self._client.list(address("campaign-messages", message_id, "campaign-variations"))
            except NotFoundError:
                # Deleted since it was listed: the run goes on, and the message is marked.
                snapshot.gone.add(message_id)
                continue
            snapshot.variations[message_id] = [_variation(one, row) for one in found]


def _campaign(resource: Resource, audiences: Sequence[Resource]) -> Row:
    said = resource.said()
    definition = _definition(said)
    lists = [_definition(one.said()) for one in audiences]
    return {
        "id": resource.id,
        "name": dig(definition, "name"),
        "archived": dig(definition, "archived"),
        "builder": dig(definition, "builder"),
        "send_strategy": dig(definition, "send_settings", "send_strategy"),
        "created_at": dig(said, "created_at"),
        "updated_at": dig(said, "updated_at"),
        "included": joined(dig(one, "included") for one in lists),
        "excluded": joined(dig(one, "excluded") for one in lists),
        "attributes": resource.attributes,
    }


def _message(resource: Resource, campaign_id: str | None) -> Row:
    said = resource.said()
    definition = _definition(said)
    return {
        "id": resource.id,
        "campaign_id": campaign_id,
        "name": dig(definition, "name"),
        "status": dig(definition, "status"),
        "send_time": _send_time(dig(definition, "send_options")),
        "send_time_is_local": _is_local(dig(definition, "send_options", "send_strategy")),
        "send_strategy": dig(definition, "send_options", "send_strategy"),
        "created_at": dig(said, "created"),
        "updated_at": dig(said, "updated"),
        "attributes": resource.attributes,
    }


def _is_local(strategy: Any) -> bool | None:
    """`local_timezone`, and `content_variation_local_timezone`."""
    return strategy.endswith("local_timezone") if isinstance(strategy, str) else None


def _send_time(options: Any) -> Any:
    """When a message is sent: where each variation has a time of its own, the first of them."""
    time, times = dig(options, "send_time"), dig(options, "send_times")
    if time is not None or times is None or isinstance(times, Misplaced):
        return times if time is None else time
    return earliest(times.values() if isinstance(times, dict) else [Misplaced(unexpected=times)])


def _variation(resource: Resource, message: Row) -> Row:
    said = resource.said()
    definition = _definition(said)
    details = dig(definition, "details")
    return {
        "id": resource.id,
        "message_id": message["id"],
        "campaign_id": message["campaign_id"],
        "name": dig(definition, "name"),
        "channel": channel_word(dig(details, "channel")),
        "content": details,
        "details": details,
        "created_at": dig(said, "created"),
        "updated_at": dig(said, "updated"),
    }


def _definition(said: Any) -> Any:
    """What Klaviyo's models require of every resource; without it all would be empty, and nothing would say why."""
    found = dig(said, "definition")
    return Misplaced(missing="definition") if found is None else found
