"""What the lake writer's two clients share: the default address, a channel, and the conversion of errors."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Self, TypeVar

import grpc

from weathervane.lake._errors import from_remote
from weathervane.rpc import dial, from_rpc_error

__all__ = ["Caller", "lake_address"]

_T = TypeVar("_T")


def lake_address() -> str:
    """The lake writer's address, `host:port`: `WEATHERVANE_LAKE_ADDRESS`, or else the default port on loopback."""
    return os.environ.get("WEATHERVANE_LAKE_ADDRESS", "127.0.0.1:50051")


class Caller:
    """A channel to the lake writer. Thread-safe; close it, or use it in a `with` block.

    Args:
        target: The lake writer's address, `host:port`.
        retried: Full names of the unary methods that the channel retries on UNAVAILABLE.
    """

    def __init__(self, target: str, retried: Sequence[str]) -> None:
        self.target = target
        self._channel = dial(target, retried=retried)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the channel. Calls that are open on it are cancelled, and their writes commit nothing."""
        self._channel.close()

    def _call(self, what: object, call: Callable[[], _T]) -> _T:
        try:
            return call()
        except grpc.RpcError as error:
            raise from_remote(from_rpc_error(error), str(what)) from None
