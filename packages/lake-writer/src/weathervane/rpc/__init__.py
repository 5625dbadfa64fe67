"""How this house speaks gRPC: serving, dialling, and errors that keep their meaning on the wire."""

from weathervane.rpc.client import dial
from weathervane.rpc.errors import RemoteError, StatusError, from_rpc_error
from weathervane.rpc.server import (
    AddressInUseError,
    RunningServer,
    ServerSettings,
    Service,
    run_server,
    running_server,
)

__all__ = [
    "AddressInUseError",
    "RemoteError",
    "RunningServer",
    "ServerSettings",
    "Service",
    "StatusError",
    "dial",
    "from_rpc_error",
    "run_server",
    "running_server",
]
