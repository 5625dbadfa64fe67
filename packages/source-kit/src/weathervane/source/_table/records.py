"""A vendor's answer cut into records without reading them: each stays the bytes that were sent."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar, overload

import msgspec

from weathervane.source._errors import ContractError
from weathervane.source._table.decode import decode, decode_marked, restored

__all__ = ["cut_record", "split_array", "split_lines", "split_records"]

Rest = TypeVar("Rest")


@overload
def split_records(body: bytes, path: str, *, missing_ok: bool = False) -> tuple[list[bytes], None]: ...
@overload
def split_records(
    body: bytes, path: str, rest: type[Rest], *, missing_ok: bool = False
) -> tuple[list[bytes], Rest]: ...
def split_records(
    body: bytes, path: str, rest: Any = None, *, missing_ok: bool = False
) -> tuple[list[bytes], Any]:
    """The records of a page, and the small remainder of it as the source's own type.

    ``path`` leads to the list: `data.orders.nodes`; where a list of pages is on the way, `[]` stands for each
    of them: `[].results` (Google Ads searchStream). ``rest`` is what `msgspec` shall read of the same body,
    such as a Struct with `pageInfo` or `paging.next`; members that it does not name are skipped, the records
    too.

    Half an emoji in a record costs no other one: `normalise` sets the value aside, or its row.

    ``missing_ok``: a page without the list holds no records (Google Ads omits empty lists). Otherwise a
    missing or null list is a broken contract, because an answer that lost its data must not look like an
    empty one.

    Raises:
        UnavailableError: The body is no whole JSON document, cut short or no JSON at all (MALFORMED_JSON).
        ContractError: The document has another shape than promised (UNEXPECTED_JSON), or is nested too
            deeply (JSON_TOO_DEEP).
    """
    steps = tuple(path.replace("[]", ".[].").strip(".").replace("..", ".").split("."))
    what = f"the answer with {path!r}"
    found_pages: Any
    found_pages, marks = decode_marked(body, _page_type(steps), what)
    found: list[Any] = [found_pages]
    for step in steps:
        if step == "[]":
            found = [item for page in found if page is not None for item in page]
        else:
            found = [None if page is None else page.at for page in found]
    if not missing_ok and any(page is None for page in found):
        raise ContractError(f"the answer has no list at {path!r}", reason="UNEXPECTED_JSON")
    records = [bytes(record) for page in found if page is not None for record in page]
    if marks:
        records = [restored(record) for record in records]
    return records, None if rest is None else decode(body, rest, what)


def cut_record(body: bytes, path: str) -> bytes:
    """The one record at `path` (`data.order`), as it was sent; `null` when null stands there.

    Raises:
        UnavailableError: As `split_records`.
        ContractError: As `split_records`; also when nothing stands at `path`.
    """
    found: Any
    found, marks = decode_marked(body, _object_type(tuple(path.split("."))), f"the answer with {path!r}")
    for _ in path.split("."):
        found = found.at
    return restored(bytes(found)) if marks else bytes(found)


def split_array(body: bytes, what: str) -> list[msgspec.Raw]:
    """The members of an answer that is a JSON array, each as it was sent; `what` names it in an error.

    Half an emoji in one stays what it is, so that `split_records` of that member, and `normalise`, can tell of it.

    Raises:
        UnavailableError: It is no whole JSON document (MALFORMED_JSON).
        ContractError: It is no array (UNEXPECTED_JSON), or is nested too deeply (JSON_TOO_DEEP).
    """
    parts, marks = decode_marked(body, list[msgspec.Raw], what)
    return [msgspec.Raw(restored(bytes(part))) for part in parts] if marks else parts


def split_lines(body: bytes) -> list[bytes]:
    """The records of newline-delimited JSON, e.g. a bulk file; blank lines hold none."""
    # Not splitlines: of the line ends it knows, only \n ends a record.
    return [line for line in body.split(b"\n") if line and not line.isspace()]


@lru_cache(maxsize=256)
def _page_type(steps: tuple[str, ...]) -> Any:
    kind: Any = list[msgspec.Raw]
    for step in reversed(steps):
        if step == "[]":
            kind = list[kind | None]
        else:
            kind = msgspec.defstruct("Page", [("at", kind | None, None)], rename={"at": step})
    return kind


@lru_cache(maxsize=256)
def _object_type(steps: tuple[str, ...]) -> Any:
    kind: Any = msgspec.Raw
    for step in reversed(steps):
        kind = msgspec.defstruct("Holder", [("at", kind)], rename={"at": step})
    return kind
