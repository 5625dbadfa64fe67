"""Converts errors to a gRPC status and back: a canonical code, a message and one `google.rpc.ErrorInfo` (AIP-193).

Exception
├── StatusError   raised by a servicer, and sent as this status
└── RemoteError   raised on the client's side, with what the status held
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

# gRPC may drop a call whose metadata exceeds 8 KiB, and the caller then sees RESOURCE_EXHAUSTED in place of the status
# (seen). The message is sent twice, percent-encoded (3 bytes for each byte that is not ASCII) and as base64 in the
# details; with this limit both together stay below 8 KiB.
_MAX_MESSAGE_BYTES = 1_200
_MAX_VALUE_BYTES = 200


class StatusError(Exception):
    """Raised by a servicer to end a call with a status.

    Args:
        code: The canonical status code.
        reason: UPPER_SNAKE_CASE; stable, because callers branch on it.
        message: What happened, to what, and what to do next. The caller gets it, cut to 1,200 bytes.
        metadata: The variable parts of the message, by name; each value is cut to 200 bytes.
    """

    def __init__(
        self, code: grpc.StatusCode, reason: str, message: str, metadata: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})

    def to_status(self, domain: str) -> grpc.Status:
        """The status for `ServicerContext.abort_with_status`, with `domain` as its ErrorInfo's domain."""
        detail = any_pb2.Any()
        detail.Pack(
            error_details_pb2.ErrorInfo(
                reason=self.reason,
                domain=domain,
                metadata={key: _cut(value, _MAX_VALUE_BYTES) for key, value in self.metadata.items()},
            )
        )
        code: int = self.code.value[0]
        return rpc_status.to_status(
            status_pb2.Status(code=code, message=_cut(self.message, _MAX_MESSAGE_BYTES), details=[detail])
        )


class RemoteError(Exception):
    """A call failed: `code`, `reason` ("" if the server gave none), message and metadata.

    A failure that the channel reports by itself (UNAVAILABLE, DEADLINE_EXCEEDED) differs from one that the server
    answered only in that it has no reason.
    """

    def __init__(
        self, code: grpc.StatusCode, reason: str, message: str, metadata: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})


def from_rpc_error(error: grpc.RpcError) -> RemoteError:
    """The failure of a call, with the reason and metadata that `StatusError.to_status` put into the status."""
    if not isinstance(error, grpc.Call):
        return RemoteError(grpc.StatusCode.UNKNOWN, "", "the call failed without a status")
    code, message = error.code(), error.details() or ""
    try:
        status = rpc_status.from_call(error)
    except ValueError:
        # The details have another code or message than the status, e.g. because a proxy replaced the status.
        status = None
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return RemoteError(code, info.reason, message, dict(info.metadata))
    return RemoteError(code, "", message)


def _cut(text: str, size: int) -> str:
    encoded = text.encode()
    return text if len(encoded) <= size else encoded[: size - 3].decode(errors="ignore") + "…"
