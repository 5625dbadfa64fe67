"""What a process has: how much memory a piece of a test takes (Linux only), and what its runs share."""

from __future__ import annotations

from pathlib import Path

from weathervane.source._http import pace

__all__ = ["as_a_new_process", "forget_peak", "peak_mib"]


def as_a_new_process() -> None:
    """Drops what all runs of this process share of a vendor: tokens, pauses, paces."""
    pace.forget()


def forget_peak() -> None:
    """Begins to measure: what the process had at most before, in another test, counts no more (`man 5 proc`)."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_mib() -> float:
    """The most resident memory that this process has had since, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
