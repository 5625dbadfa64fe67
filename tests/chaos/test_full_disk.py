"""A disk that is really full, and a staging disk that fails: said, survived, and nothing of it stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from weathervane.lake import BusyError, LakeClient, TableRef, WriteMode, WriteSpec

from .operations import OPERATIONS

Serve = Callable[..., Any]
UPSERT = OPERATIONS["upsert"]
BIG = TableRef("acme", "big")
SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("blob", pa.binary())])


# The first write of all is Python's, which tries the folder out.
@pytest.mark.parametrize("at", [2, 3, 4])
def test_a_staging_disk_that_fails_is_said_and_survived(
    serve: Serve, new_lake: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """At one of its writes: nothing is committed, and the same write then succeeds."""
    staging = tmp_path / "staging"
    staging.mkdir()
    monkeypatch.setenv("TMPDIR", str(staging))
    with serve(new_lake(), folder=staging, action="eio", kinds="w", at=at) as server:
        refused = []
        for turn in range(3):
            spec = UPSERT.spec(f"write-{turn}")
            try:
                receipt = server.client.write(spec, [UPSERT.batch()])
            except BusyError as error:
                refused.append((error.reason, "nothing was committed" in error.message))
                receipt = server.client.write(spec, [UPSERT.batch()])
            assert not receipt.repeat
        assert refused == [("STAGING_FAILED", True)]
        assert not list(staging.iterdir())


def blobs(write_id: str, mib: int) -> tuple[WriteSpec, list[pa.RecordBatch]]:
    """A write of rows that do not compress."""
    batches = [pa.record_batch([[number], [os.urandom(1024 * 1024)]], schema=SCHEMA) for number in range(mib)]
    return WriteSpec(BIG, write_id, WriteMode.UPSERT, SCHEMA, ("id",)), batches


def test_a_full_disk_takes_again_what_fits(tmp_path: Path) -> None:
    """8 MiB of disk: what is too large is refused again and again without filling it, what fits is taken after it."""
    lake = tmp_path / "lake"
    lake.mkdir()
    # The file system lives and dies with the server's own mount namespace.
    script = (
        'mount -t tmpfs -o size=8m tmpfs "$1" && exec "$2" -m weathervane.lake.server --lake "$1" --port 0'
    )
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    command = [*unshare, "sh", "-c", script, "sh", str(lake), sys.executable]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            if not ready:
                pytest.skip("no file system can be mounted here; test_crash.py fills the disk by faultfs")
            with LakeClient(json.loads(ready)["address"]) as client:
                small = blobs("first", 2)
                first = client.write(*small)
                for turn in range(3):
                    with pytest.raises(BusyError, match=r"storage failed .*errno 28.*nothing was committed"):
                        client.write(*blobs(f"large-{turn}", 9))
                assert client.read(BIG).read_all().num_rows == 2
                assert client.write(*small).table_version == first.table_version
                fits = client.write(*blobs("fits", 3))
                assert (fits.rows_updated, fits.rows_inserted) == (2, 1)
                assert client.read(BIG).read_all().num_rows == 3
        finally:
            process.kill()
