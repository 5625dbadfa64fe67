"""The options of a pretend vendor, each declared once: a dataclass's field, its bounds, a word of the command line.

::

    @dataclass(frozen=True, kw_only=True)
    class ShopOptions(SandboxOptions):
        orders: int = option(400, "orders to start with", at_least=0)      # ShopOptions(orders=3), --orders 3
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["CURRENCY", "ZONE", "Rule", "SandboxOptions", "option"]

Rule = tuple[Callable[[Any], bool], str]
"""What a value must be: a test of it, and the words after "must"."""


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


ZONE: Rule = (_is_zone, "be an IANA name such as Europe/Paris")
CURRENCY: Rule = (lambda code: re.fullmatch(r"[A-Z]{3}", code) is not None, "be an ISO code such as EUR")


def option(
    default: Any,
    help: str,
    *,
    secret: bool = False,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    must: Rule | None = None,
    word: str | None = None,
    metavar: str | None = None,
    read: Callable[[str], Any] | None = None,
) -> Any:
    """One option, as a field of a dataclass. None as a value is never out of bounds.

    Args:
        default: The value without it.
        help: What it does, in a line of `--help`.
        secret: Whether it is left out of `repr`.
        at_least, above, at_most: Its bounds.
        must: What else it must be.
        word: Its name on the command line, if that is not the field's: `account` of `accounts`, given several times.
        metavar: What stands for its value in `--help`.
        read: Makes a value of a text of the command line, where its type does not say how; of a tuple, one element.
    """
    bounds = {"at_least": at_least, "above": above, "at_most": at_most}
    metadata = {"help": help, "must": must, "word": word, "metavar": metavar, "read": read, **bounds}
    return field(default=default, repr=not secret, metadata=metadata)


_NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class SandboxOptions:
    """What every pretend vendor can be told at its start. The same options give the same world, byte for byte.

    Raises:
        ValueError: One sentence about the first option that is none.
    """

    now: datetime = option(_NOW, "where the vendor's clock starts")  # noqa: RUF009 - it gives a field
    clock_rate: float = option(0.0, "vendor seconds per real second; 0 = stands still", at_least=0)
    latency: float = option(0.0, "real seconds that each call takes", at_least=0)
    seed: int = option(7, "seed of everything random")
    records: tuple[Path, ...] = option((), "serve these API-shaped records instead", metavar="FILE.jsonl")

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise ValueError("now needs an offset or Z")
        self._set(now=self.now.astimezone(UTC).replace(microsecond=0))
        self._set(records=tuple(Path(path) for path in self.records))
        for one in fields(self):
            value, rules = getattr(self, one.name), one.metadata
            if value is None or not rules:
                continue
            if wrong := _wrong(value, rules.get):
                raise ValueError(f"{one.name.replace('_', '-')} must {wrong}, got {value!r}")

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)


def _wrong(value: Any, rule: Callable[[str], Any]) -> str | None:
    """What the value must be and is not."""
    least, above, most = rule("at_least"), rule("above"), rule("at_most")
    if least is not None and most is not None and not least <= value <= most:
        return f"be {least} to {most}"
    if least is not None and not value >= least:
        return "not be negative" if least == 0 else f"be {least} or more"
    if above is not None and not value > above:
        return f"be above {above}"
    must = rule("must")
    return must[1] if must is not None and not must[0](value) else None
