"""Errors keep their code, reason and message on the wire, and leak no exception text, secret or path."""

from __future__ import annotations

import logging
import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest

from weathervane.lake import (
    BusyError,
    ConflictingRowsError,
    CorruptedError,
    LakeClient,
    LakeError,
    NotFoundError,
    OutcomeUnknownError,
    RejectedError,
    StaleCheckpointError,
    TableRef,
    WriteMode,
    WriteSpec,
)
from weathervane.lake._errors import from_remote
from weathervane.lake.server.delta import Tables
from weathervane.lake.testing import running_lake
from weathervane.rpc import RemoteError, ServerSettings, Service, StatusError, from_rpc_error, running_server

CANARY = "canary-shpat_5f2e-in-/secret/path"
SHAPES = {
    "unary_unary": (grpc.unary_unary_rpc_method_handler, False, False),
    "stream_unary": (grpc.stream_unary_rpc_method_handler, True, False),
    "unary_stream": (grpc.unary_stream_rpc_method_handler, False, True),
    "stream_stream": (grpc.stream_stream_rpc_method_handler, True, True),
}


@contextmanager
def failing(shape: str, error: Exception, answers: int = 0) -> Iterator[Callable[[], Any]]:
    """A real server with one method of this kind that answers a few times and then raises; yields a function to call
    it.
    """
    make, streams_in, streams_out = SHAPES[shape]

    async def once(request: Any, context: Any) -> bytes:
        raise error

    async def many(request: Any, context: Any) -> AsyncIterator[bytes]:
        for _ in range(answers):
            yield b"answer"
        raise error

    handlers = grpc.method_handlers_generic_handler(
        "test.Failing", {"Call": make(many if streams_out else once)}
    )
    service = Service("test.Failing", lambda server: server.add_generic_rpc_handlers((handlers,)))
    with (
        running_server([service], ServerSettings(grace_seconds=1), domain="test") as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        call = getattr(channel, shape)("/test.Failing/Call")

        def ask() -> Any:
            answer = call(iter([b"x"]) if streams_in else b"x", timeout=10)
            return list(answer) if streams_out else answer

        yield ask


@pytest.mark.parametrize("answers", [0, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_an_exceptions_text_stays_in_the_log(
    shape: str, answers: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller gets INTERNAL with an incident number, and the log has the text under that number."""
    with (
        failing(shape, ValueError(CANARY), answers) as call,
        caplog.at_level(logging.ERROR),
        pytest.raises(grpc.RpcError) as caught,
    ):
        call()
    error = from_rpc_error(caught.value)
    assert (error.code, error.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    told: Any = caught.value
    everything = f"{told} {told.details()} {told.trailing_metadata()} {told.initial_metadata()}"
    assert CANARY not in everything
    assert "ValueError" not in everything
    incident = error.metadata["incident"]
    assert incident in error.message
    assert any(incident in record.message and CANARY in (record.exc_text or "") for record in caplog.records)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_a_refusal_arrives_as_it_was_meant(shape: str, code: grpc.StatusCode) -> None:
    """Code, reason, message and metadata, in every kind of call and with every code."""
    sent = StatusError(code, "SOME_REASON", "what happened to 'é'", {"table": "acme/orders"})
    with failing(shape, sent) as call, pytest.raises(grpc.RpcError) as caught:
        call()
    got = from_rpc_error(caught.value)
    assert (got.code, got.reason, got.message, got.metadata) == (
        code,
        sent.reason,
        sent.message,
        sent.metadata,
    )


@pytest.mark.parametrize("text", ["x", "é", "😀", "\n", "\x00"], ids=ascii)
def test_a_long_message_does_not_lose_its_status(text: str) -> None:
    """A call is dropped if its metadata is too long, and its reason is lost, so the message is cut."""
    sent = StatusError(
        grpc.StatusCode.FAILED_PRECONDITION, "LONG", text * 5_000, {"a": text * 5_000, "b": text * 5_000}
    )
    with failing("unary_unary", sent) as call, pytest.raises(grpc.RpcError) as caught:
        call()
    got = from_rpc_error(caught.value)
    assert (got.code, got.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "LONG")
    assert got.message.startswith(text * 100)
    assert len(got.message.encode()) <= 1_200


@pytest.mark.parametrize("code", list(grpc.StatusCode), ids=lambda code: code.name)
def test_every_status_code_is_a_kind_of_lake_error(code: grpc.StatusCode) -> None:
    """Otherwise an unexpected status would raise a KeyError."""
    if code is grpc.StatusCode.OK:
        # No call fails with it.
        return
    error = from_remote(RemoteError(code, "", "words"), "acme/orders")
    assert isinstance(error, LakeError)
    assert str(error).startswith("acme/orders: ")
    assert error.retriable is isinstance(error, BusyError)
    assert error.reason == code.name


ORDERS = TableRef("acme", "orders")
SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False)])
ROWS = pa.record_batch([pa.array([1, 2])], schema=SCHEMA)


def spec(write_id: str = "w", **how: Any) -> WriteSpec:
    """An upsert into `acme/orders`."""
    return WriteSpec(ORDERS, write_id, WriteMode.UPSERT, SCHEMA, unique_keys=("id",), **how)


def rejected(lake: LakeClient, folder: Path) -> None:
    """Reads a column that does not exist."""
    lake.write(spec(), [ROWS])
    lake.read(ORDERS, columns=["nope"])


def stale(lake: LakeClient, folder: Path) -> None:
    """Writes with a checkpoint that another run has moved since."""
    lake.write(spec(), [ROWS], checkpoint="one")
    lake.begin(spec("w2", check_checkpoint=True, expected_checkpoint="zero"))


def corrupted(lake: LakeClient, folder: Path) -> None:
    """Asks for a checkpoint whose commit file is empty."""
    lake.write(spec(), [ROWS], checkpoint="one")
    log = folder / "acme/orders/_delta_log/00000000000000000001.json"
    lines = [line for line in log.read_text().splitlines() if "commitInfo" not in line]
    log.write_text("\n".join(lines))
    lake.checkpoint(ORDERS)


def lost_file(lake: LakeClient, folder: Path) -> None:
    """Reads a table of which a data file is missing."""
    lake.write(spec(), [ROWS])
    for file in (folder / "acme/orders").glob("*.parquet"):
        file.unlink()
    lake.read(ORDERS).read_all()


def away(lake: LakeClient, folder: Path) -> None:
    """Calls an address where no server listens."""
    with LakeClient("127.0.0.1:1") as nobody:
        nobody.write(spec(), [ROWS])


@pytest.mark.parametrize(
    ("provoke", "kind", "reason"),
    [
        (rejected, RejectedError, "UNKNOWN_COLUMN"),
        (stale, StaleCheckpointError, "STALE_CHECKPOINT"),
        (lambda lake, folder: lake.describe(ORDERS), NotFoundError, "NO_TABLE"),
        (corrupted, CorruptedError, "DAMAGED_TABLE"),
        (lost_file, CorruptedError, "DAMAGED_TABLE"),
        (away, BusyError, "UNAVAILABLE"),
    ],
    ids=["rejected", "stale", "not found", "corrupted", "lost file", "away"],
)
def test_every_kind_of_error_comes_from_something_real(
    provoke: Callable[[LakeClient, Path], Any], kind: type[LakeError], reason: str, tmp_path: Path
) -> None:
    """The message begins with the table, names no folder of the server, and the error survives pickling."""
    with running_lake(tmp_path) as lake, pytest.raises(LakeError, match="acme/orders") as caught:
        provoke(lake, tmp_path)
    error = caught.value
    assert (type(error), error.reason) == (kind, reason)
    assert str(tmp_path) not in f"{error} {error.metadata}"
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.reason, copy.metadata) == (
        kind,
        str(error),
        error.reason,
        error.metadata,
    )


BROKEN: dict[str, Callable[[LakeClient], Any]] = {
    "write": lambda lake: lake.write(spec(), [ROWS]),
    "get_write": lambda lake: lake.get_write(ORDERS, "w"),
    "describe": lambda lake: lake.describe(ORDERS),
    "checkpoint": lambda lake: lake.checkpoint(ORDERS),
    "read": lambda lake: lake.read(ORDERS),
    "tables": lambda lake: list(lake.tables("acme")),
}


@pytest.mark.parametrize("error", [ValueError, KeyError, RuntimeError, OSError, pa.ArrowInvalid, MemoryError])
@pytest.mark.parametrize("call", BROKEN)
def test_no_call_of_the_lake_tells_what_broke_inside(
    call: str,
    error: type[Exception],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The texts of bugs and of libraries are only logged, because they may contain paths, SQL or secrets."""

    def broken(*_: object) -> None:
        raise error(CANARY)

    with running_lake(tmp_path) as lake:
        monkeypatch.setattr(Tables, "names" if call == "tables" else "open", broken)
        with caplog.at_level(logging.ERROR), pytest.raises(LakeError) as caught:
            BROKEN[call](lake)
    # What only the rows can be to blame for would fail again.
    assert caught.value.retriable is (error is not pa.ArrowInvalid)
    assert CANARY not in f"{caught.value} {caught.value.metadata}"
    assert any(CANARY in (record.exc_text or "") for record in caplog.records)


def test_kinds_say_whether_to_send_again() -> None:
    """Lists the whole tree, so that a new class must be considered here."""
    retriable = {kind: kind.retriable for kind in _kinds(LakeError)}
    assert retriable == {
        RejectedError: False,
        StaleCheckpointError: False,
        ConflictingRowsError: False,
        NotFoundError: False,
        CorruptedError: False,
        BusyError: True,
        OutcomeUnknownError: True,
    }


def _kinds(root: type[LakeError]) -> set[type[LakeError]]:
    return {kind for child in root.__subclasses__() for kind in (child, *_kinds(child))}
