"""What can go wrong with the lake, named by what the caller should do.

Exception
└── LakeError                    code, reason, message, metadata of the server's answer
    ├── RejectedError            the request is wrong; sending it again will not help
    │   ├── StaleCheckpointError another run has moved the table's checkpoint since this one read it
    │   └── ConflictingRowsError the write holds different rows of one key
    ├── NotFoundError            no such table or version
    ├── CorruptedError           frames or stored data are not what they should be
    ├── BusyError                not now: send the same write again
    └── OutcomeUnknownError      the answer was lost: ask `get_write`, or send the same write again
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from weathervane.rpc import RemoteError


class LakeError(Exception):
    """A call to the lake failed; `reason` is stable, the text is for people."""

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
    """The request is wrong, or the table disagrees with it; sending it again will not help."""


class StaleCheckpointError(RejectedError):
    """Another run has moved the table's checkpoint since this one read it; start again from there."""


class ConflictingRowsError(RejectedError):
    """The write holds different rows of one key, of which all but one would be lost; nothing was committed. `metadata`
    names the key (`row_key`, a text of `row_keys`) and the columns in which two of them differ (`columns`).
    """


class NotFoundError(LakeError):
    """No such table or version."""


class CorruptedError(LakeError):
    """Frames were missing, reordered or corrupt, a control total differs, or stored data cannot be read."""


class BusyError(LakeError):
    """The server is full, draining or unreachable, or its storage failed. Nothing was committed by this call;
    send the same write, with the same id, again.
    """

    retriable = True


class OutcomeUnknownError(LakeError):
    """The write was sent whole and the answer was lost; it may be in the table. Ask `get_write`, or send the
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

# RESOURCE_EXHAUSTED is both "too many at once" and "too big"; the second will not pass by waiting.
_TOO_BIG = frozenset({"WRITE_TOO_LARGE", "FRAME_TOO_LARGE"})


def from_remote(error: RemoteError, what: str) -> LakeError:
    """The LakeError for a failed call; `what` names the call's object (`acme/shopify_orders`)."""
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
