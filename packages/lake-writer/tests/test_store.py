"""A lake on a store that speaks S3 works as in a folder, and the store's refusals are reported as such."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from weathervane.lake import (
    BusyError,
    CorruptedError,
    LakeClient,
    LakeError,
    MaintenanceClient,
    NotFoundError,
    RejectedError,
    TableRef,
    WriteMode,
    WriteSpec,
)
from weathervane.lake.server import LakeSettings
from weathervane.lake.server.delta import check_root
from weathervane.lake.testing import running_lake

from .pretend_s3 import PretendS3, pretend_s3
from .test_concurrency import use_another_table
from .test_durability import IMPATIENT
from .test_exactly_once import until, values
from .writer_process import batch, spec

ORDERS = TableRef("acme", "orders")
LOG = "acme/orders/_delta_log"


@pytest.fixture(scope="module")
def s3() -> Iterator[PretendS3]:
    """One S3 server for all tests here."""
    with pretend_s3() as made:
        yield made


@pytest.fixture
def store(s3: PretendS3) -> PretendS3:
    """The server with an empty bucket."""
    s3.clear()
    return s3


@pytest.fixture
def lake(store: PretendS3) -> Iterator[LakeClient]:
    """A client of a lake in that bucket."""
    with running_lake("s3://lake", storage_options=store.options, log_checkpoint_interval=3) as client:
        yield client


def test_a_lake_on_a_store_works_as_one_in_a_folder(lake: LakeClient, store: PretendS3) -> None:
    """Upserts, a log checkpoint, a repeat, lists and upkeep."""
    for number in range(5):
        lake.write(
            spec("orders", f"w{number}"), [batch([[number, 1], [9, number]])], checkpoint=f"c-{number}"
        )
    assert values(lake) == [*((number, 1) for number in range(5)), (9, 4)]
    assert lake.write(spec("orders", "w4"), [batch([[4, 1], [9, 4]])], checkpoint="c-4").repeat
    assert any(key.endswith(".checkpoint.parquet") for key in store.names())
    assert list(lake.tables("acme")) == [ORDERS]
    with MaintenanceClient(lake.target) as upkeep:
        assert list(upkeep.tenants()) == ["acme"]
        assert upkeep.compact(ORDERS).commits == 0
        assert upkeep.vacuum(ORDERS).files_kept == 5


def test_upkeep_of_a_store_joins_and_deletes(store: PretendS3) -> None:
    """Small files are joined, files that no version needs are deleted, and a data file that was cut is named."""
    events = TableRef("acme", "events")
    with (
        running_lake("s3://lake", storage_options=store.options, min_retention_hours=0) as lake,
        MaintenanceClient(lake.target) as upkeep,
    ):
        for number in range(3):
            lake.write(spec("events", f"w{number}", "append"), [batch([[number, number]])])
        parts = set(store.names("acme/events/part-"))
        assert upkeep.compact(events).files_after == 1
        assert upkeep.vacuum(events, retention_hours=0).files_deleted == 3
        (left,) = store.names("acme/events/part-")
        assert left not in parts
        assert values(lake, events) == [(0, 0), (1, 1), (2, 2)]
        assert [name for name in store.names("acme/events/") if "/_weathervane_clock/" in name] == []
        store.put(left, store.get(left)[:-4])
        with pytest.raises(CorruptedError, match=left.rpartition("/")[2]):
            lake.read(events).read_all()


def test_a_large_file_is_sent_in_parts_and_is_whole(lake: LakeClient, store: PretendS3) -> None:
    """Up to 5 MiB are one request, of which a kill leaves nothing; more is uploaded in parts."""
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("blob", pa.binary())])
    noise = [{"id": number, "blob": random.Random(number).randbytes(2 * 1024**2)} for number in range(4)]
    large = WriteSpec(ORDERS, "large", WriteMode.UPSERT, schema, unique_keys=("id",))
    lake.write(large, [pa.RecordBatch.from_pylist([row], schema=schema) for row in noise])
    assert lake.read(ORDERS).read_all().sort_by("id").to_pylist() == noise


HANGS: dict[str, tuple[str, Callable[[LakeClient], object]]] = {
    "opening": ("^GET /lake/acme/orders/_delta_log/", lambda lake: lake.checkpoint(ORDERS)),
    "reading": ("^(GET|HEAD) /lake/acme/orders/part-", lambda lake: lake.read(ORDERS).read_all()),
    "writing": (
        "^(PUT|POST) /lake/acme/orders/part-",
        lambda lake: lake.write(spec("orders", "second"), [batch([[1, 2]])]),
    ),
    "committing": (
        "^PUT /lake/acme/orders/_delta_log/",
        lambda lake: lake.write(spec("orders", "second"), [batch([[1, 2]])]),
    ),
    "listing": ("^GET .*prefix=acme/orders/(&|$| )", lambda lake: vacuumed(lake)),
    "deleting": ("delete .*acme/orders/_weathervane_clock", lambda lake: vacuumed(lake)),
    "listing tenants": ("^GET .*delimiter=/&list-type=2 ", lambda lake: tenants(lake)),
}


def vacuumed(lake: LakeClient) -> object:
    """The result of a vacuum of the table."""
    with MaintenanceClient(lake.target) as upkeep:
        return upkeep.vacuum(ORDERS)


def tenants(lake: LakeClient) -> list[str]:
    """The lake's tenants."""
    with MaintenanceClient(lake.target) as upkeep:
        return list(upkeep.tenants())


@pytest.mark.parametrize("what", HANGS)
def test_a_request_that_hangs_keeps_nobody_else_waiting(store: PretendS3, what: str) -> None:
    """No request to the store holds the GIL: whatever hangs, another tenant asks, writes and reads."""
    pattern, call = HANGS[what]
    options = {**store.options, "timeout": "10s"}
    with running_lake("s3://lake", storage_options=options) as lake, ThreadPoolExecutor(2) as callers:
        lake.write(spec("orders", "first"), [batch([[1, 1]])])
        store.hang(pattern)
        # All of it in this process, which would stand still with the request, and this clock with it, for 10 s.
        began = time.monotonic()
        hangs = callers.submit(call, lake)
        until(lambda: store.hung() > 0)
        callers.submit(use_another_table, lake).result(60)
        assert time.monotonic() - began < 5
        assert not hangs.done()
        store.hang("^nothing")
        assert hangs.result(30)


def test_a_server_ends_in_bounded_time_though_its_store_hangs(
    store: PretendS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a disk that hangs."""
    for name in (
        "aws_endpoint",
        "aws_allow_http",
        "aws_region",
        "aws_access_key_id",
        "aws_secret_access_key",
    ):
        monkeypatch.setenv(name.upper(), store.options[name])
    check_root(LakeSettings("s3://lake"))
    with running_lake("s3://lake") as lake:
        lake.write(spec("orders", "first"), [batch([[1, 1]])])
    store.hang(HANGS["reading"][0])
    command = [sys.executable, "-c", IMPATIENT, "s3://lake"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
        ThreadPoolExecutor(1) as caller,
    ):
        try:
            assert process.stdout is not None
            call = caller.submit(HANGS["reading"][1], LakeClient(process.stdout.readline().strip()))
            until(lambda: store.hung() > 0)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=15)
            assert call.exception(timeout=60) is not None
        finally:
            process.kill()
    assert process.returncode == 1
    assert "Timeout" in said


REFUSALS = [
    (403, "AccessDenied"), (403, "InvalidAccessKeyId"), (403, "SignatureDoesNotMatch"), (403, "RequestTimeTooSkewed"),
    (401, "Unauthorized"), (400, "ExpiredToken"), (400, "InvalidBucketName"), (404, "NoSuchBucket"),
    (301, "PermanentRedirect"),
]  # fmt: skip
MAY_PASS = [(503, "SlowDown"), (500, "InternalError"), (429, "TooManyRequests"), (400, "RequestTimeout")]


def told(lake: LakeClient, *asked: str) -> list[tuple[str, LakeError]]:
    """The errors of all calls, or of the given ones."""
    with MaintenanceClient(lake.target) as upkeep:
        calls: dict[str, Any] = {
            "write": lambda: lake.write(spec("orders", "second"), [batch([[2, 2]])], checkpoint="c-2"),
            "checkpoint": lambda: lake.checkpoint(ORDERS),
            "status": lambda: lake.get_write(ORDERS, "first"),
            "read": lambda: lake.read(ORDERS).read_all(),
            "tables": lambda: list(lake.tables("acme")),
            "tenants": lambda: list(upkeep.tenants()),
            "compact": lambda: upkeep.compact(ORDERS),
            "vacuum": lambda: upkeep.vacuum(ORDERS),
        }
        found = []
        for name, call in calls.items():
            if asked and name not in asked:
                continue
            with pytest.raises(LakeError) as caught:
                call()
            assert "canary" not in f"{caught.value} {caught.value.metadata}"
            assert "127.0.0.1" not in str(caught.value)
            found.append((name, caught.value))
        return found


@pytest.mark.parametrize("answer", REFUSALS, ids=str)
def test_what_only_a_person_can_mend_is_not_sent_again(
    lake: LakeClient, store: PretendS3, answer: tuple[int, str]
) -> None:
    """The error has the status and the store's own code, for every call."""
    lake.write(spec("orders", "first"), [batch([[1, 1]])], checkpoint="c-1")
    store.refuse(*answer)
    for name, error in told(lake):
        assert (type(error), error.reason) == (RejectedError, "STORAGE_REFUSED"), name
        assert str(answer[0]) in str(error) or "privileges" in str(error) or "region" in str(error), name


@pytest.mark.parametrize("answer", MAY_PASS, ids=str)
def test_what_may_pass_is_sent_again(lake: LakeClient, store: PretendS3, answer: tuple[int, str]) -> None:
    """The store is busy or fails."""
    lake.write(spec("orders", "first"), [batch([[1, 1]])], checkpoint="c-1")
    store.refuse(*answer)
    # Others are asked again by the client, with pauses.
    for name, error in told(lake, "read", "vacuum"):
        assert (type(error), error.reason) == (BusyError, "STORAGE_FAILED"), name


def test_rights_to_read_alone_make_no_unknown_outcome(lake: LakeClient, store: PretendS3) -> None:
    """A commit, a data file or a new table that the store refused cannot appear later."""
    lake.write(spec("orders", "first"), [batch([[1, 1]])], checkpoint="c-1")
    before = store.names()
    store.refuse(403, "AccessDenied", "PUT", "POST")
    for table, rows in (("orders", []), ("orders", [batch([[2, 2]])]), ("others", [batch([[2, 2]])])):
        with pytest.raises(RejectedError, match=r"403 Forbidden, AccessDenied|privileges") as caught:
            lake.write(spec(table, "second"), rows, checkpoint="c-2")
        assert caught.value.reason == "STORAGE_REFUSED"
    assert store.names() == before
    store.allow()
    assert not lake.write(spec("orders", "second"), [batch([[2, 2]])], checkpoint="c-2").repeat


def test_a_bucket_that_is_not_there_is_no_empty_lake(store: PretendS3) -> None:
    """It is neither reported as having no checkpoint, nor as a table that does not exist."""
    with running_lake("s3://nowhere", storage_options=store.options) as lake:
        for name, error in told(lake):
            assert (type(error), error.reason) == (RejectedError, "STORAGE_REFUSED"), name
            assert "404 Not Found, NoSuchBucket" in str(error)


def test_a_log_that_is_gone_is_damage(lake: LakeClient, store: PretendS3) -> None:
    """A table whose data files still exist is not created anew; a table without any file does not exist."""
    lake.write(spec("orders", "first"), [batch([[1, 1]])], checkpoint="c-1")
    for key in store.names(LOG):
        store.delete(key)
    for call in (
        lambda: lake.checkpoint(ORDERS),
        lambda: lake.describe(ORDERS),
        lambda: lake.write(spec("orders", "second"), [batch([[2, 2]])], checkpoint="c-2"),
    ):
        with pytest.raises(CorruptedError, match="there are data files, but the log is gone") as caught:
            call()
        assert caught.value.reason == "DAMAGED_TABLE"
    assert lake.checkpoint(TableRef("acme", "none")).value is None
    with pytest.raises(NotFoundError):
        lake.describe(TableRef("acme", "none"))


def v(version: int) -> str:
    """A commit file's name."""
    return f"{version:020d}.json"


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "gone": lambda data: None,
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "its first line": lambda data: data.splitlines(keepends=True)[0],
    "less its last line": lambda data: b"".join(data.splitlines(keepends=True)[:-1]),
    "less its last lines and their end": lambda data: b"\n".join(data.splitlines()[:-2]),
    "no actions": lambda data: b"[1, 2]\n",
}


CHECKPOINT = f"{3:020d}.checkpoint.parquet"


@pytest.mark.parametrize("where", ["folder", "store"])
def test_a_damaged_log_is_told_by_the_name_of_the_file(tmp_path: Path, store: PretendS3, where: str) -> None:
    """On a store as on a disk, for each kind of damage to a file that the newest version needs.

    Except that a missing newest commit cannot be noticed: without it the table is at the version before.
    """
    root, options = (str(tmp_path), {}) if where == "folder" else ("s3://lake", store.options)
    settings: dict[str, Any] = {"log_checkpoint_interval": 3, "storage_options": options}
    with running_lake(root, **settings) as lake:
        for number in range(1, 6):
            lake.write(spec("orders", f"w{number}"), [batch([[number, number]])], checkpoint=f"c-{number}")

    def put(name: str, data: bytes | None) -> None:
        if where == "store":
            store.put(f"{LOG}/{name}", data) if data is not None else store.delete(f"{LOG}/{name}")
        else:
            path = tmp_path / LOG / name
            path.write_bytes(data) if data is not None else path.unlink()

    for name, how in product((v(4), v(5), CHECKPOINT), DAMAGES):
        if (name, how) == (v(5), "gone") or (name == CHECKPOINT and " line" in how):
            continue
        data = store.get(f"{LOG}/{name}") if where == "store" else (tmp_path / LOG / name).read_bytes()
        put(name, DAMAGES[how](data))
        named = "_last_checkpoint" if (name, how) == (CHECKPOINT, "gone") else name
        with running_lake(root, **settings) as lake, MaintenanceClient(lake.target) as upkeep:
            calls: tuple[Callable[[], Any], ...] = (
                partial(lake.checkpoint, ORDERS),
                partial(lake.write, spec("orders", "new"), [batch([[9, 9]])], checkpoint="c-9"),
                partial(upkeep.vacuum, ORDERS),
            )
            for call in calls:
                with pytest.raises(CorruptedError, match=f"_delta_log/{named}") as caught:
                    call()
                assert caught.value.reason == "DAMAGED_TABLE", (name, how)
        put(name, data)
    with running_lake(root, **settings) as lake:
        assert lake.checkpoint(ORDERS).value == "c-5"
