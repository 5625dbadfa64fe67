"""The errors of the lake's clients, one class for each thing that a caller can do about a failure.

Exception
└── LakeError                    message, reason and metadata of the server's answer
    ├── RejectedError            the request is wrong; sending it again will fail again
    │   ├── StaleCheckpointError another run has moved the table's checkpoint since this one read it
    │   └── ConflictingRowsError the write holds different rows under one key
    ├── NotFoundError            no such table or version
    ├── CorruptedError           frames or stored data are damaged or incomplete
    ├── BusyError                the server cannot do it now: send the same write again
    └── OutcomeUnknownError      the answer was lost: ask `get_write`, or send the same write again
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from weathervane.rpc import RemoteError


class LakeError(Exception):
    """A call to the lake failed. `reason` is stable, for programs; `message` is for people and may change."""

    retriable = False
    """Whether the same call may succeed later."""

    def __init__(self, message: str, *, reason: str = "", metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.metadata = dict(metadata or {})

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.reason, self.metadata)


def _rebuild(kind: type[LakeError], message: str, reason: str, metadata: dict[str, str]) -> LakeError:
    return kind(message, reason=reason, metadata=metadata)


class RejectedError(LakeError):
    """The request is wrong or does not fit the table; sending it again will fail again."""


class StaleCheckpointError(RejectedError):
    """Another run has moved the table's checkpoint since this one read it; start again from the new checkpoint."""


class ConflictingRowsError(RejectedError):
    """The write holds different rows under one key, of which all but one would be lost. Nothing was committed.

    `metadata` has the key (`row_key`, as `row_keys` writes it) and the columns in which two of the rows differ
    (`columns`, separated by commas).
    """


class NotFoundError(LakeError):
    """The table or the version does not exist."""


class CorruptedError(LakeError):
    """Frames were missing, out of order or corrupt, a control total differs, or stored data cannot be read."""


class BusyError(LakeError):
    """The server is full, draining or unreachable, or its storage failed. This call committed nothing; send the same
    write again, with the same id.
    """

    retriable = True


class OutcomeUnknownError(LakeError):
    """The write was sent completely and its answer was lost, so it may be in the table. Ask `get_write`, or send the
    same write again with the same id: it is applied at most once.
    """

    retriable = True


_KINDS: Mapping[grpc.StatusCode, type[LakeError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: RejectedError,
    grpc.StatusCode.FAILED_PRECONDITION: RejectedError,
    grpc.StatusCode.UNIMPLEMENTED: RejectedError,
    grpc.StatusCode.PERMISSION_DENIED: RejectedError,
    grpc.StatusCode.UNAUTHENTICATED: RejectedError,
    grpc.StatusCode.OUT_OF_RANGE: RejectedError,
    grpc.StatusCode.ALREADY_EXISTS: RejectedError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.DATA_LOSS: CorruptedError,
    grpc.StatusCode.ABORTED: BusyError,
    grpc.StatusCode.UNAVAILABLE: BusyError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: BusyError,
    grpc.StatusCode.DEADLINE_EXCEEDED: BusyError,
    grpc.StatusCode.CANCELLED: BusyError,
    grpc.StatusCode.INTERNAL: BusyError,
    grpc.StatusCode.UNKNOWN: BusyError,
}

_OWN: Mapping[str, type[LakeError]] = {
    "STALE_CHECKPOINT": StaleCheckpointError,
    "CONFLICTING_ROWS": ConflictingRowsError,
}

# RESOURCE_EXHAUSTED means "too many at once" or "too large"; waiting does not help with the second.
_TOO_BIG = frozenset({"WRITE_TOO_LARGE", "FRAME_TOO_LARGE"})


def from_remote(error: RemoteError, what: str) -> LakeError:
    """The LakeError for a failed call; the message begins with `what`, e.g. the table `acme/shopify_orders`."""
    kind = _KINDS[error.code]
    if error.reason in _OWN:
        kind = _OWN[error.reason]
    elif error.reason in _TOO_BIG or (
        error.code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in error.message
    ):
        kind = RejectedError
    message = error.message
    if kind is BusyError and not error.reason:
        message = f"the lake writer did not answer ({error.code.name}: {error.message}); is it running there?"
    if not message.startswith(what):
        message = f"{what}: {message}"
    return kind(message, reason=error.reason or error.code.name, metadata=error.metadata)
