"""What a run did not take: rows and single values that do not fit are counted, told, and never the most of a slice."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa

from weathervane.lake import LakeClient, NotFoundError, TableRef
from weathervane.source._errors import ConfigurationError, IncompleteError
from weathervane.source._table.normalise import Normalised

__all__ = [
    "FEW_ROWS",
    "MAX_SET_ASIDE",
    "SetAside",
    "known_misfits",
    "max_set_aside",
]

MAX_SET_ASIDE = "WEATHERVANE_MAX_SET_ASIDE"
"""The environment variable with the share of a slice's rows, 0 to 1, above which the slice is incomplete."""
_DEFAULT = 0.5
"""A few odd rows shall not keep the others from the lake: they are kept and told. Once most of a table's rows do not
fit, the declaration or the vendor's answer is wrong, and a checkpoint that moves over them would hide it."""


def max_set_aside() -> float:
    """The share of a slice's rows that may be set aside.

    Raises:
        ConfigurationError: `WEATHERVANE_MAX_SET_ASIDE` is no number from 0 to 1.
    """
    text = os.environ.get(MAX_SET_ASIDE, "")
    try:
        share = float(text) if text else _DEFAULT
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ConfigurationError(
            f"{MAX_SET_ASIDE} is {text[:40]!r}; write the share of a slice's rows that may be set aside as a number"
            " from 0 to 1, e.g. 0.5",
            reason="BAD_SETTING",
        )
    return share


FEW_ROWS = 10
"""Of a table beside the first one of a slice: below this many rows, none that fits says nothing of the declaration. One
order whose only line is odd, one ad whose actions are: they are told, and the first table's rows land."""

_ENTRY = ("row_key", "column_name", "value")


@dataclass
class SetAside:
    """The rows of one dataset in one slice: how many came, and how many of them do not fit."""

    dataset: str
    received: int = 0
    rows: int = 0
    first_row: str = ""
    """Whose row the first one is."""
    first: str = ""
    """The first misfit: which column, and why; never the value, which may be anybody's."""
    entries: set[int] = field(default_factory=set)
    """Which rows they are, as `known_misfits` tells them."""

    def add(self, page: Normalised) -> None:
        """Counts a page."""
        self.received += page.received
        self.rows += page.quarantined.num_rows
        self.entries |= _entries_of(page.quarantined)
        if not self.first_row and page.quarantined.num_rows:
            self.first_row, self.first = _first(page.quarantined)
        elif not self.first and page.values.num_rows:
            self.first = _first(page.values)[1]

    def check(self, share: float, known: Callable[[], set[int]]) -> None:
        """Lets a slice through, most of which fits.

        What the quarantine has already was told when it came there, and is read again by every run that looks back:
        the one odd order of a quiet shop shall not fail each of its nights.

        Of a table beside the first one of its slice, see `FEW_ROWS`.

        Args:
            share: Of the rows that are not known yet; all of them are always too many.
            known: The entries of the dataset's quarantine.

        Raises:
            IncompleteError: TOO_MANY_SET_ASIDE: more than this share does not fit, or nothing does.
        """
        if not self._too_many(share, 0):
            return
        if self._too_many(share, len(self.entries & known())):
            raise IncompleteError(
                f"{self.rows:,} of {self.received:,} rows of {self.dataset} do not fit, more than may be set aside"
                f" ({MAX_SET_ASIDE}={share:g}, all never); the first: {self.first_row}, {self.first}",
                reason="TOO_MANY_SET_ASIDE",
                dataset=self.dataset,
            )

    @property
    def nothing_fits(self) -> bool:
        """Rows came, and all of them do not fit."""
        return self.rows > 0 and self.rows == self.received

    def _too_many(self, share: float, known: int) -> bool:
        rows, received = self.rows - known, self.received - known
        return rows > 0 and (rows == received or rows > share * received)


def known_misfits(lake: LakeClient, table: TableRef) -> set[int]:
    """The misfits that a table's quarantine has, each as one number that holds within this process."""
    quarantine = TableRef(table.tenant, f"{table.dataset}_quarantine")
    try:
        batches = lake.read(quarantine, columns=_ENTRY)
        return set[int]().union(*map(_entries_of, batches))
    except NotFoundError:
        return set()


def _entries_of(entries: pa.RecordBatch) -> set[int]:
    columns = (entries.column(name).to_pylist() for name in _ENTRY)
    return {hash(entry) for entry in zip(*columns, strict=True)}


def _first(entries: pa.RecordBatch) -> tuple[str, str]:
    key, column, reason = (entries.column(name)[0].as_py() for name in ("row_key", "column_name", "reason"))
    return f"row {key[:100]}", f"column {column}: {reason}" if column else reason
