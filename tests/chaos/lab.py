"""A process that is forked for each case and then dies, so that a hundred deaths cost seconds.

Run with faultfs preloaded. Reads one case a line from stdin, answers one line of JSON each. It only imports what
the cases need and starts no thread that a fork would lose; everything else happens in the children.

A case names a lake, an operation, and where its disk fails. Its child makes the write and, if it lives, goes on
like a server: tries again without faults. If it was killed, a second child does that like a server started anew.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1]))

from chaos.operations import BASE, OPERATIONS, SCHEMA, SETTINGS, Operation, as_batch

from weathervane.lake import (
    QUARANTINE_SCHEMA,
    CompactionResult,
    TableRef,
    WriteMode,
    WriteResult,
    WriteSpec,
)
from weathervane.lake._model import CommitRequest, ReadSpec
from weathervane.lake.server.maintenance import LakeMaintenance
from weathervane.lake.server.settings import LakeSettings
from weathervane.lake.server.upsert import Received
from weathervane.lake.server.writer import LakeWriter
from weathervane.rpc import StatusError

FAULTFS = ctypes.CDLL(None)


def send(writer: LakeWriter, operation: Operation, write_id: str) -> WriteResult:
    """Makes the operation's write; its checkpoint is its id."""
    rows, aside = (pa.Table.from_batches([batch]) for batch in (operation.batch(), operation.aside()))
    request = CommitRequest(1, rows.num_rows, aside.num_rows, b"", checkpoint=write_id)
    return writer.commit(operation.spec(write_id), Received(rows, aside, None), request)


def prepare(writer: LakeWriter) -> dict[str, Any]:
    """Makes the tables as they are before every operation: two commits, three files of rows."""
    for dataset, mode, keys in (("orders", WriteMode.UPSERT, ("id",)), ("events", WriteMode.APPEND, ())):
        for part in range(2):
            rows = pa.Table.from_batches([as_batch(BASE[part * 8 : part * 8 + 8], SCHEMA)])
            spec = WriteSpec(TableRef("acme", dataset), f"base-{part}", mode, SCHEMA, keys)
            request = CommitRequest(1, rows.num_rows, 0, b"", checkpoint=f"base-{part}")
            writer.commit(spec, Received(rows, QUARANTINE_SCHEMA.empty_table(), None), request)
    return {"made": True}


def state(writer: LakeWriter, operation: Operation) -> dict[str, Any]:
    """What a reader sees now."""

    def rows(table: TableRef) -> list[dict[str, Any]]:
        try:
            schema, batches = writer.read(ReadSpec(table))
        except StatusError as error:
            if error.reason == "NO_TABLE":
                return []
            raise
        return list(pa.Table.from_batches(batches, schema).to_pylist())

    aside = TableRef(operation.table.tenant, f"{operation.table.dataset}_quarantine")
    return {
        "rows": sorted(([*row.values()] for row in rows(operation.table)), key=str),
        "checkpoint": writer.checkpoint(operation.table).value,
        "quarantined": sorted(row["row_key"] for row in rows(aside)),
    }


def attempt(work: Callable[[], WriteResult | CompactionResult]) -> dict[str, Any]:
    """A write's receipt or what a compaction did, or how it failed."""
    try:
        return {"receipt": asdict(work())}
    except StatusError as error:
        return {"error": error.code.name, "reason": error.reason, "message": error.message}
    except BaseException as error:
        return {"error": type(error).__name__, "reason": "RAW", "message": str(error)}


def aftermath(writer: LakeWriter, operation: Operation, root: Path) -> dict[str, Any]:
    """What is there now, and what the same write, the same again and another one then do."""
    try:
        now = state(writer, operation)
    except StatusError as error:
        return {"unreadable": error.reason, "message": error.message}
    return {
        "state": now,
        "orphans": orphans(root / str(operation.table)),
        "retry": attempt(lambda: send(writer, operation, "the-write")),
        "again": attempt(lambda: send(writer, operation, "the-write")),
        "end": state(writer, operation),
        "next": attempt(lambda: send(writer, operation, "next-write")),
    }


def orphans(folder: Path) -> int:
    """Data files that no commit names."""
    log = "".join(path.read_text() for path in folder.glob("_delta_log/*.json"))
    return sum(1 for path in folder.glob("part-*") if path.name not in log)


def interrupted(case: dict[str, Any], writer: LakeWriter, operation: Operation, root: Path) -> dict[str, Any]:
    """The write, or a compaction before it, with its fault, and, if it lives on, what comes after it."""
    arm = [case[name].encode() for name in ("kinds", "part")], case["at"], case["action"].encode()
    FAULTFS.faultfs_arm(str(root).encode(), *arm[0], ctypes.c_long(arm[1]), arm[2], case["trace"].encode())
    if case["upkeep"]:
        # With larger files than those that are there, so that there is something to do.
        larger = LakeSettings(root=str(root), **{**SETTINGS, "target_file_rows": 100})
        upkeep = LakeMaintenance(larger, writer.turns)
        first = attempt(lambda: upkeep.compact(operation.table)[0])
    else:
        first = attempt(lambda: send(writer, operation, case["write_id"]))
    counted = FAULTFS.faultfs_disarm()
    later = {} if case["only"] == "fault" else aftermath(writer, operation, root)
    return {"first": first, "counted": counted, **later}


def child(work: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """Runs `work` in a fork; None when it was killed."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            answer = work()
        except BaseException as error:
            answer = {"broken": f"{type(error).__name__}: {error}"}
        with os.fdopen(writer, "w") as pipe:
            json.dump(answer, pipe, default=str)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        if os.WTERMSIG(status) == signal.SIGKILL:
            return None
        return {"broken": f"died of signal {os.WTERMSIG(status)}"}
    return dict(json.loads(text))


def run(case: dict[str, Any]) -> dict[str, Any]:
    """Runs one case: the fault and what comes after it, or `only` one of the two."""
    root = Path(case["lake"])

    def fresh() -> LakeWriter:
        return LakeWriter(LakeSettings(root=str(root), **SETTINGS))

    if case["operation"] == "prepare":
        return child(lambda: prepare(fresh())) or {"broken": "killed"}
    operation = OPERATIONS[case["operation"]]

    def later() -> dict[str, Any]:
        return child(lambda: aftermath(fresh(), operation, root)) or {"broken": "killed again"}

    if case["only"] == "aftermath":
        return later()
    answer = child(lambda: interrupted(case, fresh(), operation, root))
    if answer is not None:
        return answer
    return {"killed": True, **({} if case["only"] == "fault" else later())}


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
