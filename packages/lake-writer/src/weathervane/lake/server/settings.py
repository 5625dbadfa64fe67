"""The lake writer's settings, each with the reason for its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LakeSettings:
    """Where the lake is, and the limits of writes, reads and upkeep."""

    root: str
    """The lake's folder, also as a `file://` URL, or the URL of a store. Tables are at `<root>/<tenant>/<dataset>`."""
    storage_options: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Options of the store (credentials, endpoint, timeouts), as deltalake takes them; they are never logged."""
    max_frame_rows: int = 1_000_000
    """Rows in one frame. A null column of 224 bytes can claim 10^12 rows; a valid frame of 3 MiB never needs more than
    this."""
    max_write_bytes: int = 2 * 1024**3
    """Bytes of frames in one write, which limits the staging file; a caller with more cuts smaller slices."""
    max_write_rows: int = 10_000_000
    """Rows in one write. While a write is merged, its keys and row numbers are in memory (about 100 bytes for each
    row); the rows are in the staging file."""
    max_columns: int = 1_000
    """Columns of a table; more are taken for a mistake."""
    max_concurrent_writes: int = 32
    """Writes that are received or merged at the same time; a further one is refused with UNAVAILABLE, and its caller
    retries. A run has one open write for each dataset of its flow."""
    max_concurrent_merges: int = 4
    """Writes that are merged and committed at the same time, each of another table; others wait without a thread.
    This limits memory on any machine: a merge takes 0.2 to 0.3 GiB (three data files in memory), one of 10 million rows
    1 GiB more, so four fit into the 4 GiB that the files in deploy/ give a server. Measured with 12 writes of 300,000
    rows at once and Polars on 64 threads: 0.9 GiB; with 12 merges at once 1.7 GiB."""
    max_concurrent_reads: int = 8
    """Reads at the same time, of which one tenant gets half. A read holds a data file and the messages being sent, up
    to 150 MiB, until its caller has received all of it; eight reads hold 1.2 GiB."""
    read_wait_seconds: float = 10.0
    """How long a read waits for a place, without a thread, before it is refused with UNAVAILABLE."""
    idle_seconds: float = 6 * 3600.0
    """A write whose stream sends nothing for this long is ended, so that it cannot hold its place for ever. Longer than
    any source waits for its vendor within a slice (five requests that time out take 25 minutes, a report that the
    vendor prepares takes an hour); keepalive drops a peer that is dead or stopped after half a minute."""
    target_file_rows: int = 100_000
    """Rows of a data file. The best size for copy-on-write that was measured: about 3 MiB of Parquet, 15 ms to read and
    90 ms to write."""
    target_file_bytes: int = 64 * 1024 * 1024
    """Bytes of Arrow in a data file; this limits files whose rows are larger than about 600 bytes. About three such
    files are in memory while one is rewritten."""
    small_file_bytes: int = 4 * 1024 * 1024
    """Compaction leaves a file of at least this many bytes of Parquet alone, however few its rows: with large rows it
    may be full, which only reading it would show."""
    compaction_rows: int = 2_000_000
    """Rows that one call of compaction rewrites before it commits, which takes seconds; the caller calls again for the
    rest."""
    min_retention_hours: int = 168
    """The shortest retention that a vacuum accepts: a week, Delta's default. For so long a reader may use an older
    version, and a write may be open."""
    commit_attempts: int = 30
    """Attempts to commit that may lose to other writers of the table before the call fails with ABORTED."""
    history_days: int = 30
    """How long a write id is remembered at least, so that a repeat gets the first answer. A table keeps ids three times
    as long, so clocks may be wrong by twice this time (60 days). 61,000 ids add 36 to 65 ms to opening a table."""
    log_checkpoint_interval: int = 20
    """Commits between two of Delta's log checkpoints, which keep the time to open a table short."""
    staging: str | None = None
    """The folder for staging files, which are unlinked at once, so a killed server leaves none; None is the system's
    folder for temporary files."""
