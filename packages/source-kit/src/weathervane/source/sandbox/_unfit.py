"""The fault `unfit`: records of a good answer in which one value is what nobody declared."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from weathervane.source.sandbox._faults import Fault

__all__ = ["made_unfit", "unpacked"]

_MOST = 0.6
"""A record is known by most of its members: the vendor leaves out what is empty, others have some of them too."""


def made_unfit(body: bytes, faults: Sequence[Fault]) -> bytes:
    """The body with the faults' values in the records that they are aimed at; the very bytes when there are none.

    A record is an object that has all paths of `keys`, the one of `path` and most of those in `members`, and no more
    of any list of `others`. The first `count` of them (all without a number; by their keys about one in `every`) are
    made unfit, of answers that have at least `enough`, and stay so when they are asked for again. Which they are is
    in the fault's `spoilt`: the key as JSON -> the number of the value, of `values`, that it got. Faults that share a
    set `taken` take no record twice.
    """
    whole = _documents(body) if faults else None
    if whole is None:
        return body
    documents, lines = whole
    objects = [one for document in documents for one in _objects(document)]
    # All are aimed before the first one changes what the next is aimed by.
    hits = [hit for fault in faults for hit in _hits(objects, fault.args)]
    for record, path, value in hits:
        _put(record, path, value)
    if not hits:
        return body
    return b"\n".join(json.dumps(one, ensure_ascii=False).encode() for one in documents) + (
        b"\n" if lines else b""
    )


def _hits(
    objects: Sequence[dict[str, Any]], args: dict[str, Any]
) -> Iterator[tuple[dict[str, Any], str, Any]]:
    spoilt: dict[str, int] = args.setdefault("spoilt", {})
    seen: set[str] = args.setdefault("seen", set())
    taken: set[str] = args.setdefault("taken", set())
    found = [one for one in objects if _is_record(one, args)]
    enough = len(found) >= int(args.get("enough", 1))
    for record in found:
        key = json.dumps([_at(record, path) for path in args["keys"]])
        if key not in seen:
            count, every = args.get("count"), int(args.get("every", 1))
            seen.add(key)
            # By the key, so that they are spread over all answers, and the same ones in each reading.
            due = enough and zlib.crc32(key.encode()) % every == 0
            if due and key not in taken and (count is None or len(spoilt) < count):
                taken.add(key)
                spoilt[key] = len(spoilt) % len(args["values"])
        if key in spoilt:
            yield record, args["path"], args["values"][spoilt[key]]


def unpacked(body: bytes, coding: str) -> bytes:
    """The body without its gzip layer, if it has one."""
    return gzip.decompress(body) if coding == "gzip" else body


def _documents(body: bytes) -> tuple[list[Any], bool] | None:
    try:
        return [json.loads(body)], False
    except ValueError:
        pass
    try:
        return [json.loads(line) for line in body.splitlines()], True
    except ValueError:
        return None


def _objects(document: Any) -> Iterator[dict[str, Any]]:
    if isinstance(document, dict):
        yield document
    inner = (
        document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    )
    for one in inner:
        yield from _objects(one)


def _is_record(one: dict[str, Any], args: Mapping[str, Any]) -> bool:
    if not _has(one, args["path"]) or not all(_has(one, path) for path in args["keys"]):
        return False
    known = _known(one, args["members"])
    if known < _MOST * len(args["members"]):
        return False
    return all(_known(one, other) <= known for other in args.get("others", ()))


def _known(one: dict[str, Any], members: Sequence[str]) -> int:
    return sum(_has(one, path) for path in members)


def _has(one: Any, path: str) -> bool:
    for member in path.split("."):
        if not isinstance(one, dict) or member not in one:
            return False
        one = one[member]
    return True


def _at(one: Any, path: str) -> Any:
    for member in path.split("."):
        one = one.get(member) if isinstance(one, dict) else None
    return one


def _put(one: dict[str, Any], path: str, value: Any) -> None:
    *holders, last = path.split(".")
    for member in holders:
        one = one[member]
    one[last] = value
