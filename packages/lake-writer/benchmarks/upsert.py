"""Upserts 100,000 rows into tables of a million and ten million rows: ours beside deltalake's MERGE.

    python benchmarks/upsert.py --folder big-enough --rows 1000000 10000000 --rounds 3

A table is ads insights: 10,000 ads a day, 15 columns, keys (account_id, ad_id, date), in date order. A batch is
restated days: 20 % new rows, 30 % changed, 50 % as they are, all from the last ten days. Each method runs in a process
of its own on a copy of the same table, the methods of a round one after the other; the first upsert of the process
(cold) and the second, with another batch (warm), are timed. Peak memory is the process's own, with the batches in it.
After each run the table is read by deltalake, and all methods must have left the same rows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import DeltaTable

from weathervane.lake import LakeClient, TableRef, WriteMode, WriteSpec
from weathervane.lake._model import CommitRequest
from weathervane.lake.server.settings import LakeSettings
from weathervane.lake.server.upsert import Received
from weathervane.lake.server.writer import LakeWriter

ADS = 10_000
TABLE = TableRef("acme", "insights")
KEYS = ("account_id", "ad_id", "date")
LAST_DAY = date(2026, 11, 22)
SCHEMA = pa.schema(
    [
        pa.field("account_id", pa.string(), nullable=False),
        pa.field("ad_id", pa.string(), nullable=False),
        pa.field("date", pa.date32(), nullable=False),
        *(pa.field(name, pa.string()) for name in ("campaign_id", "adset_id", "currency")),
        *(pa.field(name, pa.int64()) for name in ("impressions", "clicks", "reach", "purchases")),
        *(pa.field(name, pa.float64()) for name in ("spend", "cpc", "ctr", "revenue")),
        pa.field("updated_at", pa.timestamp("us", "UTC")),
    ]
)


def rows(pairs: pl.DataFrame, seed: int) -> pa.Table:
    """One row for each pair of `ad` and `day`, which counts back from the last day."""
    ad, when = pl.col("ad").cast(pl.String), pl.lit(LAST_DAY) - pl.duration(days="day")

    def chance(number: int, below: int) -> pl.Expr:
        return (pl.struct("ad", "day").hash(seed * 100 + number) % below).cast(pl.Int64)

    frame = pairs.select(
        account_id=pl.lit("act_") + (pl.col("ad") % 50).cast(pl.String),
        ad_id=pl.lit("1202100000") + ad,
        date=when,
        campaign_id=pl.lit("2380000") + (pl.col("ad") // 10).cast(pl.String),
        adset_id=pl.lit("2390000") + (pl.col("ad") // 3).cast(pl.String),
        currency=pl.lit("EUR"),
        **{
            name: chance(k, 100_000) for k, name in enumerate(("impressions", "clicks", "reach", "purchases"))
        },
        **{name: chance(k, 10**6) / 100 for k, name in enumerate(("spend", "cpc", "ctr", "revenue"), 4)},
        updated_at=when.cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
    )
    return frame.to_arrow().cast(SCHEMA)


def days_of(first: int, last: int) -> pa.Table:
    """All ads of the days from `first` to `last` before the last day, oldest first."""
    days = pl.DataFrame({"day": range(first, last - 1, -1)})
    return rows(days.join(pl.DataFrame({"ad": range(ADS)}), how="cross", maintain_order="left_right"), 0)


def batch_of(size: int, seed: int) -> pa.Table:
    """20 % new, 30 % changed, 50 % unchanged, of the last ten days, in no order."""
    known = pl.from_arrow(days_of(9, 0))
    assert isinstance(known, pl.DataFrame)
    chosen = known.sample(size * 8 // 10, shuffle=True, seed=seed).with_row_index("n")
    chosen = chosen.with_columns(
        pl.col("spend") + pl.when(pl.col("n") < size * 3 // 10).then(seed).otherwise(0)
    )
    number = pl.int_range(size * 2 // 10, eager=True)
    fresh = pl.DataFrame({"ad": number + ADS + seed * len(number), "day": number % 10})
    whole = pl.concat([chosen.drop("n"), pl.DataFrame(rows(fresh, seed))])
    return whole.sample(fraction=1, shuffle=True, seed=seed).to_arrow().cast(SCHEMA).combine_chunks()


def spec(write_id: str) -> WriteSpec:
    """The upsert."""
    return WriteSpec(TABLE, write_id, WriteMode.UPSERT, SCHEMA, unique_keys=KEYS, cluster_by="date")


def received(table: pa.Table) -> Received:
    """What the service hands to the writer."""
    return Received(table, pa.table({}), None)


def build(root: Path, n_days: int) -> None:
    """The table, written by the lake writer in slices of a hundred days."""
    writer = LakeWriter(LakeSettings(str(root)))
    for last in range(max(n_days - 100, 0), -1, -100):
        part = days_of(min(last + 99, n_days - 1), last)
        writer.commit(spec(f"build-{last}"), received(part), CommitRequest(0, part.num_rows, 0, b""))


def ours(root: Path, batches: list[pa.Table]) -> Iterator[None]:
    """The lake writer, in the process."""
    writer = LakeWriter(LakeSettings(str(root)))
    for number, batch in enumerate(batches):
        request = CommitRequest(0, batch.num_rows, 0, b"")
        writer.commit(spec(f"upsert-{number}"), received(batch), request)
        yield


def plain(root: Path, batches: list[pa.Table]) -> Iterator[None]:
    """MERGE as the documentation shows it."""
    on = " AND ".join(f"t.{key} = s.{key}" for key in KEYS)
    for batch in batches:
        table = DeltaTable(root / "acme" / "insights")
        merge = table.merge(batch, on, source_alias="s", target_alias="t")
        merge.when_matched_update_all().when_not_matched_insert_all().execute()
        yield


def pruned(root: Path, batches: list[pa.Table]) -> Iterator[None]:
    """MERGE by someone who knows: the range of dates is written out and equal rows are left alone."""
    differs = " OR ".join(
        f"(t.{name} IS DISTINCT FROM s.{name})" for name in SCHEMA.names if name not in KEYS
    )
    for batch in batches:
        bounds = pc.min_max(batch["date"]).as_py()
        on = " AND ".join(f"t.{key} = s.{key}" for key in KEYS)
        on += f" AND t.date >= DATE '{bounds['min']}' AND t.date <= DATE '{bounds['max']}'"
        table = DeltaTable(root / "acme" / "insights")
        merge = table.merge(batch, on, source_alias="s", target_alias="t")
        merge.when_matched_update_all(predicate=differs).when_not_matched_insert_all().execute()
        yield


def served(root: Path, batches: list[pa.Table]) -> Iterator[None]:
    """The lake writer behind gRPC in a process of its own; the client's side is timed."""
    with serving(root) as (address, process), LakeClient(address) as lake:
        lake.describe(TABLE)
        peaks[:] = [_peak(process)]
        for number, batch in enumerate(batches):
            lake.write(spec(f"upsert-{number}"), batch.to_batches(max_chunksize=5_000))
            yield
        peaks.append(_peak(process))


# MiB before and after, of the process that does the work.
peaks: list[float] = []
METHODS = {"ours": ours, "ours over gRPC": served, "MERGE": plain, "MERGE, pruned + changed only": pruned}


@contextmanager
def serving(root: Path) -> Iterator[tuple[str, int]]:
    """The real server process: its address and process id."""
    command = [sys.executable, "-m", "weathervane.lake.server", "--lake", str(root), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["address"], process.pid
        finally:
            process.terminate()


def child(method: str, root: Path, batches: list[Path]) -> None:
    """Runs one method and prints its seconds (cold, warm) and memory (before, peak)."""
    tables = [pq.read_table(path, schema=SCHEMA) for path in batches]
    base = _peak()
    seconds, steps = [], METHODS[method](root, tables)
    while True:
        started = time.perf_counter()
        try:
            next(steps)
        except StopIteration:
            break
        seconds.append(time.perf_counter() - started)
    if method != "ours over gRPC":
        peaks[:] = [base, _peak()]
    print(json.dumps([*seconds, *peaks]))


def _peak(process: int | str = "self") -> float:
    """A process's greatest resident memory, in MiB; `getrusage` would count what its parent had at the fork."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def fingerprint(root: Path) -> tuple[int, float]:
    """Rows of the table, and the spend of its last ten days."""
    table = DeltaTable(root / "acme" / "insights")
    dataset = table.to_pyarrow_dataset()
    late = dataset.to_table(columns=["spend"], filter=ds.field("date") > LAST_DAY - timedelta(days=10))
    return table.count(), round(pc.sum(late["spend"]).as_py(), 2)


def main() -> None:
    """Builds, runs and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--folder", type=Path, help="where the tables are built; a temporary folder by default"
    )
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[1_000_000, 10_000_000], help="sizes of the table"
    )
    parser.add_argument("--batch", type=int, default=100_000, help="rows of a batch, at most 125,000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        method, root, *paths = options.child
        child(method, Path(root), [Path(path) for path in paths])
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print(
            f"{datetime.now(UTC):%Y-%m-%d}: {options.batch:,} rows a batch, {options.rounds} rounds, medians"
        )
        print("| table | method | cold s | warm s | peak MiB | before the first |")
        print("| --- | --- | --- | --- | --- | --- |")
        for size in options.rows:
            measure(Path(folder), size, options)


def measure(folder: Path, size: int, options: argparse.Namespace) -> None:
    """One size of the table, all methods, interleaved."""
    original = folder / f"table-{size}"
    build(original, size // ADS)
    paths = []
    for seed in (1, 2):
        paths.append(folder / f"batch-{seed}.parquet")
        pq.write_table(batch_of(options.batch, seed), paths[-1])
    found: dict[str, list[list[float]]] = {method: [] for method in options.methods}
    left = set()
    for _ in range(options.rounds):
        for method in options.methods:
            copy = folder / "copy"
            # Links: data files are never changed, and a commit makes a new one.
            shutil.copytree(original, copy, copy_function=lambda a, b: Path(b).hardlink_to(a))
            command = [sys.executable, __file__, "--child", method, str(copy), *map(str, paths)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{method}: {done.stderr}")
            found[method].append(json.loads(done.stdout))
            left.add(fingerprint(copy))
            shutil.rmtree(copy)
    assert len(left) == 1, f"the methods left different tables: {left}"
    best = [statistics.median(column) for column in zip(*found[options.methods[0]], strict=True)]
    for method, runs in found.items():
        cold, warm, base, peak = (statistics.median(column) for column in zip(*runs, strict=True))
        ratio = "" if method == options.methods[0] else f" (x {warm / best[1]:.1f})"
        print(
            f"| {size:,} | {method} | {cold:.2f} | {warm:.2f}{ratio} | {peak:.0f} | {base:.0f} |", flush=True
        )
    shutil.rmtree(original)


if __name__ == "__main__":
    main()
