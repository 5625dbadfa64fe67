"""LakeWriterService: each method converts its request, calls the writer off the event loop, and converts the answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any, TypeVar

import grpc
import pyarrow as pa

from weathervane.lake import _convert as convert
from weathervane.lake._arrow import MAX_READ_BYTES, encode_batches, encode_schema
from weathervane.lake._model import (
    QUARANTINE_SCHEMA,
    CommitRequest,
    WriteResult,
    WriteSpec,
    check_name,
    check_write_id,
)
from weathervane.lake.server.admission import precondition
from weathervane.lake.server.calls import named, off_loop, page, refuse
from weathervane.lake.server.frames import FrameError, decode_batch, decode_schema
from weathervane.lake.server.reads import Reads
from weathervane.lake.server.settings import LakeSettings
from weathervane.lake.server.staging import Staged
from weathervane.lake.server.upsert import Received
from weathervane.lake.server.writer import LakeWriter
from weathervane.lake.v1 import lake_writer_pb2 as pb
from weathervane.lake.v1 import lake_writer_pb2_grpc as pb_grpc
from weathervane.rpc import StatusError

_Context = grpc.aio.ServicerContext[Any, Any]
_T = TypeVar("_T")


class LakeWriterServicer(pb_grpc.LakeWriterServiceServicer):
    """The methods are documented in `lake_writer.proto`."""

    def __init__(self, writer: LakeWriter, settings: LakeSettings) -> None:
        self._writer = writer
        self._settings = settings
        self._receiving = 0
        self._closing: set[asyncio.Future[None]] = set()
        self._reads = Reads(settings)
        self._merges = ThreadPoolExecutor(settings.max_concurrent_merges, "lake-merge")

    async def Write(
        self, requests: AsyncIterator[pb.WriteRequest], context: _Context
    ) -> AsyncIterator[pb.WriteResponse]:
        """Receives one write, frame by frame, and commits it."""
        if self._receiving >= self._settings.max_concurrent_writes:
            raise StatusError(
                grpc.StatusCode.UNAVAILABLE,
                "TOO_MANY_WRITES",
                f"{self._receiving} writes are in progress here, which is this server's limit; come back",
            )
        self._receiving += 1
        files = _Files()
        with ExitStack() as held:
            held.callback(self._release, files)
            async for response in self._write(requests, files, held):
                yield response

    def _release(self, files: _Files) -> None:
        """Closes an upload's files and then frees its place.

        It runs in a task of its own, because a call that is cancelled, or whose generator is dropped, cannot await.
        """
        task = asyncio.ensure_future(files.close())
        self._closing.add(task)
        task.add_done_callback(self._released)

    def _released(self, task: asyncio.Future[None]) -> None:
        self._closing.discard(task)
        self._receiving -= 1

    async def _write(
        self, requests: AsyncIterator[pb.WriteRequest], files: _Files, held: ExitStack
    ) -> AsyncIterator[pb.WriteResponse]:
        first = await self._next(requests)
        if not first.HasField("header"):
            refuse("NO_HEADER", "the first message of a write is its header")
        spec = await off_loop(lambda: self._spec(first.header))
        features = list(first.header.required_features)
        committed = await off_loop(lambda: self._writer.admit(spec))
        # Before the acknowledgement, which means that there is room for the frames.
        upload = await files.work(lambda: _Upload(spec, self._settings, files.held))
        yield _acknowledge(-1, committed, features)
        while True:
            request = await self._next(requests)
            if request.HasField("header"):
                refuse("SECOND_HEADER", "a write has one header")
            if request.HasField("commit"):
                break
            await files.work(partial(upload.take, request.frame))
            yield _acknowledge(request.frame.sequence)
        commit = convert.commit_from_wire(request.commit)
        received = await files.work(lambda: upload.finish(request.commit))
        # The commit must finish even if the caller is gone, who may ask for the outcome later.
        result = await asyncio.shield(self._commit(held.pop_all(), spec, received, commit))
        yield pb.WriteResponse(receipt=convert.result_to_wire(result))

    async def _commit(
        self, held: ExitStack, spec: WriteSpec, received: Received, commit: CommitRequest
    ) -> WriteResult:
        """Commits when it is this write's turn at its table. Until then it keeps its staged rows and its place."""
        with held, self._writer.in_progress(spec):
            async with self._writer.turns.take(spec.table):
                return await off_loop(lambda: self._writer.commit(spec, received, commit), self._merges)

    async def GetWrite(self, request: pb.GetWriteRequest, context: _Context) -> pb.GetWriteResponse:
        """Returns the state of a write."""
        table = named(lambda: convert.table_from_wire(request.table))
        write_id = named(lambda: check_write_id(request.write_id))
        return convert.status_to_wire(await off_loop(lambda: self._writer.status(table, write_id)))

    async def DescribeTable(
        self, request: pb.DescribeTableRequest, context: _Context
    ) -> pb.DescribeTableResponse:
        """Describes a table."""
        table = named(lambda: convert.table_from_wire(request.table))
        description = await off_loop(lambda: self._writer.describe(table))
        return pb.DescribeTableResponse(table=convert.description_to_wire(description))

    async def ListTables(self, request: pb.ListTablesRequest, context: _Context) -> pb.ListTablesResponse:
        """Lists a tenant's tables."""
        tenant = named(lambda: check_name("tenant", request.tenant))
        tables = {table.dataset: table for table in await off_loop(lambda: self._writer.tables(tenant))}
        names, token = page(list(tables), request.page_size, request.page_token)
        return pb.ListTablesResponse(
            tables=[convert.table_to_wire(tables[name]) for name in names], next_page_token=token
        )

    async def GetCheckpoint(
        self, request: pb.GetCheckpointRequest, context: _Context
    ) -> pb.GetCheckpointResponse:
        """Reads a table's checkpoint."""
        table = named(lambda: convert.table_from_wire(request.table))
        checkpoint = await off_loop(lambda: self._writer.checkpoint(table))
        return pb.GetCheckpointResponse(checkpoint=checkpoint.value, table_version=checkpoint.table_version)

    async def ListPositions(
        self, request: pb.ListPositionsRequest, context: _Context
    ) -> pb.ListPositionsResponse:
        """Lists the positions of a table's partitions."""
        table = named(lambda: convert.table_from_wire(request.table))
        choose = partial(page, size=request.page_size, token=request.page_token)
        positions, token, version = await off_loop(lambda: self._writer.positions(table, choose))
        return pb.ListPositionsResponse(
            positions=[pb.Position(partition=name, checkpoint=kept) for name, kept in positions.items()],
            next_page_token=token,
            table_version=version,
        )

    async def ReadTable(
        self, request: pb.ReadTableRequest, context: _Context
    ) -> AsyncIterator[pb.ReadTableResponse]:
        """Streams a table's rows."""
        spec = named(lambda: convert.read_from_wire(request))
        async with await self._reads.begin(spec.table) as read:
            schema, batches = await read.work(lambda: self._writer.read(spec))
            yield pb.ReadTableResponse(arrow_schema=encode_schema(schema))
            while (batch := await read.work(lambda: next(batches, None))) is not None:
                for message, _ in encode_batches(batch, largest=MAX_READ_BYTES):
                    yield pb.ReadTableResponse(record_batch=message)

    async def _next(self, requests: AsyncIterator[pb.WriteRequest]) -> pb.WriteRequest:
        try:
            return await asyncio.wait_for(anext(requests), self._settings.idle_seconds)
        except StopAsyncIteration:
            # A killed client looks the same, so only a commit message commits.
            raise FrameError(
                "the stream ended without a commit message; nothing was committed", "NO_COMMIT"
            ) from None
        except TimeoutError:
            raise StatusError(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                "IDLE",
                f"nothing was sent for {self._settings.idle_seconds:g} s; nothing was committed",
            ) from None

    def _spec(self, header: pb.WriteHeader) -> WriteSpec:
        if unknown := set(header.required_features) - _FEATURES:
            raise precondition(
                "UNKNOWN_FEATURE",
                f"this lake writer does not know {sorted(unknown)[0][:80]!r}, which the write needs; deploy a newer"
                " weathervane-lake-writer before the sources that need it",
            )
        schema = decode_schema(header.arrow_schema, max_columns=self._settings.max_columns)
        try:
            return named(lambda: convert.spec_from_wire(header, schema))
        except KeyError:
            refuse("BAD_MODE", "the write's mode is not one of append, upsert, replace_window")


class _Files:
    """The files of one upload. All work on them is in threads, so that a disk which hangs does not block other calls.

    When a call is cancelled, its thread continues and may create another file; `close` waits for the thread.
    """

    def __init__(self) -> None:
        self.held = ExitStack()
        self._last: asyncio.Future[Any] | None = None

    async def work(self, job: Callable[[], _T]) -> _T:
        """Runs one job in a thread. The next may be started when it has returned."""
        self._last = last = asyncio.ensure_future(off_loop(job))
        return await asyncio.shield(last)

    async def close(self) -> None:
        """Waits for the last job and closes the files."""
        try:
            if self._last is not None:
                await asyncio.wait([self._last])
            await off_loop(self.held.close)
        finally:  # also if the server ends and this task is cancelled
            self.held.close()


_FEATURES = frozenset({convert.PARTITIONS})
# The kind of rows that were made from changes, which are staged separately; no frame has this number.
_CHANGES = -1


class _Upload:
    """Checks and stages the frames of one write, in their order."""

    def __init__(self, spec: WriteSpec, settings: LakeSettings, stack: ExitStack) -> None:
        members = spec.window.member_columns if spec.window else ()
        self._settings = settings
        self._schemas: dict[int, pa.Schema] = {
            pb.FRAME_KIND_ROWS: spec.schema,
            pb.FRAME_KIND_QUARANTINE: QUARANTINE_SCHEMA,
            pb.FRAME_KIND_VALUES: QUARANTINE_SCHEMA,
            _CHANGES: spec.schema,
        }
        if members:
            self._schemas[pb.FRAME_KIND_MEMBERS] = pa.schema([spec.schema.field(name) for name in members])
        self._staged = {
            kind: stack.enter_context(Staged(schema, settings.staging))
            for kind, schema in self._schemas.items()
        }
        self._hash = hashlib.sha256()
        self._kinds = hashlib.sha256()
        self._frames = 0
        self._bytes = 0

    def take(self, frame: pb.Frame) -> None:
        if frame.sequence != self._frames:
            raise FrameError(f"frame {self._frames} was due and {frame.sequence} came", "OUT_OF_SEQUENCE")
        kind = _CHANGES if frame.laid_over and frame.kind == pb.FRAME_KIND_ROWS else frame.kind
        if kind not in self._schemas or frame.kind == _CHANGES:
            refuse(
                "BAD_FRAME_KIND", f"frame {frame.sequence}: this write takes no frames of kind {frame.kind}"
            )
        batch = decode_batch(frame.record_batch, self._schemas[kind], max_rows=self._settings.max_frame_rows)
        self._frames += 1
        self._bytes += len(frame.record_batch)
        rows = batch.num_rows + sum(staged.num_rows for staged in self._staged.values())
        if self._bytes > self._settings.max_write_bytes or rows > self._settings.max_write_rows:
            raise StatusError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "WRITE_TOO_LARGE",
                f"a write is at most {self._settings.max_write_bytes:,} bytes and"
                f" {self._settings.max_write_rows:,} rows here; cut the run into smaller slices",
            )
        self._hash.update(frame.record_batch)
        self._kinds.update(b"%d," % kind)
        self._staged[kind].append(batch)

    def finish(self, commit: pb.WriteCommit) -> Received:
        rows, aside, values, changes = (
            self._staged[kind]
            for kind in (pb.FRAME_KIND_ROWS, pb.FRAME_KIND_QUARANTINE, pb.FRAME_KIND_VALUES, _CHANGES)
        )
        sent = (commit.frame_count, commit.row_count, commit.quarantined_count, commit.value_count)
        came = (self._frames, rows.num_rows + changes.num_rows, aside.num_rows, values.num_rows)
        if sent != came or commit.sha256 != self._hash.digest():
            raise FrameError(
                f"(frames, rows, quarantined, values) sent {sent} and came {came}"
                + (" with another checksum" if sent == came else "")
                + "; nothing was committed",
                "INCOMPLETE",
            )
        members = self._staged.get(pb.FRAME_KIND_MEMBERS)
        return Received(
            pa.concat_tables([rows.table(), changes.table()]),
            aside.table(),
            members.table() if members else None,
            values.table(),
            changes.num_rows,
            self._kinds.hexdigest(),
        )


def _acknowledge(
    sequence: int, already_committed: bool = False, features: Sequence[str] = ()
) -> pb.WriteResponse:
    return pb.WriteResponse(
        acknowledgement=pb.Acknowledgement(
            sequence=sequence, already_committed=already_committed, features=features
        )
    )
