"""Delta tables, one for each tenant and dataset. Only this package imports deltalake.

What deltalake 1.6.6 does not do, and this package therefore does (each point was measured):

- deltalake commits the same application transaction again on a fresh snapshot. So the write id is looked up in the same
  snapshot that the commit is based on.
- With commit retries, two writers may insert the same key, and a stale upsert may duplicate a compacted table. So a
  commit is tried once (`max_commit_retries=0`), and the caller plans again on a new snapshot.
- Log clean-up would delete the commits that hold receipts and checkpoints, so it is off in these tables.
- Nothing is synced to disk: see `Table.commit` for the order in which files become durable.
- A log checkpoint that a power cut left incomplete makes the table unreadable. So checkpoints are made in a temporary
  folder and put in place atomically.
- Its file system for stores keeps the GIL during every get, list, put and delete, so that one request which hangs stops
  the whole process. So this server uses obstore for its own requests; when deltalake itself opens a table, commits or
  makes a log checkpoint, it releases the GIL.
- An empty commit file is read as a commit without actions, so it is checked for. A damaged log and a failing disk raise
  the same exception, so they are told apart by its text.
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
