"""One read of insights, however large: synchronous for a small range, else a report run, split when it will not do."""

from __future__ import annotations

import itertools
import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import msgspec

from weathervane.meta_ads._accounts import Account
from weathervane.meta_ads._client import MetaAdsClient
from weathervane.meta_ads._queries import Extent, insights_query, objects_query
from weathervane.meta_ads._settings import LEVELS
from weathervane.meta_ads._verdict import ReportLostError, TooMuchDataError, of_report
from weathervane.source import ContractError, IncompleteError, LongWait, decode

__all__ = ["InsightsRead"]

log = logging.getLogger(__name__)

_NUMBER = re.compile(r"[0-9]{1,40}")
_RUNNING = ("Job Not Started", "Job Started", "Job Running", "Job Completed")
_ODD_LOOKS = 5
"""How often a report run may say what Meta does not document, before that is an error."""
_POLLED = "async_status,async_percent_completion,error_code,error_subcode,error_message"


class InsightsRead:
    """Reads the insights of one account at one level.

    Args:
        client: The tenant's client.
        account: The account.
        level: What a row is about.
        fields: What is asked for.
        breakdowns: Meta's breakdowns, or none.
        clock: Seconds, for tests.
        sleep: Waits, for tests.
    """

    def __init__(
        self,
        client: MetaAdsClient,
        account: Account,
        level: str,
        fields: list[str],
        breakdowns: tuple[str, ...] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self.account, self._level = client, account, level
        self._fields, self._breakdowns = fields, breakdowns
        self._clock, self._sleep = clock, sleep
        self._too_heavy = False
        """A synchronous call was too much: this account's reads are report runs from now on."""

    def pages(self, extent: Extent) -> Iterator[list[bytes]]:
        """The rows of an extent, page by page.

        Raises:
            IncompleteError: Not all of it can be had; what was given must not be used.
        """
        if not self._too_heavy and extent.days <= self._client.settings.sync_days[self._level]:
            pages = self._list(
                f"act_{self.account.id}/insights",
                self._query(extent),
            )
            try:
                first = next(pages, None)
            except TooMuchDataError:
                self._too_heavy = True
                log.info("%s: %s is too much for one call: a report run", self.account.id, extent)
            else:
                yield from () if first is None else (first,)
                yield from self._whole(pages)
                return
        yield from self._by_report(extent)

    def rows(self, since: date, until: date) -> list[bytes]:
        """The rows of any number of days, asked for in pieces that Meta answers at once; for few small rows.

        Only whole pieces are kept, so that one that turns out to be too much, on whichever page, can still be had by a
        report run. A `sync_days` of 0 makes one piece of all.

        Raises:
            IncompleteError: Not all of them can be had.
        """
        length = self._client.settings.sync_days[self._level] or (until - since).days + 1
        found: list[bytes] = []
        while since <= until:
            last = min(until, since + timedelta(days=length - 1))
            found += self._piece(Extent(since, last))
            since = last + timedelta(days=1)
        return found

    def _piece(self, extent: Extent) -> list[bytes]:
        if not self._too_heavy:
            try:
                pages = self._list(
                    f"act_{self.account.id}/insights",
                    self._query(extent),
                )
                return [row for page in pages for row in page]
            except TooMuchDataError:
                self._too_heavy = True
                log.info("%s: %s is too much for one call: a report run", self.account.id, extent)
        return [row for page in self._by_report(extent) for row in page]

    def _by_report(self, extent: Extent) -> Iterator[list[bytes]]:
        for again in (True, False):
            try:
                run = self._submit(extent)
                failure = self._wait(run)
                pages = self._list(f"{run}/insights", {}, report=True)
                first = next(pages, []) if failure is None else []
            except TooMuchDataError:
                break
            except ReportLostError as error:
                if not again:
                    raise
                log.warning("%s: a report run of %s is made anew: %s", self.account.id, extent, error.message)
                continue
            if failure is None:
                yield first
                yield from self._whole(pages)
                return
            log.warning("%s: report run %s of %s: %s", self.account.id, run, extent, failure)
            if not again:
                break
        for smaller in self._split(extent):
            yield from self.pages(smaller)

    def _whole(self, pages: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
        """The pages of a list; those that were given are of no use when the rest cannot be had."""
        try:
            yield from pages
        except (TooMuchDataError, ReportLostError) as error:
            self._too_heavy = True
            raise IncompleteError(error.message, reason=error.reason) from None

    def _submit(self, extent: Extent) -> str:
        path = f"act_{self.account.id}/insights"
        started = self._client.post(
            path,
            self._query(extent),
            _Started,
            account=self.account.id,
        )
        # A number in one place of Meta's docs, a string in what clients get.
        run = str(started.report_run_id)
        if not _NUMBER.fullmatch(run):
            raise ContractError("Meta started a report run whose id is no number", reason="NO_REPORT_RUN")
        return run

    def _wait(self, run: str) -> str | None:
        """Why the run came to nothing; None when it is complete.

        Raises:
            TooMuchDataError: It is too large, as every run like it.
            FatalError: Every run will fail of it: the token, the breakdowns.
        """
        settings = self._client.settings
        deadline = self._clock() + settings.run_patience.total_seconds()
        waits = itertools.chain((0.0,), settings.poll_seconds, itertools.repeat(settings.poll_seconds[-1]))
        wait = LongWait(f"Meta's report run {run} of ad account {self.account.id}", clock=self._clock)
        odd = 0
        for seconds in waits:
            if seconds:
                self._sleep(seconds)
            node = self._client.get(run, _Run, account=self.account.id, report=True, fields=_POLLED)
            # Percent may be 100 while the job still runs; its rows are then a extent of them, without a word.
            status, percent = (
                self._client.without_secrets(node.async_status)[:40],
                node.async_percent_completion,
            )
            completed = status == "Job Completed" and percent == 100
            if completed and not node.error_code:
                return None
            if completed or status in ("Job Failed", "Job Skipped"):
                message = self._client.without_secrets(node.error_message or "")
                if (error := of_report(node.error_code, node.error_subcode, message)) is not None:
                    raise error
                return f"{status}, {node.error_code}/{node.error_subcode} {message}"[:200]
            odd = odd + 1 if status not in _RUNNING or not 0 <= percent <= 100 else 0
            if odd >= _ODD_LOOKS:
                raise IncompleteError(
                    f"Meta's report run {run} of ad account {self.account.id} says {status!r}, {str(percent)[:20]} %,"
                    " which Meta does not document",
                    reason="REPORT_STATUS_UNKNOWN",
                )
            if self._clock() >= deadline:
                return f"{status} after {settings.run_patience}"
            wait.goes_on(f"{status}, {str(percent)[:20]} %")
        raise AssertionError("unreachable: polling has no end of its own")

    def _split(self, extent: Extent) -> list[Extent]:
        """Smaller extents that make up this one: fewer days, then fewer objects, then the objects below them."""
        if extent.days > 1:
            middle = extent.since + timedelta(days=extent.days // 2 - 1)
            return [replace(extent, until=middle), replace(extent, since=middle + timedelta(days=1))]
        kind, ids = extent.kind, extent.ids
        if not ids and self._level != "account":
            kind, ids = "campaign", self._objects("campaign", f"act_{self.account.id}")
        elif len(ids) == 1 and kind != self._level:
            below = LEVELS[LEVELS.index(kind) + 1]
            kind, ids = below, self._objects(below, ids[0])
        if len(ids) == 1 and kind != self._level:
            return self._split(replace(extent, kind=kind, ids=ids))
        if len(ids) < 2:
            raise IncompleteError(
                f"Meta's report runs fail for {extent} of ad account {self.account.id}, and it cannot be made smaller",
                reason="REPORT_FAILED",
            )
        half = len(ids) // 2
        return [replace(extent, kind=kind, ids=ids[:half]), replace(extent, kind=kind, ids=ids[half:])]

    def _objects(self, kind: str, under: str) -> tuple[str, ...]:
        pages = self._list(f"{under}/{kind}s", objects_query(kind))
        ids = tuple(decode(record, _Object, f"one of the {kind}s").id for page in pages for record in page)
        if not all(_NUMBER.fullmatch(one) for one in ids):
            raise ContractError(f"the id of one of the {kind}s is no number", reason="UNEXPECTED_JSON")
        return ids

    def _query(self, extent: Extent) -> dict[str, Any]:
        return insights_query(extent, self._level, self._fields, self._breakdowns)

    def _list(self, path: str, params: dict[str, Any], *, report: bool = False) -> Iterator[list[bytes]]:
        what = f"{self._level} insights"
        return self._client.pages(path, params, what=what, account=self.account.id, report=report)


class _Started(msgspec.Struct):
    report_run_id: str | int


class _Run(msgspec.Struct):
    async_status: str
    async_percent_completion: int = 0
    error_code: int | None = None
    error_subcode: int | None = None
    error_message: str | None = None


class _Object(msgspec.Struct):
    id: str
