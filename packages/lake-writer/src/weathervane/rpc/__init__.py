"""gRPC as every package uses it: running a server, opening a channel, and errors as statuses with a stable reason."""

from weathervane.rpc._client import dial
from weathervane.rpc._errors import RemoteError, StatusError, from_rpc_error
from weathervane.rpc._health import health
from weathervane.rpc._server import (
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
    "health",
    "run_server",
    "running_server",
]
