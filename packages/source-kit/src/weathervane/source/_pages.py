"""Prefect's lists, whole: its API gives at most 200 things at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, TypeVar

__all__ = ["every"]

_PAGE = 200

_T = TypeVar("_T")


def every(read: Callable[..., Sequence[_T]], **chosen: Any) -> Iterator[_T]:
    """All that a method of Prefect's client lists for these filters, e.g. `every(api.read_flow_runs, sort=...)`."""
    for offset in count(step=_PAGE):
        page = read(**chosen, limit=_PAGE, offset=offset)
        yield from page
        if len(page) < _PAGE:
            return
