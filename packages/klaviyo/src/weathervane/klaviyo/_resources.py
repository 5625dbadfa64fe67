"""Records of Klaviyo's answers, each read by itself: one that cannot be read costs itself, and no other."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import msgspec

from weathervane.klaviyo._rows import Misplaced, Odd, canonical, dig, is_newer, moment_of
from weathervane.source import ContractError, IncompleteError, decode, decode_marked

__all__ = ["Below", "Resource", "ResourcePage", "one_of", "page_of"]

Data = TypeVar("Data")

_HALF = re.compile("[\ue000-\ue7ff]")


class _Ref(msgspec.Struct):
    type: str
    id: str


class _Relationship(msgspec.Struct):
    data: list[_Ref] | _Ref | msgspec.UnsetType | None = msgspec.UNSET


class Resource(msgspec.Struct):
    """A JSON:API resource, its attributes and relationships as they were sent."""

    type: str
    id: str
    attributes: msgspec.Raw = msgspec.Raw(b"{}")
    relationships: msgspec.Raw = msgspec.Raw(b"{}")
    halves: bool = msgspec.field(default=False, name="(halves)")
    """Whether its attributes hold halves of emoji, as the kit's `decode_marked` leaves them."""

    def related(self, name: str) -> list[str] | None:
        """The ids of a relationship, none for an explicit null; None when the answer does not name them.

        Raises:
            ContractError: The relationships are of another shape, or name a record without an id (UNEXPECTED_JSON).
        """
        what = f"its relationship {name}"
        found = decode(self.relationships, dict[str, msgspec.Raw], "its relationships").get(name)
        told = None if found is None else decode(found, _Relationship | None, what)  # type: ignore[arg-type]
        if told is None or told.data is msgspec.UNSET:
            return None
        data = told.data or []
        ids = [one.id for one in data] if isinstance(data, list) else [data.id]
        if "" in ids:
            raise ContractError(f"{what} names a record without an id", reason="UNEXPECTED_JSON")
        return ids

    def named(self, name: str) -> list[str]:
        """The ids of a relationship that was asked for.

        Raises:
            ContractError: The relationships are of another shape.
            IncompleteError: The answer has links at most. Taken for none, all that hangs on it would count as deleted.
        """
        ids = self.related(name)
        if ids is None:
            raise IncompleteError(
                f"{self.type[:40]} {self.id[:80]} does not name its {name}, which were asked for",
                reason="NOT_NAMED",
            )
        return ids

    def said(self) -> dict[str, Any]:
        """The attributes as values; `Misplaced` when they are no object that can be read."""
        try:
            found = decode(self.attributes, object, f"the attributes of a {self.type[:40]}")
        except ContractError as error:
            # Too deep, or a number that is none: one record's fault, which is set aside by itself.
            return Misplaced(unreadable=error.message)
        if self.halves:
            found = _told_halves(found)
        return found if isinstance(found, dict) else Misplaced(unexpected=found)

    def whole(self) -> msgspec.Raw:
        """The attributes as they were sent, with U+FFFD for half an emoji."""
        if not self.halves:
            return self.attributes
        return msgspec.Raw(_HALF.sub("\ufffd", canonical(self.attributes).decode()).encode())

    def odd(self, error: ContractError | IncompleteError) -> Odd:
        """This record as one that cannot be taken, for the reason of an error."""
        return Odd(self.type, self.id, msgspec.json.encode(self), error.message, error.reason)


class _Links(msgspec.Struct):
    next: str | None = None


@dataclass(frozen=True)
class Below:
    """What a relationship names: the records, and the ids of those that came and cannot be read."""

    read: list[Resource]
    unread: list[str]


class ResourcePage(msgspec.Struct):
    """One page of a list: its records, and those of them that cannot be read."""

    data: list[Resource]
    included: list[Resource] = []
    links: _Links = msgspec.field(default_factory=_Links)
    odd: list[Odd] = []
    odd_included: list[Odd] = []

    def of(self, kind: str) -> ResourcePage:
        """This page, whose records are all of a type, and each is there once: of two, the one that changed last.

        A record of another type is an odd one, also the only one of a page.

        Raises:
            ContractError: All of several are of another type.
            IncompleteError: Two of one id differ and changed at the same time (CONFLICTING_ROWS); whichever is taken,
                the other would be lost without a word.
        """
        self.data, self.included = _each_once(self.data), _each_once(self.included)
        others = [one for one in self.data if one.type != kind]
        if others:
            wrong = ContractError(
                f"Klaviyo's answer holds a {others[0].type[:40]}, and a {kind} was asked for",
                reason="UNEXPECTED_JSON",
            )
            if len(others) == len(self.data) > 1:
                raise wrong
            self.odd = [*self.odd, *(replace(one.odd(wrong), kind=kind) for one in others)]
            self.data = [one for one in self.data if one.type == kind]
        return self

    def below(self, resource: Resource, kind: str) -> Below:
        """What a relationship that was asked for names, e.g. a campaign's `campaign-message`s.

        Raises:
            ContractError: The record's relationships are of another shape.
            IncompleteError: It names none that were asked for, or one of them was not included. Left out, it would be
                taken for deleted.
        """
        included = {one.id: one for one in self.included if one.type == kind}
        odd = {one.id for one in self.odd_included}
        ids = resource.named(f"{kind}s")
        unread = [one for one in ids if one not in included]
        # One without an id may be any of them.
        if missing := [one for one in unread if one not in odd and None not in odd]:
            raise IncompleteError(
                f"{resource.type[:40]} {resource.id[:80]} names {kind} {missing[0]}, which was not included",
                reason="NOT_INCLUDED",
            )
        return Below([included[one] for one in ids if one in included], unread)


def page_of(body: bytes, kind: str, what: str) -> ResourcePage:
    """A page of a list of records of a type.

    Raises:
        ContractError: It is no page, or one of another type.
        IncompleteError: It holds two different records of one id that changed at the same time.
    """
    sent, halves = decode_marked(body, _Sent[list[msgspec.Raw]], what)
    return _page(sent.data, sent, kind, halves).of(kind)


def one_of(body: bytes, kind: str, record_id: str, what: str) -> ResourcePage:
    """A single record as a page of one; of none when it cannot be read, or is another record.

    Raises:
        ContractError: It is no answer of one record, or that is of another type.
    """
    sent, halves = decode_marked(body, _Sent[msgspec.Raw], what)
    page = _page([sent.data], sent, kind, halves)
    page.odd = [replace(one, kind=kind, id=record_id) for one in page.odd]
    if page.data and page.data[0].id != record_id:
        page.odd, page.data = [Odd(kind, record_id, bytes(sent.data), "it is another record")], []
    return page.of(kind)


class _Sent(msgspec.Struct, Generic[Data]):
    data: Data
    included: list[msgspec.Raw] = []
    links: _Links = msgspec.field(default_factory=_Links)


def _page(data: list[msgspec.Raw], sent: _Sent[Any], kind: str, halves: bool) -> ResourcePage:
    found = [_read(one, kind, halves) for one in data]
    included = [_read(one, "", halves) for one in sent.included]
    return ResourcePage(
        [one for one in found if isinstance(one, Resource)],
        [one for one in included if isinstance(one, Resource)],
        sent.links,
        [one for one in found if isinstance(one, Odd)],
        [one for one in included if isinstance(one, Odd)],
    )


def _read(record: msgspec.Raw, kind: str, halves: bool) -> Resource | Odd:
    """A record, or what can be known of one that is none; `kind` is what it was asked for as."""
    try:
        found = decode(record, Resource, "it")
    except ContractError as error:
        return Odd(kind or _text(record, "type"), _text(record, "id") or None, bytes(record), error.message)
    if not found.id:
        return Odd(kind or found.type, None, bytes(record), "an empty id names no record")
    if halves and _HALF.search(found.id):
        return Odd(kind or found.type, None, bytes(record), "its id holds half of a character")
    found.halves = halves and _HALF.search(canonical(found.attributes).decode()) is not None
    return found


def _told_halves(value: Any) -> Any:
    """A value whose texts with half an emoji are no texts: so they are set aside, and told."""
    if isinstance(value, dict):
        return {name: _told_halves(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_told_halves(one) for one in value]
    if isinstance(value, str) and _HALF.search(value):
        return Misplaced(half_of_a_character=_HALF.sub("\ufffd", value))
    return value


def _text(record: msgspec.Raw, name: str) -> str:
    """A member of whatever was sent; empty when it is no text."""
    try:
        return decode(decode(record, dict[str, msgspec.Raw], "it").get(name, b"null"), str, "it")
    except ContractError:
        return ""


def _each_once(records: list[Resource]) -> list[Resource]:
    found: dict[tuple[str, str], Resource] = {}
    for one in records:
        held = found.setdefault((one.type, one.id), one)
        if held is not one and is_newer(
            _changed(held),
            _changed(one),
            equal=_content(held) == _content(one),
            what=f"one page holds {one.type[:40]} {one.id[:80]} twice",
        ):
            found[one.type, one.id] = one
    return list(found.values())


def _changed(one: Resource) -> Any:
    said = one.said()
    return moment_of(dig(said, "updated_at") or dig(said, "updated"))


def _content(one: Resource) -> tuple[bytes, bytes]:
    return canonical(one.attributes), canonical(one.relationships)
