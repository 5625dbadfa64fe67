"""How fast pages become record batches, against the row-by-row way that everybody writes first.

Run ``python benchmarks/normalise.py [records]``. It prints thousands of records a second and the ratio, for a
page without a bad row, with one, and with nothing but bad rows. Not a test: the machine decides the figures.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from weathervane.source._table.column import Column
from weathervane.source._table.dataset import Dataset
from weathervane.source._table.normalise import normalise
from weathervane.source._table.records import split_records

MONEY = pa.decimal128(18, 6)
COUNTS = ("impressions", "reach", "clicks", "inline_link_clicks")
MONEYS = ("spend", "cpc", "cpm")
TEXTS = ("account_id", "campaign_id", "campaign_name", "adset_id", "adset_name", "ad_id", "ad_name")
PLAIN = Dataset(
    "ad_insights",
    (
        *(Column(name, pa.string(), name) for name in TEXTS),
        Column("date_start", pa.date32(), "date_start"),
        Column("updated_at", pa.timestamp("us", "UTC"), "updated_time"),
        *(Column(name, pa.int64(), name, json="string") for name in COUNTS),
        *(Column(name, MONEY, name) for name in MONEYS),
    ),
    ("ad_id", "date_start"),
)
WITH_RAW = PLAIN.with_columns(Column("actions", pa.string(), "actions", json="raw"))


def record(number: int) -> dict[str, Any]:
    """One row as Meta sends it, about 700 bytes."""
    return {
        **dict.fromkeys((n for n in TEXTS if n.endswith("_id")), str(120210478963230000 + number)),
        **dict.fromkeys((n for n in TEXTS if n.endswith("_name")), f"Prospecting {number % 97} ünd mehr"),
        "date_start": f"2026-11-{number % 28 + 1:02}",
        "updated_time": "2026-11-20T10:00:00+0000",
        **dict.fromkeys(COUNTS, str(number * 7 % 10_007)),
        **dict.fromkeys(MONEYS, f"{number % 1000}.{number % 100:02}"),
        "actions": [
            {"action_type": "link_click", "value": "180"},
            {"action_type": "omni_purchase", "value": "7"},
        ],
    }


def by_row(dataset: Dataset, body: bytes) -> pa.Table:
    """The obvious way: a dict a row, a Python value a cell."""
    convert: dict[pa.DataType, Callable[[str], Any]] = {
        pa.date32(): date.fromisoformat,
        pa.timestamp("us", "UTC"): datetime.fromisoformat,
        pa.int64(): int,
        MONEY: Decimal,
    }
    rows = []
    for source in json.loads(body)["data"]:
        row = {}
        for column in dataset.columns:
            value = source.get(column.path)
            if value is not None and column.json_kind == "raw":
                value = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            elif value is not None and column.type in convert:
                value = convert[column.type](value)
            row[column.name] = value
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=dataset.schema)


def vectorised(dataset: Dataset, body: bytes) -> pa.Table:
    """Our way, from the same body."""
    return pa.Table.from_batches([normalise(dataset, split_records(body, "data")[0]).rows])


def best(work: Callable[[], object], rounds: int = 7) -> float:
    """The shortest of a few rounds, in seconds of CPU: both ways use one thread."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Prints the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    records = [record(number) for number in range(count)]
    body = json.dumps({"data": records}).encode()
    one_bad = json.dumps({"data": [*records[:-1], {**records[-1], "spend": 1.5}]}).encode()
    all_bad = json.dumps({"data": [{**each, "spend": 1.5} for each in records]}).encode()
    print(f"{count:,} records, {len(body) / count:.0f} bytes each; thousands of records a second")
    for what, dataset in (("plain columns", PLAIN), ("with a raw JSON column", WITH_RAW)):
        if not vectorised(dataset, body).equals(by_row(dataset, body)):
            raise SystemExit("the two ways differ")
        slow = best(lambda dataset=dataset: by_row(dataset, body), rounds=3)  # type: ignore[misc]
        quick = best(lambda dataset=dataset: vectorised(dataset, body))  # type: ignore[misc]
        old, new = count / slow / 1e3, count / quick / 1e3
        print(f"{what:24} row by row {old:6.0f}   ours {new:6.0f}   {slow / quick:5.1f} x")
        for how, page in (("one bad row", one_bad), ("all rows bad", all_bad)):
            spoilt = best(lambda dataset=dataset, page=page: vectorised(dataset, page), rounds=3)  # type: ignore[misc]
            print(f"{'':24} {how:31} {count / spoilt / 1e3:6.0f}   {slow / spoilt:5.1f} x")


if __name__ == "__main__":
    main()
