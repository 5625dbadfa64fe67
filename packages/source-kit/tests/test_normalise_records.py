"""An answer is cut into records byte for byte, and an answer that lost its data never looks empty."""

from __future__ import annotations

import msgspec
import pytest

from weathervane.source._errors import ContractError, UnavailableError
from weathervane.source._table.records import cut_record, split_lines, split_records


class PageInfo(msgspec.Struct, rename="camel"):
    """A part of a page."""

    has_next_page: bool
    end_cursor: str | None = None


class Orders(msgspec.Struct, rename="camel"):
    """A part of a page."""

    page_info: PageInfo


class Data(msgspec.Struct):
    """A part of a page."""

    orders: Orders


class Page(msgspec.Struct):
    """The remainder of a page."""

    data: Data


class Chunk(msgspec.Struct, rename="camel"):
    """The remainder of one chunk of a stream."""

    request_id: str


def test_records_stay_the_bytes_that_were_sent() -> None:
    """Spaces, the order of members and the way a number is written reach the quarantine as they came."""
    body = b"""{"data":{"orders":{"nodes":[{"b" : 1.10,"a":2}, {"c":[]}],
        "pageInfo":{"hasNextPage":true,"endCursor":"x"}}}}"""
    records, page = split_records(body, "data.orders.nodes", Page)
    assert records == [b'{"b" : 1.10,"a":2}', b'{"c":[]}']
    assert page.data.orders.page_info == PageInfo(has_next_page=True, end_cursor="x")


@pytest.mark.parametrize("record", [b'{"b" : 1.10,"a":"cut \\ud83d"}', b"null", b"5", b'"\\ue03d"'])
def test_one_record_stays_the_bytes_that_were_sent(record: bytes) -> None:
    """Half an emoji too, which is `normalise`'s to set aside."""
    body = b'{"data":{"order":' + record + b'},"extensions":"\\ud83d"}'
    assert cut_record(body, "data.order") == record


@pytest.mark.parametrize("body", [b'{"data":{}}', b'{"data":null}', b"[]", b'{"data":[{"order":1}]}'])
def test_an_answer_without_its_record_is_none(body: bytes) -> None:
    """What is missing is not null."""
    with pytest.raises(ContractError, match="the answer with"):
        cut_record(body, "data.order")


def test_a_stream_of_chunks_is_one_list_of_records() -> None:
    """Google Ads sends a list of chunks, and a chunk without rows has no list."""
    body = b"""[{"results":[{"a":1}],"requestId":"r"},{"requestId":"r"},
        {"results":[{"a":2},{"a":3}],"requestId":"r"}]"""
    records, chunks = split_records(body, "[].results", list[Chunk], missing_ok=True)
    assert records == [b'{"a":1}', b'{"a":2}', b'{"a":3}']
    assert [chunk.request_id for chunk in chunks] == ["r", "r", "r"]
    assert split_records(b"[]", "[].results")[0] == []


def test_an_empty_list_is_an_empty_page() -> None:
    """Meta answers `{"data":[]}` when there is nothing."""
    assert split_records(b'{"data":[]}', "data")[0] == []


@pytest.mark.parametrize("body", [b"{}", b'{"data":null}', b'{"data":{}}', b'{"data":{"orders":null}}'])
def test_an_answer_without_its_list_is_not_an_empty_page(body: bytes) -> None:
    """A 200 that lost its data must not end as "nothing new"."""
    with pytest.raises(ContractError, match=r"no list at 'data\.orders'"):
        split_records(body, "data.orders")
    assert split_records(body, "data.orders", missing_ok=True)[0] == []


@pytest.mark.parametrize("body", [b'{"data":7}', b'{"data":{"a":1}}', b"[]", b'"x"', b"null"])
def test_an_answer_of_another_shape_breaks_the_contract(body: bytes) -> None:
    """Another JSON type than promised is named with the place that was looked at."""
    with pytest.raises(ContractError, match="'data'"):
        split_records(body, "data")


@pytest.mark.parametrize(
    "body", [b"", b'{"data":[{"a":1}', b"<html>secret-token</html>", b'{"data":["\xff"]}x']
)
def test_an_answer_that_is_no_json_may_come_right_later(body: bytes) -> None:
    """A body that was cut short or written by a proxy is retriable, and its content is in no message."""
    with pytest.raises(UnavailableError, match="is not JSON") as caught:
        split_records(body, "data")
    assert "secret-token" not in str(caught.value)


@pytest.mark.parametrize("depth", [2_000, 100_000])
@pytest.mark.parametrize("pair", [(b"[", b"]"), (b'{"a":', b"}")])
def test_any_depth_is_refused_and_never_a_crash(depth: int, pair: tuple[bytes, bytes]) -> None:
    """A hundred thousand levels end in an error of ours, not of the interpreter."""
    body = b'{"data":[' + pair[0] * depth + b"1" + pair[1] * depth + b"]}"
    with pytest.raises(ContractError, match="nested too deeply"):
        split_records(body, "data")


def test_only_a_line_feed_ends_a_line() -> None:
    """Other line ends stand inside of JSON text, and blank lines hold no record."""
    assert split_lines(b'{"a":"\xe2\x80\xa8"}\r\n\n \n{"b":1}') == [b'{"a":"\xe2\x80\xa8"}\r', b'{"b":1}']
