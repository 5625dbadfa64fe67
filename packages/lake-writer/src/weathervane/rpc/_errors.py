"""Errors <-> gRPC status: a canonical code, one clear message and one `google.rpc.ErrorInfo` (AIP-193).

Exception
├── StatusError   raised by a servicer; becomes exactly this status on the wire
└── RemoteError   what a caller gets back from it
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

# gRPC begins to drop calls whose metadata is over 8 KiB, and with them the status: a clear refusal would arrive as
# RESOURCE_EXHAUSTED (seen). The message travels twice, once percent-encoded (3 bytes for each that is not ASCII) and
# once as base64 in the details, so this much is always below it.
_MAX_MESSAGE_BYTES = 1_200
_MAX_VALUE_BYTES = 200


class StatusError(Exception):
    """A refusal that a servicer raises: `code`, a message for people and a reason for programs.

    Args:
        code: The canonical status.
        reason: UPPER_SNAKE_CASE, stable: callers branch on it.
        message: What happened, to what, and what to do next. Sent to the caller as it is.
        metadata: The changing words of the message, by name.
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
        """The status as `ServicerContext.abort_with_status` takes it."""
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
    """A call failed: `code`, `reason` ("" when the server gave none), message and metadata.

    A code that the server chose and one that the channel made up (UNAVAILABLE, DEADLINE_EXCEEDED) look the
    same except for the reason.
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
    """Reads back what `StatusError.to_status` wrote."""
    if not isinstance(error, grpc.Call):
        return RemoteError(grpc.StatusCode.UNKNOWN, "", "the call failed without a status")
    code, message = error.code(), error.details() or ""
    try:
        status = rpc_status.from_call(error)
    except ValueError:
        # Details that disagree with the status: something between the two ends replaced it.
        status = None
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return RemoteError(code, info.reason, message, dict(info.metadata))
    return RemoteError(code, "", message)


def _cut(text: str, size: int) -> str:
    encoded = text.encode()
    return text if len(encoded) <= size else encoded[: size - 3].decode(errors="ignore") + "…"
