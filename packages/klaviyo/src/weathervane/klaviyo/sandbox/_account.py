"""One pretend account: its records, clock and faults, as a test or the control routes see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from random import Random
from typing import Any

from weathervane.klaviyo.sandbox._life import Life
from weathervane.klaviyo.sandbox._limits import Limits
from weathervane.klaviyo.sandbox._options import AccountOptions
from weathervane.klaviyo.sandbox._records import load
from weathervane.klaviyo.sandbox._seed import add_campaign, add_variation, fill
from weathervane.klaviyo.sandbox._truth import TABLES, table_truth
from weathervane.klaviyo.sandbox._values import sent_of, values_of
from weathervane.klaviyo.sandbox._world import Record, World, stamp
from weathervane.source.sandbox import HTTP_FAULTS, Clock, Faults, Recorder, TableTruth

__all__ = ["FAULTS", "PretendAccount"]

FAULTS: Mapping[str, str] = {
    **HTTP_FAULTS,
    "throttled": "answer 429 without RateLimit headers: retry_after (seconds, default 1)",
    "html_403": "answer 403 with an edge server's HTML page",
    "no_data": "answer 200 with a document that has no data",
    "partial": "the page lacks the last third of its records, at least one; its links are as always",
    "empty_page": "the page is empty, with a next page that goes on where it should have begun",
    "cursor_loop": "the page says that there is a next one, which is itself",
    "foreign_next": "the page's next link leads to another host: location (an URL)",
    "change_after_page": "something changes right after the answer: change and its arguments",
    "gone": "a record answers 404 while this stands: id",
    "refuse_include": "answer 400 to an include: include (its name)",
    "extra_members": "resources carry members and attributes that nobody knows",
    "fractions": "times carry fractions of a second",
    "not_included": "what was to be included is missing: kind (a type; all without one)",
    "links_only": "relationships have links and no data: relationship (its name; all without one)",
    "errors_inside": "answer 200 with an error in it: place (document; data, included, relationships or results: in the"
    " first of those), member (errors), errors (any JSON; one of JSON:API without it)",
    "empty_report": "a report without results",
    "agent_hints": "documents carry meta.agent_hints.next_steps",
}
DATASETS = (
    "klaviyo_campaigns",
    "klaviyo_campaign_messages",
    "klaviyo_campaign_variations",
    "klaviyo_campaign_audiences",
    "klaviyo_campaign_reports",
)
CHANGES: Mapping[str, str] = {
    "touch": "move a record's time of change, and its campaign's: id",
    "update": "set members of a record's definition, and move its own time of change: id, set (object)",
    "new_campaign": "add a campaign: status (draft), channel, archived",
    "add_variation": "add a variation to a message: id, channel",
    "archive": "archive a campaign, or take it back with archived=false: id",
    "delete": "delete a record with all below it, without a trace: id",
    "send": "send a campaign's messages now: id",
    "stop": "stop a campaign while its messages are sent: they are cancelled, and half of the recipients have them: id",
    "revoke_key": "make the private key worthless; with revoked=false valid again",
}


class PretendAccount:
    """The state of one pretend account (`weathervane.source.sandbox.PretendVendor`).

    Attributes:
        options: what it was started with.
        clock, faults, recorder: the parts that every pretend vendor has.
        world: its records.
        limits: its rate limits.
        revoked: whether the private key is worthless.
    """

    datasets: tuple[str, ...] = DATASETS
    tables: tuple[str, ...] = TABLES
    changes: Mapping[str, str] = CHANGES

    def __init__(self, options: AccountOptions) -> None:
        self.options = options
        self.clock = Clock(options.now, rate=options.clock_rate)
        self.faults = Faults(FAULTS)
        self.recorder = Recorder(("authorization", "cookie"), ("api_key", "access_token"))
        self.world = World(options.seed)
        self.limits = Limits(options.quota_factor)
        self.revoked = False
        if options.records:
            load(self.world, options.records)
        else:
            fill(self.world, options.campaigns, options.now)
        lives = not options.records if options.life is None else options.life
        self._life = Life(self.world, options.seed, options.event_gap, options.now) if lives else None
        self._rng = Random(f"{options.seed} changes")

    @property
    def requests(self) -> list[Any]:
        """Every request seen so far, oldest first (`SeenRequest`)."""
        return self.recorder.seen()

    def now(self) -> datetime:
        """Return the account's present, after letting happen what is due by then."""
        now = self.clock.now()
        if self._life is not None:
            with self.world.lock:
                self._life.catch_up(now)
        return now

    def advance(self, seconds: float) -> datetime:
        """Move the clock forward; edits, sendings and deletions that are due happen."""
        self.clock.advance(seconds)
        return self.now()

    def set_now(self, now: datetime) -> datetime:
        """Move the clock forward to a time."""
        self.clock.set(now)
        return self.now()

    def truth(self, dataset: str) -> Iterable[Mapping[str, Any]]:
        """Return all the account holds of a data set, in the omni model's shape.

        Campaigns also carry `deletedAt`, and of those that are gone that and the id alone; messages carry
        `campaign_id`, variations `campaign_id` and `message_id`. Reports are what each message brought since it was
        sent: `groupings`, `statistics` and `send_time`.

        Raises:
            ValueError: no such data set.
        """
        world, now = self.world, self.now()
        with world.lock:
            if dataset == "klaviyo_campaigns":
                live = [
                    {
                        **_shown(one),
                        "deletedAt": None,
                        "audiences": [_shown(below) for below in world.children(one, "campaign-audiences")],
                        "statuses": [
                            below["attributes"]["definition"].get("status")
                            for below in world.children(one, "campaign-messages")
                        ],
                    }
                    for one in world.all("campaign")
                ]
                return [*live, *({"id": one, "deletedAt": at} for one, at in world.deleted.items())]
            if dataset == "klaviyo_campaign_reports":
                return [
                    {
                        "groupings": {
                            "campaign_id": sent[0]["id"],
                            "campaign_message_id": sent[1]["id"],
                            "send_channel": sent[2],
                        },
                        "statistics": values_of(sent, now),
                        "send_time": stamp(sent[3]),
                    }
                    for sent in sent_of(world)
                    if sent[3] <= now
                ]
            if dataset not in self.datasets:
                raise ValueError(f"unknown data set {dataset!r}; known: {', '.join(self.datasets)}")
            rows = []
            for one in world.all(dataset.removeprefix("klaviyo_").replace("_", "-").removesuffix("s")):
                campaign = world.campaign_of(one)
                row = {**_shown(one), "campaign_id": campaign and campaign["id"]}
                rows.append(
                    row | ({"message_id": one["parent"]} if one["type"] == "campaign-variation" else {})
                )
            return rows

    def table(self, name: str) -> TableTruth:
        """Return what a table of the lake must hold; the reports are what the messages brought by now.

        Raises:
            ValueError: no such table.
        """
        if name not in self.tables:
            raise ValueError(f"unknown table {name!r}; known: {', '.join(self.tables)}")
        return table_truth(name, self.world, self.options, self.now())

    def change(self, name: str, /, **args: Any) -> Mapping[str, Any]:
        """Do something to the account's data now; return the record concerned.

        Raises:
            ValueError: no such change, or no such record.
            KeyError: an argument is missing.
        """
        if name not in CHANGES:
            raise ValueError(f"unknown change {name!r}; known: {', '.join(CHANGES)}")
        if name == "revoke_key":
            self.revoked = bool(args.get("revoked", True))
            return {}
        now = self.now()
        with self.world.lock:
            if name == "new_campaign":
                return add_campaign(self.world, self._rng, now, now=now, **args)
            return self._changed(name, self.world.any(args["id"]), args, now)

    def _changed(self, name: str, record: Record, args: Mapping[str, Any], now: datetime) -> Record:
        world = self.world
        if name == "delete":
            world.drop(record, now)
        elif name == "add_variation":
            letter = chr(ord("A") + len(record["campaign-variations"]))
            add_variation(world, self._rng, record, now, now, letter, str(args.get("channel", "email")))
        elif name == "update":
            _merge(record["attributes"]["definition"], args["set"])
            world.touch(record, now, campaign=False)
        elif name == "archive":
            record["attributes"]["definition"]["archived"] = bool(args.get("archived", True))
            world.touch(record, now)
        elif name == "send":
            for message in world.children(record, "campaign-messages"):
                definition = message["attributes"]["definition"]
                definition["status"] = "sent"
                definition.setdefault("send_options", {}).update(send_time=stamp(now), send_times=None)
                world.touch(message, now)
        elif name == "stop":
            for message in world.children(record, "campaign-messages"):
                definition = message["attributes"]["definition"]
                if definition.get("status") in ("sending", "sent"):
                    definition["status"] = "cancelled"
                    message["stopped"] = True
                    world.touch(message, now)
        else:
            world.touch(record, now)
        return record


def _shown(record: Record) -> dict[str, Any]:
    return {name: record[name] for name in ("type", "id", "attributes")}


def _merge(into: dict[str, Any], new: Mapping[str, Any]) -> None:
    for name, value in new.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value
