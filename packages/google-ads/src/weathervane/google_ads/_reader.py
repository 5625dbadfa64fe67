"""Reading a tenant's accounts: one slice is some weeks of one account, at every level, whole or not at all."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from datetime import UTC, date, datetime
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from weathervane.google_ads._accounts import Customer, Skipped, find_accounts
from weathervane.google_ads._checkpoint import Position
from weathervane.google_ads._client import GoogleAdsClient
from weathervane.google_ads._planning import Window, windows
from weathervane.google_ads._queries import Report
from weathervane.google_ads._tables import CHANNELS, REPORTS
from weathervane.google_ads._tally import Tally, chunks_of
from weathervane.google_ads._verdict import PER_ACCOUNT, AccountNotEnabledError, RefusedError
from weathervane.lake import ColumnRange
from weathervane.source import (
    ConfigurationError,
    CredentialsError,
    FatalError,
    IncompleteError,
    Misfit,
    Piece,
    Slice,
    SliceEnd,
    SourceError,
    end_behind,
    normalise,
)

__all__ = ["MetricsReader"]

log = logging.getLogger(__name__)

_MANAGER = "REQUESTED_METRICS_FOR_MANAGER"
"""How an account turns out to be a manager whose row of customer_client does not say so."""
_BY_NATURE = frozenset(
    {"BODY_TOO_LARGE", "DATE_RANGE_TOO_WIDE", "EXPECTED_FILTER_ON_A_SINGLE_DAY", "TIMEOUT"}
)
"""Reasons that will be the same for as many other days. TIMEOUT is our own limit, of minutes: it is worth no second
wait. DATE_RANGE_TOO_WIDE and EXPECTED_FILTER_ON_A_SINGLE_DAY (of `click_view`) are Google's rules."""
_TOO_MUCH = _BY_NATURE | {
    *("ABORTED", "CANCELLED", "DATA_LOSS", "DEADLINE_EXCEEDED", "HTTP_500", "HTTP_504", "INTERNAL"),
    *("INTERNAL_ERROR", "RPC_DEADLINE_TOO_SHORT", "TRANSIENT_ERROR", "UNKNOWN"),
}
"""Reasons for which half of the days may succeed. Google's internal errors come here after they were asked again: one
that stays is often a query that is too heavy, whatever its name; the front end gives such a query up as CANCELLED."""


class MetricsReader:
    """Reads daily reports of all accounts of one tenant.

    Args:
        client: The API.
        reports: What is read; the first one's table carries the run's position.
        start: First day to read; None goes on from the checkpoint and reads again what Google may have changed.
        end: Last day to read; None means up to today, in each account's time zone.
        now: When the run began.
    """

    source = "google_ads"

    def __init__(
        self,
        client: GoogleAdsClient,
        reports: Sequence[Report] = REPORTS,
        *,
        start: date | None = None,
        end: date | None = None,
        now: datetime | None = None,
    ) -> None:
        self._client = client
        self._reports = tuple(reports)
        self._start, self._end = start, end
        self._now = (now or datetime.now(UTC)).astimezone(UTC)
        self._todo: deque[Customer] | None = None
        self._accounts = 0
        # Each with how much of the run is done after it.
        self._windows: Iterator[tuple[Customer, Window, float]] = iter(())
        # By report and account: so many days are too large an answer, as was seen in this run.
        self._too_many: dict[tuple[str, str], int] = {}
        self.datasets = tuple(one.dataset for one in self._reports)
        self.skipped: list[Skipped] = []
        """Accounts that are closed or suspended."""
        self.failed: dict[str, SourceError] = {}
        """Accounts that may not be read or are not reached; the run reads the others, and then fails."""

    def next_slice(self, checkpoint: str | None) -> Slice | None:
        """The next weeks of the account at hand, or the first ones of the next account.

        Raises:
            CredentialsError: All accounts were read but those that may not be.
            FatalError: All accounts were read but those whose days cannot be known.
        """
        position = Position.parse(checkpoint, today=self._now.date())
        if self._todo is None:
            self._check_days()
            accounts = find_accounts(self._client)
            self._todo, self.skipped = deque(accounts.customers), list(accounts.skipped)
            self._accounts = len(self._todo)
            self.failed |= accounts.denied
        while (found := next(self._windows, None)) is None:
            if not self._todo:
                self._fail_for_the_failed()
                return None
            planned = self._planned(self._todo.popleft(), position)
            before = self._accounts - len(self._todo) - 1
            parts = [
                (before + number / len(planned)) / self._accounts for number in range(1, len(planned) + 1)
            ]
            self._windows = iter([(*one, done) for one, done in zip(planned, parts, strict=True)])
        return self._slice(*found, position)

    def read(self, slice: Slice) -> Generator[Piece, None, SliceEnd]:
        """Every report of the slice's account and days."""
        customer: Customer = slice.bounds["customer"]
        window: Window = slice.bounds["window"]
        tallies = {report.dataset.name: Tally(report, window.first, window.last) for report in self._reports}
        for report in self._reports:
            tally = tallies[report.dataset.name]
            for body, first, last in self._answers(report, customer, window.first, window.last):
                for records, chunk in chunks_of(body):
                    tally.add(records, chunk)
                    if records:
                        rows = normalise(
                            report.dataset,
                            records,
                            constants={"tenant_id": self._client.tenant},
                            unfit=partial(_not_asked, customer.id, first, last),
                        )
                        yield Piece(report.dataset.name, rows=rows)
                # It is large, and the next one comes before its name is given to that.
                del body
                if not tally.end() and report.channels:
                    self._believe_nothing(report, customer, first, last, window)
        # The levels hold each other: what one of them shows of a day, all that must have that day show.
        active = window.active.union(*(tally.busy for tally in tallies.values()))
        totals = {name: tally.totals(active) for name, tally in tallies.items()}
        return SliceEnd(slice.bounds["checkpoint"], totals, slice.bounds["done"])

    def _believe_nothing(
        self, report: Report, customer: Customer, first: date, last: date, window: Window
    ) -> None:
        """Google answered without rows, whatever sum it gave: ask the campaigns whether that can be.

        Raises:
            IncompleteError: Campaigns had figures that must have rows in this report, or their answer is not whole.
        """
        campaigns = Tally(CHANNELS, first, last)
        for body, _, _ in self._answers(CHANNELS, customer, first, last):
            for records, chunk in chunks_of(body):
                campaigns.add(records, chunk)
            campaigns.end()
        campaigns.totals([day for day in window.active if first <= day <= last])
        campaigns.verify()
        if missing := campaigns.channels & report.channels:
            raise IncompleteError(
                f"{report.resource}: no rows of {first} .. {last}, in which {min(missing)} campaigns had figures",
                reason="ROWS_MISSING",
            )

    def _check_days(self) -> None:
        if self._start and self._end and self._start > self._end:
            raise ConfigurationError(
                f"start_date {self._start} is after end_date {self._end}", reason="BAD_DATE"
            )

    def _planned(self, customer: Customer, position: Position) -> list[tuple[Customer, Window]]:
        today = self._now.astimezone(customer.timezone).date()
        done = position.of(customer.id)
        if self._start is None and self._end is not None and done is not None and self._end < done:
            raise end_behind(self._end, done, of=f"account {customer.id}")
        try:
            found = windows(
                self._client,
                customer,
                done=done,
                today=today,
                start=self._start,
                end=self._end,
            )
            return [(customer, window) for window in found]
        except AccountNotEnabledError as error:
            log.warning("%s: account %s is not read: %s", self._client.tenant, customer.id, error)
            self.skipped.append(Skipped(customer.id, customer.name, error.reason))
        except RefusedError as error:
            if error.reason == _MANAGER:
                log.warning(
                    "%s: account %s is a manager, which has no figures", self._client.tenant, customer.id
                )
                self.skipped.append(Skipped(customer.id, customer.name, "MANAGER"))
                return []
            if error.reason not in PER_ACCOUNT:
                raise
            log.error("%s: account %s cannot be read: %s", self._client.tenant, customer.id, error)
            self.failed[customer.id] = error
        return []

    def _slice(self, customer: Customer, window: Window, done: float, position: Position) -> Slice:
        first, last = window.first.isoformat(), window.last.isoformat()
        ranges = (ColumnRange("customer_id", customer.id, customer.id), ColumnRange("date", first, last))
        after = position.reached(customer.id, window.first, window.reached)
        return Slice(
            f"{customer.id} {first} .. {last}",
            bounds={
                "customer": customer,
                "window": window,
                "checkpoint": after.text(),
                "done": done,
            },
            window={dataset.name: ranges for dataset in self.datasets},
        )

    def _answers(
        self, report: Report, customer: Customer, first: date, last: date
    ) -> Iterator[tuple[bytes, date, date]]:
        """The answers that together hold the days, each with its own: one, or more when one would be too much."""
        key, days = (report.dataset.name, customer.id), (last - first).days + 1
        if days < self._too_many.get(key, days + 1):
            bound = self._client.settings.answer_bytes if days > 1 else None
            try:
                body = self._client.stream(
                    customer.id,
                    report.query(first, last),
                    login=customer.login,
                    summary=True,
                    max_body=bound,
                )
            except SourceError as error:
                if error.reason not in _TOO_MUCH or days == 1:
                    raise
                if error.reason in _BY_NATURE:
                    self._too_many[key] = days
                log.info(
                    "account %s: %s .. %s is too much at once (%s)", customer.id, first, last, error.reason
                )
            else:
                yield body, first, last
                return
        middle = first + (last - first) // 2
        yield from self._answers(report, customer, first, middle)
        yield from self._answers(report, customer, date.fromordinal(middle.toordinal() + 1), last)

    def _fail_for_the_failed(self) -> None:
        if self.failed:
            each = "; ".join(f"{number}: {error.message}" for number, error in self.failed.items())
            refused = any(isinstance(error, CredentialsError) for error in self.failed.values())
            kind = CredentialsError if refused else FatalError
            raise kind(f"all other accounts were read, but not {each}", reason="ACCOUNTS_DENIED")


def _not_asked(account: str, first: date, last: date, rows: pa.RecordBatch) -> dict[int, Misfit]:
    """Rows of another account or day than those asked for: outside of the slice, no later run would take them back."""
    accounts, days = rows.column("customer_id"), rows.column("date")
    other_day = pc.or_(pc.less(days, pa.scalar(first)), pc.greater(days, pa.scalar(last)))
    found = {}
    for column, wrong, asked in (
        ("date", other_day, f"{first} .. {last}"),
        ("customer_id", pc.not_equal(accounts, account), account),
    ):
        for row in pc.indices_nonzero(wrong.fill_null(False)).to_pylist():
            value = str(rows.column(column)[row].as_py())
            found[row] = Misfit(column, value, f"not of what was asked for: {asked}")
    return found
