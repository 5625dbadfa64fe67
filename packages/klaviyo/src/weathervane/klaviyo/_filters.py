"""Klaviyo's filter grammar, written from typed values, so that nothing is quoted that must not be.

Strings are quoted, times and booleans are not, conditions are joined by commas; there is no OR, and a text " and "
between two conditions is no grammar.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from weathervane.source import format_time

__all__ = ["all_of", "at_least", "at_most", "equals", "order_of"]


def equals(field: str, value: str | bool) -> str:
    """`equals(archived,false)`, `equals(messages.channel,'email')`."""
    if isinstance(value, bool):
        return f"equals({field},{str(value).lower()})"
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"equals({field},'{escaped}')"


def at_least(field: str, time: datetime) -> str:
    """From this second on, itself included: of rows with equal seconds none is lost."""
    return f"greater-or-equal({field},{format_time(time)})"


def at_most(field: str, time: datetime) -> str:
    """Up to this second, itself included."""
    return f"less-or-equal({field},{format_time(time)})"


def all_of(*conditions: str) -> str:
    """The conditions that all must hold."""
    return ",".join(conditions)


def order_of(bounds: Sequence[str]) -> str:
    """The sort of a list of campaigns.

    By what never changes, so that edits while pages are read move nothing; but within bounds of `updated_at` by that:
    Klaviyo's filters on a time go with no other sort.
    """
    return "updated_at" if bounds else "id"
