"""Every number of the lake writer, with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LakeSettings:
    """Where the lake is and how much one write may take of this machine."""

    root: str
    """A folder, also as a `file://` URL, or the URL of a store. Tables are at `<root>/<tenant>/<dataset>`."""
    storage_options: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Of the store (credentials, endpoint, timeouts), as deltalake takes them; never logged."""
    max_frame_rows: int = 1_000_000
    """A 224-byte null column can claim 10^12 rows; a frame of 3 MiB has no honest use for more than this."""
    max_write_bytes: int = 2 * 1024**3
    """Bytes of frames in one write; beyond it the caller cuts smaller slices. Bounds the staging file."""
    max_write_rows: int = 10_000_000
    """Rows in one write. Keys and row numbers of a write are held in memory while it is merged (about 100 bytes
    a row), the rows themselves are in the staging file."""
    max_columns: int = 1_000
    """A table wider than this is a mistake."""
    max_concurrent_writes: int = 32
    """Writes that are being received or merged; the next one is told UNAVAILABLE and comes back. A run holds one
    for each dataset of a flow."""
    max_concurrent_merges: int = 4
    """Writes that are merged and committed at the same time, each of another table; others wait without a thread.
    It bounds memory, whatever the machine: a merge takes 0.2 to 0.3 GiB (three data files in the making), one of
    10 million rows 1 GiB more, so four fit into the 4 GiB that the files in deploy/ give a server. Measured with 12
    writes of 300,000 rows at once and Polars on 64 threads: 0.9 GiB; with 12 merges 1.7 GiB."""
    max_concurrent_reads: int = 8
    """Tables that are read at the same time; one tenant has half of them. A read holds a data file, up to 150 MiB with
    what is on its way, until its caller has taken all of it, so eight of them hold 1.2 GiB."""
    read_wait_seconds: float = 10.0
    """For how long a read waits for its turn, without a thread, before it is told UNAVAILABLE and comes back."""
    idle_seconds: float = 6 * 3600.0
    """A stream that sends nothing for so long is ended, so that nobody holds a write's slot for ever. Longer than any
    source waits for its vendor within a slice (five answers that time out are 25 minutes, a report that the vendor
    prepares takes an hour); a peer that is dead or stopped is dropped by keepalive in half a minute."""
    target_file_rows: int = 100_000
    """Rows of a data file. Measured best for copy-on-write: about 3 MiB of Parquet, 15 ms to read, 90 ms to write."""
    target_file_bytes: int = 64 * 1024 * 1024
    """Bytes of Arrow in a data file, where rows are larger than about 600 bytes. About three such files are in memory
    while one is rewritten."""
    small_file_bytes: int = 4 * 1024 * 1024
    """Bytes of Parquet from which on compaction leaves a file alone, however few its rows: with large rows it is full,
    which only reading it would tell."""
    compaction_rows: int = 2_000_000
    """Rows that one call of compaction puts into other files before it commits: seconds of work. The caller calls
    again."""
    min_retention_hours: int = 168
    """The least retention that a vacuum takes: a week, as Delta's own default. A reader may be so long at an older
    version, and a write on its way to its commit."""
    commit_attempts: int = 30
    """Commits lost to other writers of the same table before the caller is told ABORTED."""
    history_days: int = 30
    """For how long at least a write id is remembered, so that a repeat gets its first answer. A table keeps ids for
    three times as long, so that clocks may be wrong by twice as much (60 days); 61,000 ids cost 36 to 65 ms to open."""
    log_checkpoint_interval: int = 20
    """Commits between Delta log checkpoints, which keep opening a table cheap."""
    staging: str | None = None
    """Folder for the staging files (unlinked at once, so a killed server leaves none); None is the system's."""
