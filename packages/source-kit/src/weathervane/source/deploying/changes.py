"""What was done, or would be, to one thing on the server: a line for people."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python

__all__ = ["Change", "Kind", "Write", "differences"]

_SHORT = 60
"""Characters of a value in a line; of a longer one only the field's name is told."""


class Kind(enum.Enum):
    """What became of a thing."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    LEFT_OVER = "left over"
    """On the server, in no file any more, and not deleted unless that is asked for."""


@dataclass(frozen=True)
class Change:
    """What became of one thing."""

    kind: Kind
    thing: str
    """E.g. `work pool weathervane-pool`."""
    details: str = ""

    def line(self, *, dry_run: bool = False) -> str:
        """The change as people read it."""
        would = dry_run and self.kind in (Kind.CREATED, Kind.CHANGED, Kind.DELETED)
        kind = f"would be {self.kind.value}" if would else self.kind.value
        details = f": {self.details}" if self.details else ""
        return f"{kind:{16 if dry_run else 10}} {self.thing}{details}"


Write = Callable[[Callable[[], object]], None]
"""Does what it is given; or not, in a dry run."""


def differences(now: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The fields that differ, `field old -> new`; empty if none does."""
    told = []
    for field, new in wanted.items():
        if (old := now.get(field)) != new:
            values = [json.dumps(to_jsonable_python(value), ensure_ascii=False) for value in (old, new)]
            short = all(len(value) <= _SHORT for value in values)
            told.append(f"{field} {' -> '.join(values)}" if short else field)
    return ", ".join(told)
