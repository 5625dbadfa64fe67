"""Pages of an answer: what they are read as, whether more follow, and how many objects the next one asks for."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, TypeVar

import msgspec

from weathervane.shopify._settings import ShopifySettings
from weathervane.source import ContractError
from weathervane.source import decode as guarded

__all__ = ["SMALL_COST", "Count", "PageInfo", "PageSize", "decode", "page_info"]

_T = TypeVar("_T")

SMALL_COST = 10.0
"""Points of a query without pages: an object or two, or a mutation (10)."""


Count = Annotated[int, msgspec.Meta(ge=0, le=10**15)]
"""How many objects there are; a number that is none, of a thousand digits, is refused and not told."""


class PageInfo(msgspec.Struct, rename="camel"):
    """Whether a connection has more, and where."""

    has_next_page: bool
    end_cursor: str | None = None

    @property
    def next(self) -> str | None:
        """The cursor of the next page; None on the last one."""
        if self.has_next_page and not self.end_cursor:
            raise ContractError(
                "Shopify says that there is a next page and gives no cursor", reason="NO_CURSOR"
            )
        return self.end_cursor if self.has_next_page else None


class PageSize:
    """How many objects a page asks for: halved when it is too much, grown while it costs little.

    Args:
        settings: The limits.
        first: Objects of the first page.
        nested: Elements of each object's nested list; None for a query that has none.
    """

    def __init__(self, settings: ShopifySettings, first: int, nested: int | None = None) -> None:
        self._allowed = 0.9 * settings.max_query_cost
        self._first = first
        self._nested = nested
        self._ceiling = settings.max_page_size
        self._cost_of_one: float | None = None

    @property
    def expected_cost(self) -> float:
        """The points that the next page will ask for, as far as the last one tells."""
        return SMALL_COST if self._cost_of_one is None else self._cost_of_one * self._first

    @property
    def variables(self) -> dict[str, int]:
        """The query's `first` and, if it has one, `nested`."""
        return {"first": self._first} | ({} if self._nested is None else {"nested": self._nested})

    def shrink(self) -> bool:
        """Asks for half from now on; False when nothing is left to halve."""
        if self._first > 1:
            self._first //= 2
            self._ceiling = self._first
            return True
        if self._nested is not None and self._nested > 1:
            self._nested //= 2
            return True
        return False

    def learn(self, cost: float | None) -> None:
        """Takes a page's cost for the next one's size: at most double, and a tenth below what is allowed."""
        if cost and cost > 0:
            self._cost_of_one = cost / self._first
            fits = (
                min(self._ceiling, self._allowed / self._cost_of_one) if self._cost_of_one else self._ceiling
            )
            self._first = max(1, min(self._first * 2, int(fits)))


def decode(body: bytes, shape: type[_T]) -> _T:
    """The `data` of an answer as a struct.

    Raises:
        ContractError: The data has another shape than the schema says.
        UnavailableError: The answer is not whole.
    """
    kind: Any = shape
    holder: Any = guarded(body, _holder(kind), "Shopify's answer")
    data: _T = holder.data
    return data


# Types are made once: making one takes longer than reading a small answer.
@lru_cache
def _holder(shape: Any) -> Any:
    return msgspec.defstruct("Holder", [("data", shape)])


def page_info(body: bytes, connection: str) -> PageInfo:
    """Whether a root connection of an answer has more, and where."""
    info: PageInfo = decode(body, _connection_shape(connection)).connection.page_info
    return info


class _Connection(msgspec.Struct, rename="camel"):
    page_info: PageInfo


@lru_cache
def _connection_shape(connection: str) -> Any:
    return msgspec.defstruct("Data", [("connection", _Connection)], rename={"connection": connection})
