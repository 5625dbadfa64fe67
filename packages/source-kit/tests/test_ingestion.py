"""Slices, one commit per dataset each, against the real lake: nothing lost, nothing twice, wherever a run ends."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import nullcontext
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from weathervane.lake import (
    BusyError,
    LakeClient,
    NotFoundError,
    StaleCheckpointError,
    TableRef,
    WriteResult,
)
from weathervane.lake.testing import running_lake
from weathervane.source._errors import ConfigurationError, CursorError, IncompleteError, UnavailableError
from weathervane.source._progress import Progress, listening
from weathervane.source._run.checkpoints import format_checkpoint
from weathervane.source._run.engine import Ingestion
from weathervane.source._run.report_words import state_words, summary_line
from weathervane.source._run.set_aside import max_set_aside
from weathervane.source._run.slices import MOVED_WHILE_READ, Piece, Slice, SliceEnd
from weathervane.source._run.summary import IngestionSummary
from weathervane.source._table.normalise import normalise

from .pretend_source import MIDNIGHT, PARTS, THINGS, ListReader, ListVendor, lake_truth


class Killed(BaseException):
    """Ends a run where it stands, as a kill does."""


def run(
    lake: LakeClient,
    vendor: ListVendor,
    run_id: str = "run",
    *,
    stop_after: int | None = None,
    receipts: list[WriteResult] | None = None,
) -> IngestionSummary:
    """One attempt of a run, killed right after its n-th commit if so asked; `receipts` receives those it gave."""
    given = [] if receipts is None else receipts

    def heard(progress: Progress) -> None:
        assert progress.result is not None
        given.append(progress.result)
        if len(given) == stop_after:
            raise Killed

    with listening(heard), Ingestion(lake.target, "acme", ListReader(vendor), run_id) as ingestion:
        while (slice := ingestion.next_slice()) is not None:
            ingestion.write(slice)
        return ingestion.summary()


def test_a_run_loads_what_the_vendor_has(lake: LakeClient, vendor: ListVendor) -> None:
    """Every row of the vendor is in the lake once, and the summary counts them."""
    summary = run(lake, vendor)
    assert lake_truth(lake) == vendor.truth()
    assert (summary.source, summary.row_count) == ("pretend", 5)
    things, parts = (summary.metadata["datasets"][d.name] for d in (THINGS, PARTS))
    assert (things.rows_received, things.rows_inserted, things.total_rows) == (5, 5, 5)
    assert (parts.rows_received, parts.rows_inserted, parts.total_rows) == (10, 10, 10)
    newest = format_checkpoint({"updated_at": MIDNIGHT + timedelta(seconds=300)})
    assert things.checkpoint == parts.checkpoint == newest
    told = {name: summary.metadata[name] for name in ("new_rows", "updated_rows", "total_rows", "checkpoint")}
    assert told == {"new_rows": 5, "updated_rows": 0, "total_rows": 5, "checkpoint": newest}
    assert (summary.metadata["slices"], summary.metadata["state"]) == (3, "loaded")
    assert summary.path == things.path
    assert lake.describe(TableRef("acme", THINGS.name)).table_uri == summary.path


def test_a_run_goes_on_from_the_checkpoint(lake: LakeClient, vendor: ListVendor) -> None:
    """The next run reads and counts only what is new or changed; a part that is gone vanishes."""
    run(lake, vendor, "first")
    vendor.put("v", 2, parts=("a",))
    vendor.put("new")
    summary = run(lake, vendor, "second")
    assert lake_truth(lake) == vendor.truth()
    assert (summary.row_count, summary.metadata["new_rows"], summary.metadata["updated_rows"]) == (2, 1, 1)
    assert summary.metadata["datasets"][PARTS.name].rows_deleted == 1
    assert "slices; 1 rows removed; " in summary_line(summary)


def test_nothing_new_is_verified_empty(lake: LakeClient, vendor: ListVendor) -> None:
    """A run in which the vendor had nothing says so, and writes no data file."""
    run(lake, vendor, "first")
    files = {d: lake.describe(TableRef("acme", d.name)).file_count for d in (THINGS, PARTS)}
    summary = run(lake, vendor, "second")
    assert (summary.metadata["state"], summary.row_count, summary.metadata["total_rows"]) == (
        "verified_empty",
        0,
        5,
    )
    assert {d: lake.describe(TableRef("acme", d.name)).file_count for d in (THINGS, PARTS)} == files


def test_an_empty_vendor_makes_empty_tables(lake: LakeClient) -> None:
    """A tenant without rows has its tables all the same: a query finds nothing, not an error."""
    summary = run(lake, ListVendor())
    assert (summary.metadata["state"], summary.metadata["checkpoint"]) == ("verified_empty", None)
    assert lake_truth(lake) == ({}, set())


def test_parts_are_committed_before_things(lake: LakeClient, vendor: ListVendor) -> None:
    """A slice's first dataset, which carries the position, is committed last."""
    receipts: list[WriteResult] = []
    run(lake, vendor, receipts=receipts)
    assert [receipt.table.dataset for receipt in receipts] == [PARTS.name, THINGS.name] * 3


@pytest.mark.parametrize("commits", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("same_run", [True, False], ids=["next attempt", "next run"])
def test_a_run_killed_after_any_commit_is_resumed(
    lake: LakeClient, vendor: ListVendor, commits: int, same_run: bool
) -> None:
    """Wherever it is killed, the next attempt or the next run ends with the undisturbed run's lake."""
    with pytest.raises(Killed):
        run(lake, vendor, stop_after=commits)
    summary = run(lake, vendor, "run" if same_run else "another")
    assert lake_truth(lake) == vendor.truth()
    assert summary.metadata["total_rows"] == 5
    # The slices that were complete are not read again.
    assert summary.metadata["slices"] == 3 - commits // 2


@pytest.mark.parametrize("same_run", [True, False], ids=["next attempt", "next run"])
def test_a_change_between_two_attempts_is_not_lost(
    lake: LakeClient, vendor: ListVendor, same_run: bool
) -> None:
    """Killed between a child and its parent, the next attempt reads newer children: they must land too.

    Were they taken for a repeat, the parent's checkpoint would move past them, and nobody would read them again.
    """
    with pytest.raises(Killed):
        run(lake, vendor, stop_after=5)
    vendor.put("z", 2, parts=("a", "c"))
    run(lake, vendor, "run" if same_run else "another")
    assert lake_truth(lake) == vendor.truth()


def test_a_write_tried_again_by_the_same_ingestion_is_not_lost(lake: LakeClient, vendor: ListVendor) -> None:
    """A task's retry calls `write` again: what changed in between lands, for parents and children alike."""
    failures = iter([True])

    def heard(progress: Progress) -> None:
        if next(failures, False):
            raise BusyError("the lake went away between child and parent")

    reader = ListReader(vendor, size=10)
    with listening(heard), Ingestion(lake.target, "acme", reader, "run") as ingestion:
        slice = ingestion.next_slice()
        assert slice is not None
        with pytest.raises(BusyError, match="between child and parent"):
            ingestion.write(slice)
        vendor.put("v", 2, parts=("a", "c"))
        ingestion.write(slice)
        assert ingestion.next_slice() is None
    assert lake_truth(lake) == vendor.truth()


def test_a_slice_that_moved_no_checkpoint_is_not_taken_for_a_repeat(
    lake: LakeClient, vendor: ListVendor
) -> None:
    """A run that is tried again, or was put off for hours, reads it anew, and what it finds then lands."""

    class Still(ListReader):
        def read(self, slice: Slice) -> Generator[Piece, None, SliceEnd]:
            return replace((yield from super().read(slice)), checkpoint=None)

    for value in (1, 2, 3):
        vendor.put("v", value, parts=("a", f"since {value}"))
        with Ingestion(lake.target, "acme", Still(vendor, size=10), "run") as ingestion:
            slice = ingestion.next_slice()
            assert slice is not None
            ingestion.write(slice)
            assert (slice.name, ingestion.checkpoint) == ("after None", None)
    assert lake_truth(lake) == vendor.truth()


def test_a_commit_whose_answer_was_lost_is_known_again(lake: LakeClient, vendor: ListVendor) -> None:
    """What the commit did is counted with what follows it, and the rows are there once."""
    answers: list[WriteResult] = []

    def heard(progress: Progress) -> None:
        assert progress.result is not None
        answers.append(progress.result)
        if len(answers) == 2:
            raise BusyError("the answer was lost")

    with listening(heard), Ingestion(lake.target, "acme", ListReader(vendor, size=10), "run") as ingestion:
        slice = ingestion.next_slice()
        assert slice is not None
        with pytest.raises(BusyError, match="the answer was lost"):
            ingestion.write(slice)
        receipt = ingestion.write(slice).receipts[THINGS.name]
        summary = ingestion.summary()
    assert (receipt.rows_inserted, receipt.rows_unchanged) == (5, 5)
    assert receipt.checkpoint == answers[1].checkpoint
    assert (summary.row_count, summary.metadata["total_rows"]) == (5, 5)
    assert lake_truth(lake) == vendor.truth()


def test_an_attempt_that_was_given_up_and_commits_after_all_costs_a_retry(
    lake: LakeClient, vendor: ListVendor
) -> None:
    """What the next attempt has read meanwhile is other rows under the same id: it reads again, and lands them."""

    def overtaken(slice: Slice) -> None:
        vendor.on_read = lambda slice: None
        vendor.put("v", 2, parts=("a", "c"))
        with Ingestion(lake.target, "acme", ListReader(vendor, size=10), "run") as given_up:
            given_up.write(slice)
        vendor.put("w", 2, parts=("d",))

    vendor.on_read = overtaken
    with Ingestion(lake.target, "acme", ListReader(vendor, size=10), "run") as ingestion:
        slice = ingestion.next_slice()
        assert slice is not None
        with pytest.raises(IncompleteError) as caught:
            ingestion.write(slice)
        assert (caught.value.reason, caught.value.retriable) == ("COMMITTED_MEANWHILE", True)
        ingestion.write(slice)
    assert lake_truth(lake) == vendor.truth()


def test_a_write_has_the_same_id_in_every_attempt_of_a_run(tmp_path: Path, vendor: ListVendor) -> None:
    """And another one in every other run, even from the same checkpoint."""
    ids = []
    for number, run_id in enumerate(("run", "run", "another")):
        receipts: list[WriteResult] = []
        with running_lake(tmp_path / str(number)) as lake:
            run(lake, vendor, run_id, receipts=receipts)
        ids.append([receipt.write_id for receipt in receipts])
    assert len(set(ids[0])) == 6
    assert ids[0] == ids[1]
    assert not set(ids[0]) & set(ids[2])


def test_a_failed_read_commits_nothing(lake: LakeClient, vendor: ListVendor) -> None:
    """A vendor that fails in the middle of a slice leaves the lake as it was, and the error says where it was."""
    run(lake, vendor, "first")
    before = lake_truth(lake)
    vendor.put("new")

    def interrupt(slice: Slice) -> None:
        raise UnavailableError("the vendor is down", reason="VENDOR_DOWN")

    vendor.on_read = interrupt
    with pytest.raises(UnavailableError, match=r"tenant=acme dataset=pretend_things slice=after") as caught:
        run(lake, vendor, "second")
    assert caught.value.slice is not None
    assert lake_truth(lake) == before
    vendor.on_read = lambda slice: None
    run(lake, vendor, "second")
    assert lake_truth(lake) == vendor.truth()


class Moving(ListReader):
    """Finds, once its first slice was read, that the vendor's figures moved meanwhile: so many times."""

    def __init__(self, vendor: ListVendor, times: int) -> None:
        super().__init__(vendor)
        self.times = times

    def read(self, slice: Slice) -> Generator[Piece, None, SliceEnd]:
        """The slice, and then the news."""
        end = yield from super().read(slice)
        if self.times:
            self.times -= 1
            raise IncompleteError("spend moved on 2026-11-01", reason=MOVED_WHILE_READ)
        return end


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_slice_that_moved_while_it_was_read_is_read_afresh(
    lake: LakeClient, vendor: ListVendor, times: int
) -> None:
    """At once, told, and without a trace of the earlier reads; one that goes on moving fails as incomplete."""
    news: list[Progress] = []
    with listening(news.append), Ingestion(lake.target, "acme", Moving(vendor, times), "run") as ingestion:
        slice = ingestion.next_slice()
        assert slice is not None
        if times == 3:
            with pytest.raises(IncompleteError, match="spend moved on 2026-11-01"):
                ingestion.write(slice)
            return
        counts = ingestion.write(slice).receipts[THINGS.name]
        assert counts.rows_received == counts.rows_inserted > 0
        while (slice := ingestion.next_slice()) is not None:
            ingestion.write(slice)
    assert lake_truth(lake) == vendor.truth()
    afresh = [one.message for one in news if one.result is None]
    assert len(afresh) == times
    assert "spend moved on 2026-11-01: it is read afresh" in afresh[0]


def test_a_control_total_that_differs_commits_nothing(lake: LakeClient, vendor: ListVendor) -> None:
    """A vendor that counts more than it lists makes the slice incomplete: no dataset of it is committed."""
    vendor.hidden = 1
    with pytest.raises(IncompleteError, match="the vendor says 3 things, and we read 2") as caught:
        run(lake, vendor)
    assert (caught.value.reason, caught.value.tenant, caught.value.retriable) == (
        "CONTROL_TOTAL",
        "acme",
        True,
    )
    for dataset in (THINGS, PARTS):
        with pytest.raises(NotFoundError):
            lake.describe(TableRef("acme", dataset.name))
    vendor.hidden = 0
    run(lake, vendor)
    assert lake_truth(lake) == vendor.truth()


def test_a_run_that_was_overtaken_is_refused(lake: LakeClient, vendor: ListVendor) -> None:
    """Two runs began at one checkpoint: the slower one is refused, and undoes nothing of the faster one."""
    with Ingestion(lake.target, "acme", ListReader(vendor), "slow") as slow:
        slice = slow.next_slice()
        assert slice is not None
        run(lake, vendor, "fast")
        with pytest.raises(StaleCheckpointError, match="start again from there") as caught:
            slow.write(slice)
    assert not caught.value.retriable
    assert lake_truth(lake) == vendor.truth()


def test_a_row_that_does_not_fit_is_set_aside(lake: LakeClient, vendor: ListVendor) -> None:
    """It is counted and kept whole, its neighbours land, and the run goes on."""
    vendor.put("odd", "not a number")
    summary = run(lake, vendor)
    counts = summary.metadata["datasets"][THINGS.name]
    assert (counts.rows_received, counts.rows_inserted, counts.rows_quarantined) == (6, 5, 1)
    aside = lake.read(TableRef("acme", f"{THINGS.name}_quarantine")).read_all().to_pylist()
    assert [(row["column_name"], json.loads(row["record"])["id"]) for row in aside] == [("value", "odd")]
    assert (summary.metadata["set_aside_rows"], summary.metadata["set_aside_values"]) == (1, 0)
    assert counts.first_misfit == "column value: expected a number, got a string"
    assert summary_line(summary).startswith(
        "5 new and 0 updated rows in 3 slices; pretend_things 1 set aside: column value: expected a number, got a"
        " string (see pretend_things_quarantine); 5 in the table"
    )
    assert state_words(summary) == "loaded, 1 set aside"


def test_rows_set_aside_are_told_when_they_are(lake: LakeClient, vendor: ListVendor) -> None:
    """In the line of their slice, which is what a person at a terminal sees, and in no other."""
    vendor.put("odd", "not a number")
    lines: list[str] = []
    with (
        listening(lambda progress: lines.append(progress.message)),
        Ingestion(lake.target, "acme", ListReader(vendor), "run") as ingestion,
    ):
        while (slice := ingestion.next_slice()) is not None:
            ingestion.write(slice)
    told = [line for line in lines if "set aside" in line]
    assert len(told) == 1
    assert "1 new, 0 updated, 0 unchanged, 1 set aside, version" in told[0]


def test_a_slice_of_which_too_much_does_not_fit_is_incomplete(lake: LakeClient) -> None:
    """Above the share, and always when no row fits: no table and no checkpoint moves, and the error says why."""
    shares = [(1, 1, 0.5), (2, 1, 0.7), (9, 1, 1.0), (2, 1, 0.5), (1, 9, 0.0), (1, 0, 1.0)]
    for number, (odd, good, share) in enumerate(shares):
        vendor, tenant = ListVendor(), f"tenant{number}"
        for name in (*(f"odd{n}" for n in range(odd)), *(f"good{n}" for n in range(good))):
            vendor.put(name, "much" if "odd" in name else 1)
        reader = ListReader(vendor, tenant=tenant, size=20)
        with Ingestion(lake.target, tenant, reader, "run", max_set_aside=share) as ingestion:
            slice = ingestion.next_slice()
            assert slice is not None
            if number < 3:
                ingestion.write(slice)
                assert ingestion.summary().metadata["set_aside_rows"] == odd
                continue
            with pytest.raises(IncompleteError) as caught:
                ingestion.write(slice)
        assert (caught.value.reason, caught.value.dataset) == ("TOO_MANY_SET_ASIDE", THINGS.name)
        assert f"{odd} of {odd + good} rows of pretend_things do not fit" in str(caught.value)
        assert f'the first: row ["{tenant}","odd0"], column value: expected a number' in str(caught.value)
        assert list(lake.tables(tenant)) == []


@pytest.mark.parametrize(
    ("parts", "odd_things", "lands"), [(1, 0, True), (9, 0, True), (10, 0, False), (1, 5, False)]
)
def test_a_child_table_of_few_rows_does_not_keep_its_parents_from_the_lake(
    lake: LakeClient, parts: int, odd_things: int, lands: bool
) -> None:
    """Five rows fit, and the only list of children does not: money lands, and what is missing is told."""
    vendor = ListVendor(size=20)
    for number in range(5):
        vendor.put(f"thing{number}", "much" if number < odd_things else 1, parts=())
    vendor.things["thing0"]["parts"] = [{"id": [number]} for number in range(parts)]
    if not lands:
        with pytest.raises(IncompleteError, match="TOO_MANY_SET_ASIDE"):
            run(lake, vendor)
        return
    summary = run(lake, vendor)
    assert summary.metadata["new_rows"] == 5
    assert f"pretend_parts {parts} set aside: column part_id" in summary_line(summary)


@pytest.mark.parametrize(("good", "lands"), [(0, False), (1, True)])
def test_changes_are_rows_that_came(lake: LakeClient, good: int, lands: bool) -> None:
    """One deletion that cannot be read beside one that can is half of what came, not all of it."""
    vendor = ListVendor()
    vendor.put("v", 1)
    run(lake, vendor, "first")

    class Deleting(ListReader):
        def read(self, slice: Slice) -> Generator[Piece, None, SliceEnd]:
            yield Piece(THINGS.name, normalise(THINGS, [b"7"], constants={"tenant_id": "acme"}))
            if good:
                yield Piece(THINGS.name, changes=_deletion("v"))
            self._done = True
            return SliceEnd(None)

    with Ingestion(lake.target, "acme", Deleting(vendor), "second") as ingestion:
        slice = ingestion.next_slice()
        assert slice is not None
        with nullcontext() if lands else pytest.raises(IncompleteError, match="TOO_MANY_SET_ASIDE"):
            ingestion.write(slice)


def test_a_row_that_was_set_aside_before_fails_no_slice(lake: LakeClient) -> None:
    """A run that looks back reads it again, perhaps nothing else; told already, it does not stop the tenant."""
    vendor = ListVendor()
    for name in ("a", "b", "c"):
        vendor.put(name, "much" if name == "c" else 1)
    first_day = MIDNIGHT.date()

    def again(share: float = 0.5) -> IngestionSummary:
        reader = ListReader(vendor, size=9, start=first_day)
        with Ingestion(lake.target, "acme", reader, "night", max_set_aside=share) as ingestion:
            while (slice := ingestion.next_slice()) is not None:
                ingestion.write(slice)
            return ingestion.summary()

    assert again().metadata["set_aside_rows"] == 1
    del vendor.things["a"], vendor.things["b"]
    assert again().metadata["set_aside_rows"] == 1
    vendor.put("d", "more")
    with pytest.raises(IncompleteError, match="TOO_MANY_SET_ASIDE"):
        again()


@pytest.mark.parametrize("text", ["half", "-0.1", "1.1", "nan", "50%"])
def test_a_share_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A typo must neither stop every run nor let everything through."""
    monkeypatch.setenv("WEATHERVANE_MAX_SET_ASIDE", "0.25")
    assert max_set_aside() == 0.25
    monkeypatch.setenv("WEATHERVANE_MAX_SET_ASIDE", text)
    with pytest.raises(ConfigurationError, match="WEATHERVANE_MAX_SET_ASIDE is"):
        max_set_aside()


def test_a_value_that_does_not_fit_is_set_aside_and_its_row_lands(
    lake: LakeClient, vendor: ListVendor
) -> None:
    """It is told beside the rows, and no count of rows holds it."""
    vendor.put("odd")
    vendor.things["odd"]["label"] = 5
    summary = run(lake, vendor)
    assert lake_truth(lake) == vendor.truth()
    counts = summary.metadata["datasets"][THINGS.name]
    names = ("rows_received", "rows_inserted", "rows_quarantined", "values_quarantined")
    assert [getattr(counts, name) for name in names] == [6, 6, 0, 1]
    (entry,) = lake.read(TableRef("acme", f"{THINGS.name}_quarantine")).read_all().to_pylist()
    assert (entry["column_name"], entry["reason"]) == (
        "label",
        "value set aside, row kept: expected a string, got a number",
    )
    assert state_words(summary) == "loaded, 1 single values set aside"
    assert "1 single values set aside: column label" in summary_line(summary)


def test_an_unreadable_checkpoint_stops_the_run(lake: LakeClient, vendor: ListVendor) -> None:
    """It is never taken for `start from scratch`; the error names the tenant and the dataset."""

    class Careless(ListReader):
        def read(self, slice: Slice) -> Generator[Piece, None, SliceEnd]:
            yield from super().read(slice)
            return SliceEnd("2026-11-23")

    with Ingestion(lake.target, "acme", Careless(vendor), "run") as ingestion:
        slice = ingestion.next_slice()
        assert slice is not None
        ingestion.write(slice)
    with pytest.raises(CursorError, match=r"cannot be read.*tenant=acme dataset=pretend_things"):
        run(lake, vendor, "next")


def test_changes_are_laid_over_whole_rows(lake: LakeClient, vendor: ListVendor) -> None:
    """A deletion names only a key and a time: the row keeps its other columns, its parts vanish."""

    class Deleting(ListReader):
        def read(self, slice: Slice) -> Generator[Piece, None, SliceEnd]:
            changes = _deletion("v", "never heard of")
            yield Piece(THINGS.name, changes=changes)
            yield Piece(PARTS.name, members=changes.select(["thing_id"]))
            self._done = True
            return SliceEnd(None)

    run(lake, vendor, "first")
    checkpoint = lake.checkpoint(TableRef("acme", THINGS.name)).value
    with Ingestion(lake.target, "acme", Deleting(vendor), "second") as ingestion:
        slice = ingestion.next_slice()
        assert slice is not None
        result = ingestion.write(slice)
    assert (result.receipts[THINGS.name].rows_updated, result.receipts[PARTS.name].rows_deleted) == (1, 2)
    rows = {row["thing_id"]: row for row in lake.read(TableRef("acme", THINGS.name)).read_all().to_pylist()}
    assert set(rows) == set("vwxyz")
    assert (rows["v"]["value"], rows["v"]["deleted_at"]) == (1, MIDNIGHT)
    assert all(rows[name]["deleted_at"] is None for name in "wxyz")
    assert lake.checkpoint(TableRef("acme", THINGS.name)).value == checkpoint


def test_a_change_is_laid_over_a_row_of_the_same_slice(lake: LakeClient, vendor: ListVendor) -> None:
    """The vendor lists a thing, and in the same slice says that it is gone: it is, and that is no contradiction."""

    class Deleting(ListReader):
        def read(self, slice: Slice) -> Generator[Piece, None, SliceEnd]:
            yield Piece(THINGS.name, changes=_deletion("v"))
            return (yield from super().read(slice))

    run(lake, vendor, "first")
    with Ingestion(lake.target, "acme", Deleting(vendor, start=MIDNIGHT.date()), "second") as ingestion:
        slice = ingestion.next_slice()
        assert slice is not None
        ingestion.write(slice)
    rows = {row["thing_id"]: row for row in lake.read(TableRef("acme", THINGS.name)).read_all().to_pylist()}
    assert {name for name, row in rows.items() if row["deleted_at"] is not None} == {"v"}


def test_different_rows_of_a_key_make_the_slice_incomplete(lake: LakeClient, vendor: ListVendor) -> None:
    """Control totals do not see it: both rows were read. One would be lost, so none is taken, by name."""

    class Doubling(ListReader):
        def read(self, slice: Slice) -> Generator[Piece, None, SliceEnd]:
            end = yield from super().read(slice)
            records = [json.dumps({**vendor.things["v"], "value": value}).encode() for value in (1, 5)]
            yield Piece(THINGS.name, normalise(THINGS, records, constants={"tenant_id": "acme"}))
            return end

    with Ingestion(lake.target, "acme", Doubling(vendor), "run") as ingestion:
        slice = ingestion.next_slice()
        assert slice is not None
        with pytest.raises(
            IncompleteError, match=r'pretend_things.*\["acme","v"\].*differ in value'
        ) as caught:
            ingestion.write(slice)
    assert (caught.value.reason, caught.value.retriable) == ("CONFLICTING_ROWS", True)
    assert lake.checkpoint(TableRef("acme", THINGS.name)).value is None


def _deletion(*names: str) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [
            pa.array(["acme"] * len(names)),
            pa.array(names),
            pa.array([MIDNIGHT] * len(names), THINGS.schema.field("deleted_at").type),
        ],
        schema=pa.schema([THINGS.schema.field(name) for name in ("tenant_id", "thing_id", "deleted_at")]),
    )


def fill(lake: LakeClient, vendor: ListVendor, first: date, last: date) -> IngestionSummary:
    """One window of history, by a run of its own."""
    reader = ListReader(vendor, start=first, end=last)
    with Ingestion(lake.target, "acme", reader, f"fill {first}", moves_checkpoint=False) as ingestion:
        while (slice := ingestion.next_slice()) is not None:
            ingestion.write(slice)
        return ingestion.summary()


def test_windows_of_history_do_not_disturb_one_another(lake: LakeClient, vendor: ListVendor) -> None:
    """One begins and ends while another is in the middle of its slice, on tables that nobody made yet."""
    vendor.year(date(2025, 1, 1), 60)

    def meanwhile(slice: Slice) -> None:
        vendor.on_read = lambda slice: None
        fill(lake, vendor, date(2025, 2, 1), date(2025, 3, 31))

    vendor.on_read = meanwhile
    assert fill(lake, vendor, date(2025, 1, 1), date(2025, 1, 31)).metadata["new_rows"] == 4
    assert lake_truth(lake) == vendor.truth()
    assert lake.checkpoint(TableRef("acme", THINGS.name)).value is None


def test_history_claims_nothing_that_no_run_has_read(lake: LakeClient, vendor: ListVendor) -> None:
    """After one window in the middle of a new tenant's history, the first run by the schedule still reads all of it."""
    vendor.year(date(2025, 1, 1), 60)
    fill(lake, vendor, date(2025, 2, 1), date(2025, 2, 10))
    run(lake, vendor)
    assert lake_truth(lake) == vendor.truth()
    before = lake.checkpoint(TableRef("acme", THINGS.name)).value
    assert before is not None
    fill(lake, vendor, date(2025, 1, 1), date(2025, 3, 31))
    assert lake.checkpoint(TableRef("acme", THINGS.name)).value == before


def test_history_that_was_overtaken_is_not_written(lake: LakeClient, vendor: ListVendor) -> None:
    """A thing changes after the window was read, and a run by the schedule brings the change: older parts must not
    come after it.
    """
    vendor.year(date(2025, 1, 1), 10)

    def meanwhile(slice: Slice) -> None:
        vendor.on_read = lambda slice: None
        vendor.put("day0", 7, parts=("c",))
        run(lake, vendor)

    vendor.on_read = meanwhile
    with pytest.raises(StaleCheckpointError):
        fill(lake, vendor, date(2025, 1, 1), date(2025, 1, 31))
    assert lake_truth(lake) == vendor.truth() == ({"day0": 7}, {("day0", "c")})
