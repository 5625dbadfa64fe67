"""Faults: the named ways in which a pretend vendor can be told to fail, counted and aimed."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Fault", "Faults"]


@dataclass
class Fault:
    """One armed fault.

    Attributes:
        name: what goes wrong; one of the names the vendor knows.
        times: how many more times it fires; None = until cleared.
        skip: how many matching occasions pass unharmed before it fires.
        match: facts an occasion must have, for example `{"page": 2}`; a list matches any of its members.
        args: how it goes wrong, for example `{"status": 502}`.
        id: a number that is unique within the vendor.
        fired: how many times it has fired.
    """

    name: str
    times: int | None = 1
    skip: int = 0
    match: dict[str, Any] = field(default_factory=dict)
    args: dict[str, Any] = field(default_factory=dict)
    id: int = 0
    fired: int = 0

    def fits(self, facts: Mapping[str, Any]) -> bool:
        """Say whether an occasion with these facts is one that the fault waits for."""
        return all(_same(facts.get(key), wanted) for key, wanted in self.match.items())

    def as_dict(self) -> dict[str, Any]:
        """Return the fault as JSON-shaped data, as the control route shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "times": self.times,
            "skip": self.skip,
            "match": self.match,
            "fired": self.fired,
            **self.args,
        }


class Faults:
    """The armed faults of one pretend vendor; thread-safe.

    Args:
        known: name -> one sentence that says what happens and which arguments it takes.
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = dict(known)
        self._armed: list[Fault] = []
        self._ids = itertools.count(1)
        self._lock = threading.Lock()

    def add(
        self,
        name: str,
        times: int | None = 1,
        *,
        skip: int = 0,
        match: Mapping[str, Any] | None = None,
        **args: Any,
    ) -> Fault:
        """Arm a fault: it fires on the next `times` matching occasions (None = until cleared).

        Raises:
            ValueError: the vendor has no fault of this name, or a count is not a count.
        """
        if name not in self.known:
            raise ValueError(f"unknown fault {name!r}; known faults: {', '.join(sorted(self.known))}")
        if times is not None and times < 1:
            raise ValueError(f"fault {name!r}: times must be a whole number >= 1, or null for always")
        if skip < 0:
            raise ValueError(f"fault {name!r}: skip must be a whole number >= 0")
        with self._lock:
            fault = Fault(name, times, skip, dict(match or {}), args, next(self._ids))
            self._armed.append(fault)
            return fault

    def take(self, name: str, /, **facts: Any) -> Fault | None:
        """Fire the oldest armed fault of this name that fits the facts, or return None."""
        with self._lock:
            for fault in self._armed:
                if fault.name != name or not fault.fits(facts):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.fired += 1
                if fault.times is not None:
                    fault.times -= 1
                    if not fault.times:
                        self._armed.remove(fault)
                return fault
        return None

    def standing(self, name: str, /, **facts: Any) -> list[Fault]:
        """Return the armed faults of this name that fit, without using them up.

        For faults that are a state of the vendor (a hidden record, a lost scope) rather than an occasion.
        """
        with self._lock:
            return [fault for fault in self._armed if fault.name == name and fault.fits(facts)]

    def clear(self, name: str | None = None) -> int:
        """Disarm every fault, or those of one name; return how many."""
        with self._lock:
            kept = [fault for fault in self._armed if name is not None and fault.name != name]
            gone = len(self._armed) - len(kept)
            self._armed = kept
            return gone

    def armed(self) -> list[dict[str, Any]]:
        """Return the armed faults as JSON-shaped data, oldest first."""
        with self._lock:
            return [fault.as_dict() for fault in self._armed]


def _same(fact: Any, wanted: Any) -> bool:
    if isinstance(wanted, (list, tuple, set)):
        return any(_same(fact, one) for one in wanted)
    if isinstance(fact, (list, tuple, set, frozenset)):
        return wanted in fact
    return bool(fact == wanted)
