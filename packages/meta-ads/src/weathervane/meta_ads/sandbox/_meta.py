"""One pretend Meta: its world, app, clock and faults, as a test or the control routes see it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from weathervane.meta_ads.sandbox._engine import Numbers
from weathervane.meta_ads.sandbox._errors import ERROR_FAULTS, GraphError
from weathervane.meta_ads.sandbox._fields import ADDITIVE, INSIGHTS_FIELDS, LEVELS, STATUSES, WINDOWS
from weathervane.meta_ads.sandbox._filters import Filter
from weathervane.meta_ads.sandbox._insights import Insights
from weathervane.meta_ads.sandbox._limits import Limits
from weathervane.meta_ads.sandbox._options import MetaOptions
from weathervane.meta_ads.sandbox._query import Query
from weathervane.meta_ads.sandbox._records import load
from weathervane.meta_ads.sandbox._reports import Runs
from weathervane.meta_ads.sandbox._truth import TABLES, level_of, table_truth
from weathervane.meta_ads.sandbox._world import Thing, World, fill
from weathervane.source.sandbox import HTTP_FAULTS, Clock, Faults, Recorder, TableTruth

__all__ = ["FAULTS", "PretendMeta", "proof"]

FAULTS: Mapping[str, str] = {
    **HTTP_FAULTS,
    **ERROR_FAULTS,
    "usage": "answer well, with usage headers of one's own: percent, app_percent, regain (minutes), reset (seconds)",
    "version_warning": "answer well, with the header X-Ad-Api-Version-Warning",
    "empty_page": "the page is empty, with a next page that goes on where it should have begun",
    "cursor_loop": "the page says that there is a next one, which is itself",
    "no_next": "the page says that it is the last one, and is not",
    "missing_rows": "the page lacks rows, without a word: drop (default 1)",
    "batch_null": "a call of a batch is answered by null",
    "async_failed": "the next report run fails: code, subcode, message",
    "async_skipped": "the next report run is skipped",
    "async_stuck": "the next report run stays below 100 percent for ever",
    "async_slow": "the next report run takes many polls: polls (default 20)",
}

CHANGES: Mapping[str, str] = {
    "restate": "set numbers of an ad on a day: ad_id, day, set (object of impressions, clicks, spend, ...)",
    "add_spend": "add to the spend of an ad on a day: ad_id, day, amount",
    "vanish": "an ad has no row on a day any more: ad_id, day",
    "new_ad": "create an ad that delivers from now on: account_id (optional), called (its name)",
    "delete": "delete a campaign, ad set or ad: id",
    "spoil": "send members of a row as they are given: level, id, day, set (object)",
    "revoke_token": "make an access token worthless: token",
    "forbid": "a token loses an account: token, account_id",
}

_TRUTH_FIELDS = (
    *(name for name in ("account_id", "account_name", "account_currency")),
    *(f"{level}_{what}" for level in LEVELS[1:] for what in ("id", "name")),
    *("objective", "attribution_setting", *ADDITIVE, "frequency"),
    *("actions", "action_values", "conversions", "conversion_values", "outbound_clicks", "purchase_roas"),
)


def proof(secret: str, token: str) -> str:
    """`appsecret_proof`: hex HMAC-SHA256 of the token, keyed by the app's secret."""
    return hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()


class PretendMeta:
    """The state of one pretend Meta (`weathervane.source.sandbox.PretendVendor`).

    Attributes:
        options: what it was started with.
        clock, faults, recorder: the parts that every pretend vendor has.
        world: accounts and objects.
        insights: their numbers.
        runs: report runs.
        limits: the app's limits.
        tokens: token -> ids of the accounts that it sees.
        expiries: token -> when it ends, in seconds since 1970; one that is not here never does.
    """

    datasets: tuple[str, ...] = (
        *(f"insights_{level}" for level in LEVELS),
        "accounts",
        *(f"{one}s" for one in LEVELS[1:]),
    )
    tables: tuple[str, ...] = TABLES
    changes: Mapping[str, str] = CHANGES

    def __init__(self, options: MetaOptions) -> None:
        self.options = options
        self.clock = Clock(options.now, rate=options.clock_rate)
        self.faults = Faults(FAULTS)
        self.recorder = Recorder(
            ("authorization", "cookie"),
            ("access_token", "appsecret_proof", "client_secret", "fb_exchange_token", "input_token"),
        )
        self.world = World(options)
        if options.records:
            load(self.world, options.records)
        else:
            fill(self.world, options)
        self.insights = Insights(self.world)
        self.runs = Runs(options, self.faults)
        self.limits = Limits(options, lambda account: len(self.world.ads(account, options.now)))
        self.tokens: dict[str, set[str]] = {token: set(accounts) for token, accounts in options.tokens}
        if options.access_token:
            self.tokens.setdefault(options.access_token, set(self.world.accounts))
        self.expiries: dict[str, int] = {}
        self.exchanged = 0

    @property
    def app_token(self) -> str:
        """The app's own access token, with which it may ask what a token is."""
        return f"{self.options.app_id}|{self.options.app_secret}"

    def now(self) -> datetime:
        """The present; whatever has begun or ended by then has done so."""
        return self.clock.now()

    def advance(self, seconds: float) -> datetime:
        """Moves the clock forward: days are restated, ads begin, end and are deleted."""
        return self.clock.advance(seconds)

    def set_now(self, now: datetime) -> datetime:
        """Moves the clock forward to a time."""
        return self.clock.set(now)

    def truth(self, dataset: str) -> Iterable[Mapping[str, Any]]:
        """All that is there now, in the API's own shape: `insights_ad` gives daily rows of all accounts.

        Raises:
            ValueError: No such data set.
        """
        now = self.now()
        if dataset == "accounts":
            return [
                {"id": f"act_{one.id}", "account_id": one.id, "currency": one.currency}
                for one in self.world.accounts.values()
            ]
        if dataset.removesuffix("s") in LEVELS[1:]:
            level = dataset.removesuffix("s")
            things = (one for one in self.world.things.values() if one.level == level and one.created <= now)
            return [one.node(now) for one in things]
        level = dataset.removeprefix("insights_")
        if level not in LEVELS or level == dataset:
            raise ValueError(f"unknown data set {dataset!r}; known: {', '.join(self.datasets)}")
        return [row for account in list(self.world.accounts) for row in self.daily(account, level)]

    def table(self, name: str) -> TableTruth:
        """What a table of the lake must hold: the daily rows of its level in all accounts, or the actions in them.

        Raises:
            ValueError: No such table.
        """
        if name not in self.tables:
            raise ValueError(f"unknown table {name!r}; known: {', '.join(self.tables)}")
        return table_truth(name, self.truth(f"insights_{level_of(name)}"))

    def daily(
        self, account_id: str, level: str, since: date | None = None, breakdowns: tuple[str, ...] = ()
    ) -> Iterable[dict[str, Any]]:
        """The daily rows of an account, deleted objects too, with every window."""
        now, account = self.now(), self.world.accounts[account_id]
        today = account.today(now)
        first = since or self._first_day(account_id)
        days = [date.fromordinal(n) for n in range(first.toordinal(), today.toordinal() + 1)]
        filters = (Filter(level, "effective_status", "IN", STATUSES[level]),) if level != "account" else ()
        windows = tuple(sorted(WINDOWS))
        fields = tuple(name for name in _TRUTH_FIELDS if name in INSIGHTS_FIELDS)
        periods = tuple((day, day) for day in days)
        query = Query(account, account_id, level, fields, periods, breakdowns, windows, filters, None)
        for n in range(len(periods)):
            yield from self.insights.rows(query, n, now)

    def change(self, name: str, /, **args: Any) -> Mapping[str, Any]:
        """Does something to the data now.

        Raises:
            ValueError: No such change, or no such object.
            KeyError: An argument is missing.
        """
        if name not in CHANGES:
            raise ValueError(f"unknown change {name!r}; known: {', '.join(CHANGES)}")
        with self.world.lock:
            self.world.touch()
            if name == "revoke_token":
                self.tokens.pop(str(args["token"]), None)
                return {}
            if name == "forbid":
                self.tokens.get(str(args["token"]), set()).discard(
                    str(args["account_id"]).removeprefix("act_")
                )
                return {}
            if name == "new_ad":
                return self._new_ad(args.get("account_id"), str(args.get("called", "New ad"))).node(
                    self.now()
                )
            if name == "spoil":
                key = (str(args["level"]), str(args["id"]), date.fromisoformat(str(args["day"])))
                self.world.spoilt[key] = dict(args["set"])
                return {}
            return self._changed(name, args)

    def _changed(self, name: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        thing = self.world.things.get(str(args["id" if name == "delete" else "ad_id"]))
        if thing is None or (name != "delete" and thing.level != "ad"):
            raise ValueError(f"there is no such {'object' if name == 'delete' else 'ad'}")
        if name == "delete":
            thing.deleted = self.now()
            return thing.node(self.now())
        day = date.fromisoformat(str(args["day"]))
        if name == "vanish":
            self.world.patches[thing.id, day] = None
            return {}
        patch: Numbers = {"_add": True}
        if name == "add_spend":
            rows = self.insights.rows(self._of(thing, day), 0, self.now())
            spend = Decimal(rows[0]["spend"]) if rows else Decimal(0)
            patch["spend"] = spend + Decimal(str(args["amount"]))
        else:
            if strange := set(args["set"]) - set(ADDITIVE):
                raise ValueError(f"restate sets {', '.join(ADDITIVE)}; not {', '.join(strange)}")
            patch |= {key: Decimal(str(n)) if key == "spend" else int(n) for key, n in args["set"].items()}
        self.world.patches[thing.id, day] = patch
        return {}

    def _of(self, thing: Thing, day: date) -> Query:
        account = self.world.accounts[thing.account_id]
        filters = (Filter("ad", "effective_status", "IN", STATUSES["ad"]),)
        return Query(account, thing.id, "ad", ("spend",), ((day, day),), (), (), filters, None)

    def _new_ad(self, account_id: str | None, name: str) -> Thing:
        account = (account_id or next(iter(self.world.accounts))).removeprefix("act_")
        now = self.now()
        adsets = [
            one
            for one in self.world.things.values()
            if (one.level, one.account_id) == ("adset", account) and one.effective_status(now) == "ACTIVE"
        ]
        if not adsets:
            raise ValueError(f"account {account} has no ad set that is active")
        return self.world.add(Thing(self.world.new_id(), "ad", name, account, adsets[0], now))

    def _first_day(self, account_id: str) -> date:
        account = self.world.accounts[account_id]
        if self.world.raw:
            return min(
                (day for one, _, day in self.world.raw if one == account_id),
                default=account.today(self.now()),
            )
        things = [one.created for one in self.world.ads(account_id, self.now())]
        return account.today(min(things, default=self.now()))

    def expired(self, token: str) -> bool:
        """Whether a token has come to its end."""
        return token in self.expiries and self.now().timestamp() >= self.expiries[token]

    def let_in(self, token: str | None, given: str | None) -> set[str]:
        """The accounts that a token sees.

        Raises:
            GraphError: The token is none, or the app wants a proof and this is not it.
        """
        if not token:
            raise GraphError(104, "An access token is required to request this resource.", status=400)
        if token not in self.tokens:
            raise GraphError(190, "Invalid OAuth access token - Cannot parse access token", status=401)
        if self.expired(token):
            message = "Error validating access token: Session has expired."
            raise GraphError(190, message, subcode=463, status=401)
        if given is None and self.options.require_proof:
            message = "API calls from the server require an appsecret_proof argument"
            raise GraphError(100, message, kind="GraphMethodException")
        if given is not None and not hmac.compare_digest(given, proof(self.options.app_secret, token)):
            raise GraphError(
                100, "Invalid appsecret_proof provided in the API argument", kind="GraphMethodException"
            )
        return self.tokens[token]
