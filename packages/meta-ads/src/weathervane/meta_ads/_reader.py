"""Reads a tenant's ad accounts one after the other, in slices of days, checked against each account's own spend."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from weathervane.lake import ControlTotal
from weathervane.meta_ads._accounts import Account
from weathervane.meta_ads._checkpoint import parse_days
from weathervane.meta_ads._client import MetaAdsClient
from weathervane.meta_ads._planning import Plan, checkpoint_after
from weathervane.meta_ads._queries import SPEND, Extent
from weathervane.meta_ads._report_run import InsightsRead
from weathervane.meta_ads._rows import widened
from weathervane.meta_ads._tables import BREAKDOWNS, datasets_for, fields_of
from weathervane.meta_ads._tally import Tally, tolerance, whole
from weathervane.meta_ads._verdict import TooFarBackError, of_account, reworded
from weathervane.source import (
    MOVED_WHILE_READ,
    CursorError,
    IncompleteError,
    Parsed,
    Piece,
    Slice,
    SliceEnd,
    SourceError,
    UnavailableError,
    end_behind,
    normalise,
)

__all__ = ["InsightsReader"]

log = logging.getLogger(__name__)

_DAY = timedelta(days=1)
_MONTH = timedelta(days=31)


class InsightsReader:
    """Reads daily insights of all accounts of a tenant at one level.

    Args:
        client: The tenant's client.
        level: `account`, `campaign`, `adset` or `ad`.
        breakdown: One of `BREAKDOWNS`, or none.
        start: First day to read, in each account's time zone; None goes 28 days back from the checkpoint.
        end: Last day to read; None means today.
        now: When the run began.
        clock: Seconds, for tests.
        sleep: Waits, for tests.

    Raises:
        ConfigurationError: There is no such level or breakdown.
    """

    source = "meta_ads"

    def __init__(
        self,
        client: MetaAdsClient,
        *,
        level: str = "adset",
        breakdown: str | None = None,
        start: date | None = None,
        end: date | None = None,
        now: datetime | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.datasets = datasets_for(level, breakdown)
        self._client, self._level, self._breakdown = client, level, breakdown
        self._breakdowns = BREAKDOWNS[breakdown] if breakdown else ()
        self._start, self._end = start, end
        self._now = now or datetime.now(UTC)
        self._clock, self._sleep = clock, sleep
        self._left: list[Account] | None = None
        self._accounts = 0
        self._plan: Plan | None = None
        self._refused: list[SourceError] = []
        self._down = 0
        """So many accounts in a row were unavailable."""

    def next_slice(self, checkpoint: str | None) -> Slice | None:
        """The next days of the account at hand, else the first ones of the next account.

        Raises:
            AccountRefusedError: Every other account was read; this one the token may not read.
            SourceError: Every other account was read; this one cannot be, for what the error says. One that concerns
                all accounts (the token, the app's limits, our settings, a Meta that is down) is raised at once.
        """
        days = parse_days(checkpoint)
        if self._left is None:
            found = self._client.accounts()
            for one, refusal in found.refused.items():
                self._refuse(one, refusal)
            self._left = found.readable
            self._accounts = len(self._left)
            for gone in sorted(days.keys() - {account.id for account in self._left} - found.refused.keys()):
                log.warning(
                    "%s: ad account %s, which was read up to %s, is not among the token's any more",
                    self._client.tenant,
                    gone,
                    days[gone],
                )
        while self._plan is None or self._plan.next > self._plan.until:
            if not self._left:
                if self._refused:
                    raise self._refused[0]
                return None
            account = self._left.pop(0)
            try:
                self._plan = self._planned(account, days.get(account.id))
                self._down = 0
            except SourceError as error:
                # Each costs all of its retries: of two accounts in a row, it is not the account that is down.
                self._down = self._down + 1 if type(error) is UnavailableError else 0
                if not of_account(error) or self._down > 1:
                    raise
                self._refuse(account.id, error)
        return self._plan.take(
            days, self._client.settings.slice_days[self._level], [one.name for one in self.datasets]
        )

    def _refuse(self, account: str, error: SourceError) -> None:
        """Keeps why an account is not read: loud, but only once the tenant's other accounts are in."""
        if f"ad account {account}" not in error.message:
            error = reworded(error, f"ad account {account}: {error.message}")
        log.error("%s", error)
        self._refused.append(error)

    def read(self, slice: Slice) -> Generator[Piece, None, SliceEnd]:
        """One slice.

        Raises:
            IncompleteError: The rows' spend is not the account's.
        """
        plan: Plan = slice.bounds["plan"]
        since, until = slice.bounds["since"], slice.bounds["until"]
        account = plan.account
        mains, children = self.datasets
        constants = {"tenant_id": self._client.tenant, "account_timezone": account.timezone.key}
        tenant = {"tenant_id": self._client.tenant}
        ids = () if self._level == "account" else (f"{self._level}_id",)
        members = (*ids, *self._breakdowns)
        tally = Tally(*members, account=account.id, since=since, until=until)
        for page in plan.read.pages(Extent(since, until)):
            tally.add(page)
            records = [widened(record, account.id, since, until, members) for record in page]
            read = Parsed(records, mains, children)
            yield Piece(mains.name, normalise(mains, read, constants=constants))
            yield Piece(children.name, normalise(children, read, constants=tenant))
        newest = max([*plan.spend, *tally.days], default=None)
        total = self._checked(plan, tally, since, until, newest)
        reached = min(until, newest) if newest is not None else None
        accounts_before = self._accounts - len(self._left or ()) - 1
        done = (
            accounts_before + (until - plan.began + _DAY) / (plan.until - plan.began + _DAY)
        ) / self._accounts
        return SliceEnd(checkpoint_after(slice, account.id, reached), {mains.name: (total,)}, done)

    def _planned(self, account: Account, before: date | None) -> Plan:
        """What of an account this run reads."""
        today = account.today(self._now)
        if before is not None and before > today + _DAY:
            raise CursorError(
                f"the checkpoint says that ad account {account.id} was read up to {before}, and there it is {today}",
                reason="CURSOR_IN_FUTURE",
            )
        if self._start is None and self._end is not None and before is not None and self._end < before:
            raise end_behind(self._end, before, of=f"ad account {account.id}")
        until = min(self._end or today, today)
        since = self._since(account, before, until, today)
        fields = fields_of(self.datasets[0], self._breakdown)
        clock, sleep, breakdowns = self._clock, self._sleep, self._breakdowns
        read = InsightsRead(self._client, account, self._level, fields, breakdowns, clock=clock, sleep=sleep)
        own = InsightsRead(self._client, account, "account", SPEND, clock=clock, sleep=sleep)
        since, spend = self._spend(own, since, until)
        if self._start is None:
            if before is not None and since <= before <= until and not spend:
                # Days that the lake has would all be removed on the word of one empty list.
                raise IncompleteError(
                    f"ad account {account.id} was read up to {before}, and Meta lists nothing since {since} any more;"
                    " if that is so, leave the account out, or read the days by a start and an end",
                    reason="NOTHING_LISTED",
                )
            # Bounded by what Meta has, not by our clock: one that runs ahead would move the checkpoint over days that
            # are yet to come.
            last = max((day for day in (max(spend, default=None), before) if day is not None), default=None)
            until = min(until, last) if last is not None else until
            since = until if last is None else max(since, min(spend)) if before is None else since
        return Plan(account, read, own, min(since, until), until, spend, before, self._start is not None)

    def _since(self, account: Account, before: date | None, until: date, today: date) -> date:
        oldest = today - self._client.settings.history
        if self._start is not None:
            if self._start < oldest:
                log.warning("ad account %s: Meta keeps 37 months: reading from %s on", account.id, oldest)
            return min(max(self._start, oldest), until)
        if before is None:
            return min(oldest, until)
        look_back = self._client.settings.look_back
        return max(min(before, until), oldest + look_back) - look_back

    def _spend(self, own: InsightsRead, since: date, until: date) -> tuple[date, dict[date, Decimal]]:
        """The account's spend by day, and from which day on Meta has it."""
        while True:
            try:
                return since, whole(own.rows(since, until), own.account.id, since, until).days
            except TooFarBackError:
                # Its rule by days is not published: begin a month later.
                if since + _MONTH > until:
                    raise
                since += _MONTH
                log.warning("Meta keeps less than was asked for: reading from %s on", since)

    def _checked(
        self, plan: Plan, tally: Tally, since: date, until: date, newest: date | None
    ) -> ControlTotal:
        """The spend of the slice as the account has it, beside ours."""
        own = whole(plan.own.rows(since, until), plan.account.id, since, until)
        before, plan_days = dict(plan.spend), own.days
        plan.spend = {day: spend for day, spend in before.items() if not since <= day <= until} | plan_days
        if gone := sorted(before.keys() - plan.spend.keys()):
            raise IncompleteError(
                f"ad account {plan.account.id}: Meta listed {gone[0]} when the run began, and does not now",
                reason="DAYS_VANISHED",
            )
        ours, theirs = Decimal(0), Decimal(0)
        short: list[date] = []
        estimated: list[str] = []
        may_change = plan.account.today(self._now) - self._client.settings.look_back
        spent = tally.days
        for day in sorted({*plan_days, *spent}):
            read, said = spent.get(day, Decimal(0)), plan_days.get(day, Decimal(0))
            if day in tally.unreadable:
                shown, seen = own.impressions.get(day), tally.impressions.get(day)
                share = self._client.settings.breakdown_share if self._breakdowns else 0
                if not shown or seen is None or abs(shown - seen) > shown * share:
                    raise self._unverified(plan.account, day, before.get(day) != said, may_change)
                continue
            if read != said and day == newest and before.get(day) != said:
                # Today is still being spent; it moved while it was read, and is read again for 28 days.
                continue
            if read != said and abs(read - said) <= self._tolerance(plan.account, said, tally.rows[day]):
                estimated.append(f"{read.normalize():f} of {said.normalize():f} on {day}")
                continue
            if tally.lost and read < said:
                short.append(day)
                continue
            if read != said:
                moved = day >= may_change and before.get(day) != said
                raise IncompleteError(
                    f"ad account {plan.account.id} spent {said.normalize():f} on {day}, and the {self._level} rows"
                    f" that Meta listed add up to {read.normalize():f}",
                    reason=MOVED_WHILE_READ if moved else "SPEND_DIFFERS",
                )
            ours, theirs = ours + read, theirs + said
        if short:
            missing = sum(plan_days[day] - spent.get(day, Decimal(0)) for day in short)
            allowed = sum(self._tolerance(plan.account, plan_days[day], tally.rows[day]) for day in short)
            if tally.lost_spend is None or abs(missing - tally.lost_spend) > allowed:
                moved = any(before.get(day) != plan_days[day] for day in short)
                raise self._unverified(plan.account, short[0], moved, may_change)
        if estimated:
            log.warning(
                "ad account %s: Meta estimates what it breaks down by %s, and its rows add up to %s%s",
                plan.account.id,
                " and ".join(self._breakdowns),
                ", ".join(estimated[:3]),
                f", and so for {len(estimated) - 3:,} more days" if len(estimated) > 3 else "",
            )
        return ControlTotal("spend", str(theirs), str(ours))

    def _unverified(self, account: Account, day: date, moved: bool, may_change: date) -> IncompleteError:
        """Rows that Meta does not list any more are removed, so a day that nothing vouches for is not written."""
        return IncompleteError(
            f"ad account {account.id}: rows of {day} cannot be read, and what the other {self._level} rows hold does"
            " not tell whether Meta listed all of them",
            reason=MOVED_WHILE_READ if moved and day >= may_change else "DAY_UNVERIFIED",
        )

    def _tolerance(self, account: Account, spent: Decimal, rows: int) -> Decimal:
        if not self._breakdowns:
            return Decimal(0)
        return tolerance(spent, rows, account.currency, self._client.settings.breakdown_share)
