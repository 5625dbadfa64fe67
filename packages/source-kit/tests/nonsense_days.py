"""Days that no run can read, and what is said of them: for all who take days."""

from __future__ import annotations

from datetime import UTC, date, datetime

NONSENSE: tuple[tuple[dict[str, str | date], str], ...] = (
    ({"start_date": "yesterday"}, "start_date 'yesterday' is not a day; write it as YYYY-MM-DD"),
    ({"start_date": "2026-13-01"}, "start_date '2026-13-01' is not a day"),
    ({"start_date": "2026-11-1"}, "start_date '2026-11-1' is not a day"),
    ({"start_date": "20261101"}, "start_date '20261101' is not a day"),
    ({"end_date": "2026-W01-1"}, "end_date '2026-W01-1' is not a day"),
    ({"end_date": "2026-11-02T00:00:00"}, "end_date '2026-11-02T00:00:00' is not a day"),
    ({"end_date": "\u0662026-11-02"}, "end_date '\u0662026-11-02' is not a day"),
    (
        {"start_date": datetime(2026, 11, 1, tzinfo=UTC)},
        "start_date '2026-11-01 00:00:00+00:00' is not a day",
    ),
    (
        {"start_date": "2099-01-01"},
        "start_date 2099-01-01 has not begun anywhere yet; a run reads what has happened",
    ),
    (
        {"end_date": "2099-01-01"},
        "end_date 2099-01-01 has not begun anywhere yet; leave it out to read up to now",
    ),
    ({"end_date": date.max}, "end_date 9999-12-31 has not begun anywhere yet"),
    (
        {"start_date": "0001-01-01"},
        "start_date 0001-01-01 is before 2000-01-01, and no vendor has days as old as that",
    ),
    (
        {"start_date": "2026-11-02", "end_date": "2026-11-01"},
        "start_date 2026-11-02 is after end_date 2026-11-01",
    ),
)
