"""One pretend Google Ads: its accounts, tokens, clock and faults, as a test or the control routes see it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from weathervane.google_ads.sandbox._beside import LEVELS
from weathervane.google_ads.sandbox._errors import GoogleAdsError
from weathervane.google_ads.sandbox._fields import field
from weathervane.google_ads.sandbox._options import GoogleAdsOptions
from weathervane.google_ads.sandbox._records import load
from weathervane.google_ads.sandbox._seed import add_campaign, fill
from weathervane.google_ads.sandbox._tokens import Tokens
from weathervane.google_ads.sandbox._traffic import ADDITIVE, COUNTS, Fact, days_between
from weathervane.google_ads.sandbox._truth import TABLES, table_truth
from weathervane.google_ads.sandbox._wire import row_object
from weathervane.google_ads.sandbox._world import Account, Node, Values, World
from weathervane.source.sandbox import HTTP_FAULTS, Clock, Faults, Recorder, TableTruth

__all__ = ["FAULTS", "PretendGoogleAds", "quota_error"]

FAULTS: Mapping[str, str] = {
    **HTTP_FAULTS,
    "error": "refuse with an error of the API: code (quotaError.RESOURCE_EXHAUSTED), message, http_status, and for"
    " quotas retry_delay (17941s), rate_scope (DEVELOPER or ACCOUNT); or of the front end: code CANCELLED, ABORTED,"
    " UNAVAILABLE, ..., or SERVICE_DISABLED (the API is not enabled)",
    "error_after_chunks": "searchStream: good chunks, then an error in the same array: code, chunks (default 1)",
    "truncated": "the array of searchStream ends in its middle, in a body that HTTP calls whole",
    "missing_rows": "rows are left out, and the summary row counts them: rows (default 1)",
    "empty_array": "searchStream answers [] when there are no rows",
    "token_expired": "the access token of the request expires with it",
    "token_error": "the token endpoint refuses: error (default invalid_grant), http_status (default 400)",
}

CHANGES: Mapping[str, str] = {
    "set_metrics": "state the figures of a day: customer, level, key, date, metrics (object of GAQL names)",
    "empty_day": "take back all figures of an account's day: customer, date",
    "update": "set attributes: customer, level, key, set (object of GAQL names)",
    "new_campaign": "add a campaign that begins today: customer, name, groups (0: Performance Max)",
    "set_status": "set an account's status: customer, status (CANCELED, SUSPENDED, ENABLED)",
    "conversion_window": "set the days of every enabled conversion action: customer, days",
    "revoke": "the user takes back the consent: the refresh token and all access tokens from it are worthless",
}


class PretendGoogleAds:
    """The state of one pretend Google Ads (`weathervane.source.sandbox.PretendVendor`).

    Attributes:
        options: what it was started with.
        clock, faults, recorder: the parts that every pretend vendor has.
        world: its accounts.
        tokens: the OAuth client's tokens.
    """

    datasets: tuple[str, ...] = ("customers", *LEVELS)
    tables: tuple[str, ...] = tuple(TABLES)
    changes: Mapping[str, str] = CHANGES

    def __init__(self, options: GoogleAdsOptions) -> None:
        self.options = options
        self.clock = Clock(options.now, rate=options.clock_rate)
        self.faults = Faults(FAULTS)
        self.recorder = Recorder(
            ("authorization", "developer-token", "cookie"),
            ("access_token", "refresh_token", "client_secret", "assertion"),
        )
        self.world = World()
        if options.records:
            load(self.world, options.records)
        else:
            fill(self.world, options)
        self.tokens = Tokens(options)
        self._rng = Random(f"{options.seed} changes")
        self._lock = threading.Lock()
        self._spent: dict[date, int] = {}
        self._allowance, self._at = max(1.0, options.queries_per_second), time.monotonic()

    @property
    def requests(self) -> list[Any]:
        """Every request seen so far, oldest first (`SeenRequest`)."""
        return self.recorder.seen()

    def advance(self, seconds: float) -> datetime:
        """Move the clock forward; figures follow from it."""
        return self.clock.advance(seconds)

    def set_now(self, now: datetime) -> datetime:
        """Move the clock forward to a time."""
        return self.clock.set(now)

    def spend(self) -> None:
        """Count one operation of the project; GoogleAdsError when it has none left."""
        now, rate = self.clock.now(), self.options.queries_per_second
        with self._lock:
            if rate:
                allowed = self._allowance + (time.monotonic() - self._at) * rate
                self._allowance, self._at = min(max(1.0, rate), allowed), time.monotonic()
                if self._allowance < 1:
                    raise quota_error(
                        "RESOURCE_TEMPORARILY_EXHAUSTED", f"{math.ceil(1 / rate)}s", "DEVELOPER"
                    )
                self._allowance -= 1
            if self._spent.get(now.date(), 0) >= self.options.operations_per_day:
                midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
                raise quota_error(
                    "RESOURCE_EXHAUSTED", f"{int((midnight - now).total_seconds())}s", "DEVELOPER"
                )
            self._spent[now.date()] = self._spent.get(now.date(), 0) + 1

    def truth(self, dataset: str) -> Iterable[Mapping[str, Any]]:
        """Return all that there is now, in the API's own shape.

        `customers` are the accounts; the levels are the daily figures of every enabled client, one row for each of
        its accounts, campaigns, ad groups or ads and each day on which not all figures are zero.

        Raises:
            ValueError: no such data set.
        """
        if dataset not in self.datasets:
            raise ValueError(f"unknown data set {dataset!r}; known: {', '.join(self.datasets)}")
        with self.world.lock:
            accounts = list(self.world.accounts.values())
            if dataset == "customers":
                return [row_object(account.node.values) for account in accounts]
            reached = {one for root in self.world.accessible for one, _ in self.world.below(root)}
            clients = [
                one for one in accounts if one.id in reached and not one.manager and one.status == "ENABLED"
            ]
            return [row for account in clients for row in self._daily(account, dataset)]

    def table(self, name: str) -> TableTruth:
        """Return what a table of the lake must hold: the daily figures of its level.

        Raises:
            ValueError: no such table.
        """
        if name not in self.tables:
            raise ValueError(f"unknown table {name!r}; known: {', '.join(self.tables)}")
        return table_truth(name, self.truth(TABLES[name]))

    def _daily(self, account: Account, level: str) -> Iterator[dict[str, Any]]:
        moment = account.moment(self.clock.now())
        for node in account.node.at(level):
            first = node.first_day()
            for day in days_between(first, moment.today) if first else ():
                facts = node.facts(day, moment)
                figures: Values = {}
                for name in {name for fact in facts for name in fact.metrics} | ADDITIVE:
                    added = math.fsum(fact.metrics.get(name, 0) for fact in facts)
                    figures[name] = int(added) if name in COUNTS else round(added, 6)
                if any(figures.values()):
                    yield row_object({**node.attributes(), **figures, "segments.date": day.isoformat()})

    def change(self, name: str, /, **args: Any) -> Mapping[str, Any]:
        """Do something to the accounts; return what is concerned.

        Raises:
            ValueError: no such change, or no such account, campaign, ad group or ad.
            KeyError: an argument is missing.
        """
        if name not in CHANGES:
            raise ValueError(f"unknown change {name!r}; known: {', '.join(CHANGES)}")
        if name == "revoke":
            self.tokens.revoke()
            return {}
        with self.world.lock:
            account = self.world.accounts.get(str(args["customer"]))
            if account is None:
                raise ValueError(f"there is no customer {args['customer']}")
            return row_object(self._changed(account, name, args).attributes())

    def _changed(self, account: Account, name: str, args: Mapping[str, Any]) -> Node:
        if name in ("set_metrics", "update"):
            node = self.world.find(account.id, str(args["level"]), str(args["key"]))
            if name == "update":
                node.values.update(_known(args["set"]))
            else:
                metrics = {key: float(value) for key, value in _known(args["metrics"]).items()}
                figures = {key: int(value) if key in COUNTS else value for key, value in metrics.items()}
                node.stated[date.fromisoformat(args["date"])] = [Fact({}, figures)]
            return node
        if name == "empty_day":
            for node in account.node.walk():
                node.stated[date.fromisoformat(args["date"])] = []
        elif name == "set_status":
            account.node.values["customer.status"] = str(args["status"])
        elif name == "conversion_window":
            for action in account.actions:
                action["conversion_action.click_through_lookback_window_days"] = int(args["days"])
        else:
            today = account.moment(self.clock.now()).today
            return add_campaign(
                account, self._rng, str(args["name"]), begins=today, groups=int(args.get("groups", 1))
            )
        return account.node


def quota_error(code: str, delay: str | None, scope: str | None) -> GoogleAdsError:
    """A quotaError with what it says about when and for whom."""
    details: dict[str, Any] = {"rateName": "Number of operations for basic access"}
    if scope:
        details["rateScope"] = scope
    if delay:
        details["retryDelay"] = delay
    seconds = (delay or "").removesuffix("s")
    message = f"Too many requests. Retry in {seconds} seconds." if seconds else "Too many requests."
    return GoogleAdsError("quotaError", code, message, details={"quotaErrorDetails": details})


def _known(values: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in values:
        if field(name, "v26") is None:
            raise ValueError(f"v26 has no field {name}")
    return values
