"""Reading an account: one whole snapshot of its campaigns, then a report for each quarter that may have grown."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from weathervane.klaviyo._client import KlaviyoClient
from weathervane.klaviyo._filters import at_least, at_most
from weathervane.klaviyo._known import Known
from weathervane.klaviyo._legacy import LegacyModel
from weathervane.klaviyo._omni import OmniModel
from weathervane.klaviyo._reader.reports import ReportsReader
from weathervane.klaviyo._rows import Row, Snapshot, packed
from weathervane.klaviyo._settings import LEGACY_VERSION
from weathervane.klaviyo._tables.campaigns import CAMPAIGNS, MESSAGES, TIME, VARIATIONS
from weathervane.klaviyo._tables.reports import REPORTS
from weathervane.lake import LakeClient, row_keys
from weathervane.source import (
    Dataset,
    DeferredError,
    Misfit,
    Normalised,
    Piece,
    Slice,
    SliceEnd,
    end_behind,
    format_checkpoint,
    normalise,
    parse_checkpoint,
    quarantine_batch,
    record_text,
)

__all__ = ["CampaignsReader"]

_SENT = ("sent", "sending")
_UNSENT = ("draft", "scheduled")
# Before any campaign: Klaviyo was founded in 2012.
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
# A local time is first reached at UTC+14, and last at UTC-12.
_EARLY, _LATE = timedelta(hours=14), timedelta(hours=12)

_KINDS = {
    CAMPAIGNS.name: "campaign",
    MESSAGES.name: "campaign-message",
    VARIATIONS.name: "campaign-variation",
}
"""By table: the JSON:API type of its records."""

_AHEAD = timedelta(days=1)
"""How far Klaviyo's clock may be before ours."""

log = logging.getLogger(__name__)


class _Model(Protocol):
    def read(self, bounds: Sequence[str], unchanged: Any) -> Snapshot: ...
    def adopt(self, campaign_id: str, snapshot: Snapshot, unchanged: Any) -> bool: ...


class CampaignsReader:
    """Reads one account's campaigns, messages, variations and, when there is a conversion metric, reports.

    Campaigns are few, and a deletion, a child's edit or a flip of `archived` need not show in any time of change: so
    each run reads all of them. The checkpoint, `updated_at`, tells how new the newest was; nothing is asked by it.
    `reported <metric>` is the first day of the newest quarter that was reported by the conversion metric.

    Args:
        client: The account.
        lake: What earlier runs found.
        start: First day by the campaigns' time of change, in the account's time zone; None reads all. With a day,
            nothing is marked as deleted.
        end: Last day; None means up to now.
        now: When the run began.

    Raises:
        SourceError: The key may not read the account.
    """

    source = "klaviyo"

    def __init__(
        self,
        client: KlaviyoClient,
        lake: LakeClient,
        *,
        start: date | None = None,
        end: date | None = None,
        now: datetime | None = None,
    ) -> None:
        self._client = client
        self._lake = lake
        self._now = now or datetime.now(UTC)
        self._days = (start, end)
        self._account = client.account()
        legacy = client.credentials.revision == LEGACY_VERSION
        self._model: _Model = LegacyModel(client) if legacy else OmniModel(client)
        self._constants = {"tenant_id": client.tenant, "account_id": self._account.id}
        self._reports = ReportsReader(client, self._account, self._days, self._now)
        self._sent: list[datetime] | None = None
        self._present: list[datetime] = []
        self._held: Mapping[str, set[date]] = {}

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """Reports are among them only for who wants them."""
        reports = (REPORTS,) if self._client.credentials.wants_reports else ()
        return (CAMPAIGNS, MESSAGES, VARIATIONS, *reports)

    @property
    def deferred(self) -> DeferredError | None:
        """Why, and for how long, the rest of the reports is left to a later run; None when nothing is."""
        return self._reports.deferred

    def next_slice(self, checkpoint: str | None) -> Slice | None:
        """The snapshot, then a slice for each report."""
        before = _times(checkpoint)
        if self._sent is None:
            self._check_end(before.get("updated_at"))
            bounds = self._bounds()
            name = f"campaigns changed {' and '.join(bounds)}" if bounds else "all campaigns"
            return Slice(name, {"conditions": bounds, "before": before})
        if not self._client.credentials.wants_reports:
            return None
        return self._reports.next_slice(self._sent, self._present, self._held, before)

    def _check_end(self, reached: datetime | None) -> None:
        start, end = self._days
        if start is None and end is not None and reached is not None:
            day = reached.astimezone(self._account.timezone).date()
            if end < day:
                raise end_behind(end, day)

    def read(self, slice: Slice) -> Generator[Piece, None, SliceEnd]:
        """One slice."""
        if "quarter" in slice.bounds:
            return (yield from self._reports.read(slice, self._constants))
        return (yield from self._read_campaigns(slice.bounds["conditions"], dict(slice.bounds["before"])))

    def _read_campaigns(
        self, conditions: Sequence[str], before: dict[str, datetime]
    ) -> Generator[Piece, None, SliceEnd]:
        known = Known.load(self._lake, self._client.tenant, self._account.id)
        snapshot = self._model.read(conditions, known.unchanged)
        if not conditions:
            # Gone is only what its own address says is gone: lists may miss what flips between two of them.
            for campaign_id in sorted(known.campaigns - snapshot.campaigns.keys() - snapshot.unread):
                self._model.adopt(campaign_id, snapshot, known.unchanged)
        snapshot.settle(known.channels)
        for message_id in snapshot.gone:
            since = known.messages.get(message_id, {}).get("deleted_at") or self._now
            snapshot.messages[message_id]["deleted_at"] = since.isoformat()
        campaigns = self._rows(CAMPAIGNS, snapshot.campaigns.values(), snapshot)
        messages = self._rows(MESSAGES, snapshot.messages.values(), snapshot)
        yield Piece(CAMPAIGNS.name, campaigns)
        yield Piece(MESSAGES.name, messages)
        yield from self._said(snapshot)
        if not conditions:
            unread = snapshot.unread
            live = {
                one
                for one, row in known.messages.items()
                # Whose campaign cannot be read, of that nobody knows.
                if row["deleted_at"] is None and row["campaign_id"] not in unread
            }
            gone = known.campaigns - snapshot.campaigns.keys() - unread
            yield from self._deleted(CAMPAIGNS, "campaign_id", gone)
            yield from self._deleted(MESSAGES, "message_id", live - snapshot.messages.keys() - unread)
            # Never back, when the newest campaign was deleted; but a time to come is damage, and is let go.
            earlier = [
                one for one in (before.pop("updated_at", None),) if one is not None and one <= self._now
            ]
            newest = campaigns.rows.column("updated_at").to_pylist()
            if newest or earlier:
                before["updated_at"] = max([*newest, *earlier])
        read = messages.rows.to_pylist()
        rows = [row for row in [*known.messages.values(), *read] if row["send_time"]]
        self._held = known.reported
        self._sent = [at for row in rows for at in self._sendings(row)]
        self._present = [
            row["send_time"]
            for row in read
            # Of a local time nobody can say in which quarter of the account's own time zone it counts.
            if row["status"] == "sent"
            and row["deleted_at"] is None
            and not row["send_time_is_local"]
            and row["send_time"]
            and _BEGINNING <= row["send_time"] <= self._now + _EARLY
        ]
        return SliceEnd(format_checkpoint(before) if before else None)

    def _sendings(self, row: Row) -> Iterator[datetime]:
        """Times that say which quarters' reports may know a message: of a cancelled one too, which may have been
        stopped while it was sent.
        """
        time: datetime = row["send_time"]
        if not _BEGINNING <= time <= self._now + _EARLY:
            if row["status"] in _SENT:
                log.warning("message %s says it was sent at %s, and is not reported", row["message_id"], time)
        elif row["status"] in _SENT or (row["status"] not in _UNSENT and time <= self._now):
            yield time
            if row.get("send_time_is_local"):
                yield time - _EARLY
                yield min(time + _LATE, self._now)

    def _said(self, snapshot: Snapshot) -> Generator[Piece, None, None]:
        """What the messages say, replaced message by message."""
        read = sorted(snapshot.variations.keys() & (snapshot.messages.keys() | snapshot.unread))
        said = (one for message_id in read for one in snapshot.variations[message_id])
        rows = self._rows(VARIATIONS, said, snapshot)
        # A message with a row set aside is no complete account of itself: its old rows stay.
        spoilt = set(rows.quarantined.column("row_key").to_pylist())
        whole = [one for one in read if not any(f'"{one}"' in key for key in spoilt)]
        yield Piece(VARIATIONS.name, rows)
        schema = pa.schema([VARIATIONS.schema.field("message_id")])
        members = pa.RecordBatch.from_arrays([pa.array(whole, pa.string())], schema=schema)
        yield Piece(VARIATIONS.name, members=members)

    def _deleted(self, dataset: Dataset, key: str, ids: Iterable[str]) -> Generator[Piece, None, None]:
        gone = sorted(ids)
        if not gone:
            return
        tenant = pa.array([self._client.tenant] * len(gone), pa.string())
        arrays = [tenant, pa.array(gone, pa.string()), pa.array([self._now] * len(gone), TIME)]
        changes = pa.RecordBatch.from_arrays(arrays, names=["tenant_id", key, "deleted_at"])
        yield Piece(dataset.name, changes=changes)

    def _rows(self, dataset: Dataset, rows: Iterable[Row], snapshot: Snapshot) -> Normalised:
        found = normalise(
            dataset, packed(rows), constants=self._constants, unfit=partial(_impossible, dataset, self._now)
        )
        odd = [one for one in snapshot.odd.values() if one.kind == _KINDS[dataset.name]]
        if not odd:
            return found
        ids = {name: [one.parent for one in odd] for name in dataset.unique_keys}
        ids |= {
            dataset.unique_keys[-1]: [one.id for one in odd],
            "tenant_id": [self._client.tenant] * len(odd),
        }
        keys = row_keys(pa.RecordBatch.from_pydict(ids), dataset.unique_keys)
        entries = quarantine_batch(
            keys.to_pylist(),
            [Misfit("" if one.id else dataset.unique_keys[-1], None, one.why) for one in odd],
            [record_text(one.record, ()) for one in odd],
        )
        return replace(found, quarantined=pa.concat_batches([found.quarantined, entries]))

    def _bounds(self) -> tuple[str, ...]:
        """The conditions of the run's days; none when it has no days."""
        start, end = self._days
        if start is None and end is None:
            return ()
        zone = self._account.timezone
        # Klaviyo refuses a bound that is not past.
        latest = self._now - self._client.settings.future_margin
        since = datetime.combine(start, time(), zone) if start else _BEGINNING
        bounds = [at_least("updated_at", min(since, latest))]
        if end is not None:
            until = datetime.combine(end + timedelta(days=1), time(), zone) - timedelta(seconds=1)
            bounds += [at_most("updated_at", until)] if until < latest else []
        return tuple(bounds)


def _impossible(dataset: Dataset, now: datetime, rows: pa.RecordBatch) -> dict[int, Misfit]:
    """Rows of a time to come, beside which every true row to come would be the older one."""
    found: dict[int, Misfit] = {}
    if dataset.version_column is not None:
        times = rows.column(dataset.version_column)
        ahead = pc.greater(times, pa.scalar(now + _AHEAD, TIME)).fill_null(False)
        for row in pc.indices_nonzero(ahead).to_pylist():
            value = str(times[row].as_py())
            found[row] = Misfit(dataset.version_column, value, "a time that is yet to come")
    return found


def _times(checkpoint: str | None) -> dict[str, datetime]:
    """A checkpoint's times. One in the future is no error here: nothing is asked by it."""
    return parse_checkpoint(checkpoint, now=datetime.max.replace(tzinfo=UTC) - timedelta(days=1))
