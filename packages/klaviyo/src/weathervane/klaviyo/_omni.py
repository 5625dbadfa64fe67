"""The model of 2026-10-15: campaigns hold messages, messages hold variations, and each knows only its own part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from weathervane.klaviyo._client import KlaviyoClient, address
from weathervane.klaviyo._filters import all_of, equals, order_of
from weathervane.klaviyo._resources import Below, Resource, ResourcePage
from weathervane.klaviyo._rows import Misplaced, Row, Snapshot, dig, earliest, joined, keep
from weathervane.klaviyo._tables.campaigns import channel_word
from weathervane.klaviyo._verdict import IncludeRefusedError, NotFoundError
from weathervane.source import ContractError, IncompleteError

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
            page = self._client.one_or_odd(address("campaigns", campaign_id), _BELOW)
        except NotFoundError:
            return False
        self._take(page, snapshot)
        self._variations(snapshot, unchanged)
        return True

    def _take(self, page: ResourcePage, snapshot: Snapshot) -> None:
        for odd in page.odd:
            snapshot.set_aside(odd)
        for odd in page.odd_included:
            if odd.kind in ("", "campaign-message"):
                snapshot.set_aside(replace(odd, kind="campaign-message"))
        for campaign in page.data:
            try:
                audiences = page.below(campaign, "campaign-audience")
                messages = page.below(campaign, "campaign-message")
            except (ContractError, IncompleteError) as error:
                snapshot.set_aside(campaign.odd(error))
                continue
            keep(snapshot.campaigns, _campaign(campaign, audiences), "campaign")
            for one in messages.read:
                snapshot.named[one.id] = campaign.id
                keep(snapshot.messages, _message(one, campaign.id), "message")
            for message_id in messages.unread:
                snapshot.named[message_id] = campaign.id
                snapshot.unread.add(message_id)

    def _messages(self, snapshot: Snapshot) -> dict[str, Row]:
        """Lists the messages, with their variations if Klaviyo gives them so."""
        parameters = {"include": "campaign,campaign-variations", "sort": "id", "page[size]": self._size}
        try:
            return self._listed(parameters, snapshot)
        except IncludeRefusedError:
            return self._listed(parameters | {"include": "campaign"}, snapshot)

    def _listed(self, parameters: Mapping[str, str], snapshot: Snapshot) -> dict[str, Row]:
        listed: dict[str, Row] = {}
        unnamed: list[IncompleteError] = []
        for page in self._client.pages("campaign-messages", parameters):
            below = {one.id: one for one in page.included if one.type == "campaign-variation"}
            for odd in page.odd:
                snapshot.set_aside(odd)
            for message in page.data:
                try:
                    campaign = next(iter(message.named("campaign")), snapshot.named.get(message.id))
                except (ContractError, IncompleteError) as error:
                    snapshot.set_aside(message.odd(error))
                    unnamed += [error] if isinstance(error, IncompleteError) else []
                    continue
                row = _message(message, campaign)
                order = keep(listed, row, "message")
                if order < 0:
                    continue
                said = [] if order > 0 else snapshot.variations.get(message.id, [])
                ids = _variations_of(message)
                if ids is not None and all(one in below for one in ids):
                    snapshot.variations[message.id] = _each_once(
                        [*said, *(_variation(below[one], row) for one in ids)]
                    )
                elif order > 0:
                    snapshot.variations.pop(message.id, None)
        if unnamed and not listed:
            # Of none of them: that is the answer's fault, and what campaigns include would hide it.
            raise unnamed[0]
        return listed

    def _strays(self, snapshot: Snapshot, listed: Mapping[str, Row], *, ranged: bool) -> None:
        """Reconciles the two lists, between which campaigns may have come and gone."""
        for message_id, row in listed.items():
            if row["campaign_id"] not in snapshot.campaigns and row["campaign_id"] not in snapshot.unread:
                snapshot.variations.pop(message_id, None)
            elif keep(snapshot.messages, row, "message", again=True) < 0:
                # What it says was listed with an older state of it, and is asked for by itself.
                snapshot.variations.pop(message_id, None)
        if ranged:
            return
        campaigns = (
            {row["campaign_id"] for row in listed.values()} - {None, *snapshot.campaigns} - snapshot.unread
        )
        messages = snapshot.named.keys() - snapshot.messages.keys() - snapshot.unread
        if max(len(campaigns), len(messages)) > self._client.settings.max_strays:
            raise IncompleteError(
                f"the lists contradict each other: {len(campaigns)} campaigns and {len(messages)} messages are named"
                " by one and missing in the other",
                reason="LISTS_DISAGREE",
            )
        for campaign_id in sorted(campaigns):
            self.adopt(campaign_id, snapshot, lambda _: True)
        for message_id, row in listed.items():
            # Of a campaign that turned out to be there, and unreadable.
            if row["campaign_id"] in campaigns & snapshot.unread:
                snapshot.messages.setdefault(message_id, row)
        for message_id in sorted(messages):
            try:
                page = self._client.one_or_odd(address("campaign-messages", message_id))
            except NotFoundError:
                continue
            for odd in page.odd:
                snapshot.set_aside(odd)
            for message in page.data:
                snapshot.messages[message_id] = _message(message, snapshot.named[message_id])

    def _variations(self, snapshot: Snapshot, unchanged: Callable[[Row], bool]) -> None:
        # What a message says can be read when the message itself cannot.
        unread = {
            one: {"id": one, "campaign_id": campaign}
            for one, campaign in snapshot.named.items()
            if one in snapshot.unread and one not in snapshot.messages
        }
        for message_id, row in [*snapshot.messages.items(), *unread.items()]:
            if (
                message_id in snapshot.variations
                or message_id in snapshot.gone
                or (message_id not in unread and unchanged(row))
            ):
                continue
            try:
                pages = [
                    *self._client.pages(address("campaign-messages", message_id, "campaign-variations"), {})
                ]
            except NotFoundError:
                # Deleted since it was listed: the run goes on, and the message is marked.
                snapshot.gone.add(message_id)
                continue
            for odd in (one for page in pages for one in page.odd):
                snapshot.set_aside(replace(odd, parent=message_id))
            snapshot.variations[message_id] = _each_once(
                _variation(one, row) for page in pages for one in page.data
            )


def _variations_of(message: Resource) -> list[str] | None:
    """The ids of its variations; None when it does not name them, or not so that they can be read."""
    try:
        return message.related("campaign-variations")
    except ContractError:
        return None


def _each_once(variations: Iterable[Row]) -> list[Row]:
    found: dict[str, Row] = {}
    for one in variations:
        keep(found, one, "variation")
    return list(found.values())


def _campaign(resource: Resource, audiences: Below) -> Row:
    said = resource.said()
    definition = _definition(said)
    lists = [_definition(one.said()) for one in audiences.read]
    lists += [Misplaced(unreadable=audience) for audience in audiences.unread]
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
        "attributes": resource.whole(),
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
        "attributes": resource.whole(),
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
