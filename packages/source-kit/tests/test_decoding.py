"""The guarded way in: whatever the bytes and texts are, out comes a value or an error that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from weathervane.source import (
    ContractError,
    SourceError,
    UnavailableError,
    decode,
    parse_amount,
    parse_time,
    parse_vendor_day,
    parse_zone,
)


class _Part(msgspec.Struct):
    amount: Decimal | None = None
    count: int | None = None
    share: float | None = None
    text: str | None = None
    day: date | None = None
    at: datetime | None = None
    parts: list[_Part] = []


class _Body(msgspec.Struct, tag_field="type", tag="body"):
    data: _Part


KINDS: list[Any] = [
    _Part,
    _Body,
    list[msgspec.Raw],
    dict[str, str],
    msgspec.Raw,
    object,
    Decimal,
    str,
    list[_Part],
]
JUNK = [
    b"",
    b"null",
    b"5",
    b"1e400",
    b"NaN",
    b"-0",
    b'"\xff"',
    b'"\\ud800"',
    b"9" * 5_000,
    b"1" * 5_000 + b".5",
]
JUNK += [
    b"[" * 100_000,
    b'{"parts":' * 100_000,
    b"\xef\xbb\xbf{}",
    b"\x00",
    b"<html>",
    b'"0000-01-01"',
    b'{"a":',
]
JUNK += [b"1e99999999999999999999", b'{"type":"secret"}', b'{"at":"2026-01-01T00:00:00"}', b'"10000-01-01"']


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(KINDS),
    st.binary(max_size=40)
    | st.sampled_from(JUNK)
    | st.builds(
        lambda name, junk, end: b'{"' + name.encode() + b'":' + junk + end,
        st.sampled_from(["amount", "count", "share", "text", "day", "at", "parts", "data", "other"]),
        st.sampled_from(JUNK),
        st.sampled_from([b"}", b"", b"}}"]),
    ),
)
@example(_Part, b"[" * 100_000)
@example(dict[str, int], b'{"a":' + b"9" * 5_000 + b"}")
def test_any_bytes_are_a_value_or_a_source_error(kind: Any, body: bytes) -> None:
    """No library's own error comes through, and none that does says what stood there."""
    found: SourceError | None = None
    try:
        decode(body, kind, "the answer")
    except (ContractError, UnavailableError) as error:
        found = error
    if found is not None:
        assert found.reason in ("MALFORMED_JSON", "UNEXPECTED_JSON", "JSON_TOO_DEEP")
        assert (found.__cause__, found.__context__) == (None, None)  # a decoder's error holds the body
        assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("body", "kind", "error", "reason"),
    [
        (b"<html>busy</html>", _Part, UnavailableError, "MALFORMED_JSON"),
        (b'{"count":"x","text":"cu', _Part, UnavailableError, "MALFORMED_JSON"),
        (b'{"text":"\xff"}', _Part, UnavailableError, "MALFORMED_JSON"),
        ('{"text":"\ud800"}', _Part, UnavailableError, "MALFORMED_JSON"),
        (b"5", _Part, ContractError, "UNEXPECTED_JSON"),
        (b'{"count":"x"}', _Part, ContractError, "UNEXPECTED_JSON"),
        (b'{"share":1e400}', _Part, ContractError, "UNEXPECTED_JSON"),
        (b'{"parts":' * 50_000, _Part, ContractError, "JSON_TOO_DEEP"),
    ],
)
def test_the_error_says_whether_to_ask_again(
    body: Any, kind: Any, error: type[SourceError], reason: str
) -> None:
    """What is no JSON was spoilt on its way; JSON of another kind is a contract that was broken."""
    with pytest.raises(error, match=r"^the page") as caught:
        decode(body, kind, "the page")
    assert caught.value.reason == reason


def test_an_unexpected_value_is_located_and_not_shown() -> None:
    """Where it stands leads to the place in the vendor's documentation; what stands there may be a person's name."""
    with pytest.raises(ContractError, match=r"at `\$\.data\.count`") as caught:
        decode(b'{"type":"body","data":{"count":"Jane"}}', _Body, "the page")
    assert "Jane" not in str(caught.value)
    with pytest.raises(ContractError) as caught:
        decode(b'{"type":"Jane","data":{}}', _Body, "the page")
    assert "Jane" not in str(caught.value)


def test_what_fits_is_read() -> None:
    """From bytes, from text, and from a part that was kept raw."""
    raw = decode(b'[{"count":3}]', list[msgspec.Raw], "the list")[0]
    assert decode(raw, _Part, "a part").count == decode('{"count":3}', _Part, "a part").count == 3


Parse = Callable[[Any, str], object]


@pytest.mark.parametrize(
    ("parse", "good", "value"),
    [
        (parse_zone, "Europe/Berlin", "Europe/Berlin"),
        (parse_vendor_day, "2026-02-28", "2026-02-28"),
        (parse_time, "2026-11-02T10:14:07+01:00", "2026-11-02 09:14:07+00:00"),
        (parse_time, "2026-11-02T09:14:07+0000", "2026-11-02 09:14:07+00:00"),
        (parse_amount, "-12.50", "-12.50"),
        (parse_amount, 7, "7"),
        (parse_amount, Decimal("1.5E+3"), "1.5E+3"),
    ],
)
def test_a_text_that_is_one_is_read(parse: Parse, good: Any, value: str) -> None:
    """As it stands."""
    assert str(parse(good, "it")) == value


BAD: dict[Parse, list[Any]] = {
    parse_zone: ["", "Mars/Base", "America", "/etc/passwd", "../UTC", "a\0b", "x" * 5_000, "\ud800", None, 5],
    parse_vendor_day: [
        "",
        "20260715",
        "2026-W01-1",
        "2026-02-30",
        "0000-01-01",
        "10000-01-01",
        "2026-07-15T00:00:00Z",
    ],
    parse_time: [
        "",
        "soon",
        "2026-07-15",
        "2026-07-15T00:00:00",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
    ],
    parse_amount: [
        "",
        "NaN",
        "Infinity",
        "1_000",
        "1,5",
        " 1",
        "1e99999999999999999999",
        "9" * 500,
        10**5_000,
        1.5,
    ],
}
BAD[parse_vendor_day] += ["\uff12026-07-15", " 2026-07-15", "2026-07-15\n", None, 20260715]
BAD[parse_time] += ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", None, 1_700_000_000]
BAD[parse_amount] += ["٣", "0x1F", "--1", ".", True, None, Decimal("NaN"), Decimal("sNaN"), Decimal("1e5000")]


@pytest.mark.parametrize("parse", list(BAD))
def test_a_text_that_is_none_breaks_the_contract(parse: Parse) -> None:
    """It is named, briefly, and never ends a run as a fault of ours."""
    for bad in BAD[parse]:
        with pytest.raises(ContractError, match=r"^the shop's field ") as caught:
            parse(bad, "the shop's field")
        assert len(str(caught.value)) < 300
        assert caught.value.__context__ is None


@given(st.text(max_size=30) | st.from_regex(r"[0-9]{1,5}-[0-9]{2}-[0-9]{2}(T[0-9:]{8}(Z|[+-][0-9]{4})?)?"))
def test_any_text_is_a_value_or_breaks_the_contract(text: str) -> None:
    """Whatever a vendor writes; a time comes in UTC."""
    for parse in BAD:
        try:
            value: Any = parse(text, "it")
        except ContractError:
            continue
        if isinstance(value, datetime):
            assert value.tzinfo is UTC
