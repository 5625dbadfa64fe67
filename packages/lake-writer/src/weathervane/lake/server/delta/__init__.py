"""Delta tables, one per tenant and dataset: the one package that imports deltalake.

What deltalake 1.6.6 does not do by itself, and this package therefore does (each measured):

- The same application transaction commits again on a fresh snapshot, so the write id is looked up on the snapshot
  that is then committed with.
- With commit retries two writers may insert the same key, and a stale upsert may double a compacted table, so
  commits are tried once (`max_commit_retries=0`) and the caller plans again on a new snapshot.
- Log clean-up would drop the commits that hold receipts and checkpoints, so it is off for these tables.
- Nothing is synced to a disk: see `Table.commit` for the order in which things become durable.
- A log checkpoint torn by a power cut makes the table unreadable, so it is made aside and put in place whole.
- Its handler of a store holds Python's lock during every get, list, put and delete, so that one request which hangs
  stops the whole process. What is asked of a store here goes through obstore instead; opening, committing and log
  checkpoints by deltalake itself hold no lock (measured, each).
- An empty commit file reads as a commit of nothing, so it is looked for; a damaged log and a failing disk are one
  exception, so its words tell them apart.
"""

from weathervane.lake.server.delta.refusals import refusal
from weathervane.lake.server.delta.root import UnusableRootError, check_root
from weathervane.lake.server.delta.table import PROTOCOL_ERRORS, SCHEMA_ERRORS, STORAGE_ERRORS, Table
from weathervane.lake.server.delta.tables import Tables

__all__ = [
    "PROTOCOL_ERRORS",
    "SCHEMA_ERRORS",
    "STORAGE_ERRORS",
    "Table",
    "Tables",
    "UnusableRootError",
    "check_root",
    "refusal",
]
